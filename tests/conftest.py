"""Fixtures that the tests of all packages share."""

import fcntl
import logging
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

# What a developer's shell sets for the product (caches, mirrors, tokens) is no part of a test, and
# of no process that one starts.
for _name in [name for name in os.environ if name.startswith(("HIGHERHRNET_", "POSE_STREAM_"))]:
    del os.environ[_name]
# No test and no process of one fetches anything from the world; those of fetching have servers of
# their own and take this away.
os.environ["HIGHERHRNET_OFFLINE"] = "1"
# Threads of OpenMP (torch's) spin where they wait for each other: two processes with two of them
# each, on two cores, spend half of their time on that. Set before anything loads OpenMP, and for
# the processes of tests as well.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from tests.support.cuda import cuda_libraries, cuda_process  # noqa: E402, F401 - fixtures
from tests.support.fork_server import ForkServer  # noqa: E402

# The same cases in every run, so that what fails has to do with the change;
# HYPOTHESIS_PROFILE=default looks for new ones.
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Where several processes run tests (pytest-xdist), one marked `alone` runs while no other
    does.
    """
    if not hasattr(item.config, "workerinput"):
        return (yield)
    with _turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@contextmanager
def _turn(*, alone: bool) -> Iterator[None]:
    """A time in which any number of tests run, or one that is alone."""
    with Path(__file__).open() as queue, (REPOSITORY / "pyproject.toml").open() as running:
        # Who waits to be alone lets nobody pass meanwhile, and so is not passed for ever.
        fcntl.flock(queue, fcntl.LOCK_EX)
        fcntl.flock(running, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(queue, fcntl.LOCK_UN)
        try:
            yield
        finally:
            # Closing is not enough where a fork of the test still has the file.
            fcntl.flock(running, fcntl.LOCK_UN)


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Commands that are tested in this process set logging up as for a process of their own."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.setLevel(level)
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """Runs command lines in a tenth of the time that a process of its own takes to start."""
    with ForkServer() as server:
        yield server


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the repository with golden files, data and media; skips the test where
    there is none.
    """
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip(
            "needs ../shared: golden files, images and clips that are not part of the repository"
        )
    return folder


@pytest.fixture(scope="session")
def golden(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """Where a file is that the reference implementation recorded, such as `grouping/case_03.npz`.

    A few lie in tests/golden, so that no machine is without; the test is skipped where one does not
    and there is no ../shared.
    """

    def find(name: str) -> Path:
        own = REPOSITORY / "tests" / "golden" / name
        return own if own.exists() else Path(request.getfixturevalue("shared")) / "golden" / name

    return find
