"""Which image comes when: samples that depend on seed and position alone, so that a run resumes and
splits exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from training.dataset import SampleKey


class SampleStream:
    """Samples 0, 1, 2, ... of a training over several sets of images.

    An epoch shows every image of a set `weight` times, in random order; the fractional part of a
    weight takes a random part of the set. Images are numbered through all sets.
    """

    def __init__(self, set_sizes: Sequence[int], weights: Sequence[float], seed: int) -> None:
        self._sizes = list(set_sizes)
        self._draws = [
            max(1, round(size * weight)) for size, weight in zip(set_sizes, weights, strict=True)
        ]
        self._seed = seed
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.zeros(0, np.int64))

    @property
    def epoch_samples(self) -> int:
        """Samples in one epoch."""
        return sum(self._draws)

    def image(self, number: int) -> int:
        """The image that sample `number` shows."""
        epoch, position = divmod(number, self.epoch_samples)
        if self._order[0] != epoch:
            self._order = (epoch, self._shuffled(epoch))
        return int(self._order[1][position])

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        random = np.random.default_rng((self._seed, epoch))
        parts, first = [], 0
        for size, draws in zip(self._sizes, self._draws, strict=True):
            whole, rest = divmod(draws, size)
            parts.append(np.tile(np.arange(size), whole) + first)
            parts.append(random.permutation(size)[:rest] + first)
            first += size
        return random.permutation(np.concatenate(parts))


class BatchStream(Sampler[list[SampleKey]]):
    """Keys of one process's part of every batch, from step `first_step` on, without end.

    Of a batch that `processes` share, process `rank` takes every `processes`-th sample.
    """

    def __init__(
        self,
        stream: SampleStream,
        *,
        batch_size: int,
        size_px: Callable[[int], int],
        first_step: int = 0,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        """Begins with the batch of `first_step`.

        Args:
            stream: Which samples come, in which order.
            batch_size: Images of a batch, those of all processes together.
            size_px: The crop side at a step.
            first_step: Where a resumed run goes on.
            rank: Number of this process.
            processes: How many share the stream.
        """
        self._stream = stream
        self._batch_size = batch_size
        self._size_px = size_px
        self._first_step = first_step
        self._rank = rank
        self._processes = processes

    def __iter__(self) -> Iterator[list[SampleKey]]:
        step = self._first_step
        while True:
            side = self._size_px(step)
            numbers = range(
                step * self._batch_size + self._rank, (step + 1) * self._batch_size, self._processes
            )
            yield [SampleKey(self._stream.image(number), number, side) for number in numbers]
            step += 1
