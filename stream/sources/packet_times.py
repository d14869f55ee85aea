"""Time stamps of packets, put right where the clock of a stream jumps.

A transport stream is what somebody recorded: its clock starts anywhere, wraps after 26.5 hours, and
jumps where a recorder was restarted or two recordings were joined. Frames and sound jump together,
though not at the same packet. Whoever reads such a file, for its frames or for its sound, corrects
every packet here, and so both get the same times.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av.container import InputContainer
from av.packet import Packet

# FFmpeg's AVFMT_TS_DISCONT: formats whose clock may jump (libavformat/avformat.h)
_MAY_JUMP = 0x0200
# As FFmpeg's own tool has it (-dts_delta_threshold, and a tenth of a second back): a gap that is
# longer is no gap.
_LONGEST_GAP_S = Fraction(10)
_BACK_S = Fraction(1, 10)


@dataclass
class _Place:
    """Where a stream is: its last time in seconds, the time after that, and what is added to its
    stamps.
    """

    last_s: Fraction
    next_s: Fraction
    shift_s: Fraction

    def fits(self, time_s: Fraction) -> bool:
        """Whether a packet at that time goes on from the last one."""
        return self.last_s - _BACK_S <= time_s <= self.next_s + _LONGEST_GAP_S


class PacketTimes:
    """Makes the clock of one container go on where it jumps; all its packets have to come here.

    Formats whose clock does not jump (MP4, Matroska) are left alone: a gap in them is one.

    Attributes:
        may_jump: Whether the clock of this format may begin anywhere, and jump.
        jumped: Whether it has.
    """

    def __init__(self, container: InputContainer) -> None:
        self.may_jump = bool(container.format.flags & _MAY_JUMP)
        self.jumped = False
        self._places: dict[int, _Place] = {}
        self._newest_s = Fraction(0)  # shift

    def correct(self, packet: Packet[Any]) -> None:
        """Shifts the time stamps of `packet` by what its stream is shifted by from here on."""
        if not self.may_jump or packet.time_base is None:
            return
        index, time_base = packet.stream.index, packet.time_base
        place = self._places.get(index)
        if packet.dts is not None:
            stamp_s = packet.dts * time_base
            if place is None:
                time_s = stamp_s + self._newest_s
                place = self._places[index] = _Place(time_s, time_s, self._newest_s)
            elif not place.fits(stamp_s + place.shift_s):
                self._newest_s = self._shift_s(place, stamp_s)
                self.jumped = self.jumped or self._newest_s != place.shift_s
                place.shift_s = self._newest_s
            time_s = stamp_s + place.shift_s
            length_s = (packet.duration or 0) * time_base or max(Fraction(0), time_s - place.last_s)
            place.last_s, place.next_s = time_s, time_s + length_s
        if place is not None and place.shift_s:
            shift = round(place.shift_s / time_base)
            if packet.dts is not None:
                packet.dts += shift
            if packet.pts is not None:
                packet.pts += shift

    def _shift_s(self, place: _Place, stamp_s: Fraction) -> Fraction:
        """What to add to the stamps of a stream that does not go on at `stamp_s`."""
        others = [other for other in self._places.values() if other is not place]
        forward_s = stamp_s + place.shift_s
        if forward_s > place.last_s and any(
            abs(forward_s - other.last_s) < _LONGEST_GAP_S for other in others
        ):
            return place.shift_s  # a gap: the other streams are there already
        for other in others:
            if place.fits(stamp_s + other.shift_s):
                return other.shift_s  # what has jumped before it
        return place.next_s - stamp_s
