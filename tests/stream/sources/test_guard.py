import threading

from stream.sources.guard import Guard
from tests.support.waiting import LIMIT_S, happened, joined


def test_closing_waits_for_whoever_is_inside_without_blocking() -> None:
    calls: list[str] = []
    guard = Guard(lambda: calls.append(threading.current_thread().name))
    inside, leave = threading.Event(), threading.Event()

    def use() -> None:
        with guard:
            inside.set()
            leave.wait(LIMIT_S)

    user = threading.Thread(target=use, name="user")
    user.start()
    happened(inside, "somebody is inside")
    guard.close()
    assert calls == []
    leave.set()
    joined(user)
    assert calls == ["user"]


def test_closing_something_unused_happens_at_once() -> None:
    calls: list[int] = []
    guard = Guard(lambda: calls.append(1))
    with guard:
        pass
    assert calls == []
    guard.close()
    assert calls == [1]


def test_nobody_is_ever_inside_after_the_release() -> None:
    for _ in range(200):
        released = threading.Event()
        broken: list[bool] = []
        guard = Guard(released.set)

        def use(
            guard: Guard = guard, released: threading.Event = released, broken: list[bool] = broken
        ) -> None:
            while not released.is_set():
                with guard:
                    before = released.is_set()
                    broken.append(released.is_set() != before)

        user = threading.Thread(target=use)
        user.start()
        guard.close()
        joined(user)
        assert released.is_set()
        assert not any(broken)
