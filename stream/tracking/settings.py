"""The numbers that identities are kept by, measured in docs/tracking.md."""

from __future__ import annotations

from typing import NamedTuple


class Settings(NamedTuple):
    """Lengths are shares of a person's size (the diagonal of their box), so that near and far
    people are treated alike; times are seconds of stream time.

    Attributes:
        sure: Score of people who may begin the first pass.
        birth: Score of people who may become somebody new.
        joint: Score below which a joint is not used.
        acceleration: Standard deviation of a person's acceleration, sizes/s^2.
        speed: Standard deviation of the speed of somebody new, sizes/s.
        measurement: Standard deviation of where the joints say that a person is, sizes.
        halt_s: How fast somebody out of sight is taken to slow down.
        spread: Factor on the fall-off of each joint (COCO's sigma) from frame to frame.
        position_share: Weight of the position of the whole body against that of each joint.
        vagueness: Exponent of the penalty for people whose place is no longer known well.
        outside: Part in the exponent of somebody who is taken to have walked out of the picture:
            whoever comes in there next is mostly somebody else.
        leaving_s: Who has not been seen for this, and would be outside, is taken to have.
        size_ratio: Standard deviation of the logarithm of the ratio of sizes.
        colour: Standard deviation of the colour of the same clothes, 0 to 1.
        colour_most: Largest part that colour has in the exponent.
        colour_unknown: What that part is per region (torso, legs) whose colour is not known.
        colour_rate: Share of a new sighting in the colours that are remembered.
        colour_gap: Sizes to the side that somebody must be free for their colours to be learned.
        sure_cost: A sure person farther than this (0 to 1) from everybody known is nobody known.
        doubtful_cost: The same for doubtful people.
        tentative_cost: The same for people who have been seen too rarely to be believed.
        sightings: Sightings that make a person believed.
        recent_s: Doubtful people can only be those seen this lately.
        tentative_s: Somebody who is not believed is forgotten after this.
        lost_s: Somebody who is believed is forgotten after this.
        duplicate: Nobody becomes somebody new who is so similar (0 to 1) to a person of the same
            frame who was recognised: grouping gives one person two skeletons at times.
    """

    sure: float = 0.25
    birth: float = 0.3
    joint: float = 0.125
    acceleration: float = 1.2
    speed: float = 0.63
    measurement: float = 0.13
    halt_s: float = 12.0
    spread: float = 0.9
    position_share: float = 0.265
    vagueness: float = 0.133
    outside: float = 2.0
    leaving_s: float = 0.35
    size_ratio: float = 0.65
    colour: float = 0.1
    colour_most: float = 1.6
    colour_unknown: float = 0.35
    colour_rate: float = 0.17
    colour_gap: float = 0.04
    sure_cost: float = 0.93
    doubtful_cost: float = 0.585
    tentative_cost: float = 0.85
    sightings: int = 2
    recent_s: float = 0.65
    tentative_s: float = 0.36
    lost_s: float = 2.0
    duplicate: float = 0.3


# The scores of `Settings` over the score from which people of a model are kept, which was 0.2 for
# the one that they were chosen with.
_SURE, _BIRTH = 1.25, 1.5


def settings_for(min_score: float, lost_s: float) -> Settings:
    """Settings for a model whose people are kept from `min_score` on.

    Args:
        min_score: 0 where there is none; then everybody is sure.
        lost_s: Somebody who is believed is forgotten after this.
    """
    return Settings(sure=_SURE * min_score, birth=_BIRTH * min_score, lost_s=lost_s)
