"""Every kernel of grouping runs without the GIL and without reordered floating point."""

from __future__ import annotations

import importlib
import pkgutil
import threading

import numpy as np
from numba.core.dispatcher import Dispatcher

import grouping
from grouping import Grouper
from tests.grouping.support import assert_same_people
from tests.support.pose_maps import draw_maps
from tests.support.waiting import joined

MODULES = [
    importlib.import_module(f"grouping.{module.name}")
    for module in pkgutil.iter_modules(grouping.__path__)
]


def test_every_kernel_of_the_package_is_made_that_way() -> None:
    dispatchers = [
        value
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, Dispatcher)
    ]
    assert len({dispatcher.__name__ for dispatcher in dispatchers}) > 15
    for dispatcher in dispatchers:
        assert dispatcher.targetoptions["nogil"] is True
        assert not dispatcher.targetoptions.get("fastmath")


def test_two_threads_with_a_grouper_each_do_not_disturb_each_other() -> None:
    frames = [
        draw_maps(np.random.default_rng(seed), 6, 96, 128, tag_length=2, stray=2)
        for seed in range(8)
    ]
    expected = [Grouper()(*frame) for frame in frames]
    failures: list[BaseException] = []

    def work(first: int) -> None:
        try:
            own = Grouper()
            for turn in range(40):
                number = (first + turn) % len(frames)
                assert_same_people(own(*frames[number]), expected[number])
        except BaseException as error:  # noqa: BLE001 - reported by the main thread
            failures.append(error)

    workers = [threading.Thread(target=work, args=(first,)) for first in (0, 5)]
    for worker in workers:
        worker.start()
    joined(*workers)
    assert not failures
