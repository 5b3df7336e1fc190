"""Who waits for the interpreter's lock again and again asks for short turns."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from cotality.core.utils._process.machine.short_turns import (
    PROBE_TURN,
    SHORT_TURN,
    is_ours,
    short_turns,
    wanted,
)

LIMIT = 30.0  # s that anything here may take
USUAL = 0.004  # s


@pytest.fixture(autouse=True)
def usual_turns() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(USUAL)
    yield
    assert not wanted
    sys.setswitchinterval(before)


def turns() -> float:
    return sys.getswitchinterval()


def test_they_are_as_they_were_afterwards() -> None:
    """Also one within the other, and after an exception."""
    with suppress(KeyError), short_turns():
        assert turns() == pytest.approx(SHORT_TURN, abs=2e-6)
        with short_turns(PROBE_TURN):
            assert turns() == pytest.approx(SHORT_TURN, abs=2e-6)
        assert turns() == pytest.approx(SHORT_TURN, abs=2e-6)
        raise KeyError

    assert turns() == USUAL


def test_a_longer_one_is_no_longer_for_what_needs_a_short_one() -> None:
    with short_turns(PROBE_TURN):
        assert turns() == pytest.approx(PROBE_TURN, abs=2e-6)
        with short_turns():
            assert turns() == pytest.approx(SHORT_TURN, abs=2e-6)

    assert turns() == USUAL


def test_who_is_done_leaves_others_the_turns_that_they_want() -> None:
    """A probe goes by how long its own are."""
    with short_turns(PROBE_TURN):
        other = threading.Thread(target=come_and_go)
        other.start()
        other.join(LIMIT)

        assert turns() == pytest.approx(PROBE_TURN, abs=2e-6)


def come_and_go() -> None:
    with short_turns():
        assert turns() == pytest.approx(SHORT_TURN, abs=2e-6)


def test_what_somebody_else_has_set_meanwhile_stays() -> None:
    """Such as a task that runs beside the one who looks at it."""
    with short_turns():
        sys.setswitchinterval(0.02)

    assert turns() == 0.02


def test_turns_that_are_shorter_already_stay() -> None:
    sys.setswitchinterval(1e-5)
    with short_turns():
        assert turns() == pytest.approx(1e-5, abs=2e-6)

    assert turns() == pytest.approx(1e-5, abs=2e-6)


def test_when_all_threads_are_done_they_are_as_they_were() -> None:
    """Whoever comes and goes at the same moment."""
    begin = threading.Barrier(4)

    def come_and_go() -> None:
        begin.wait(LIMIT)
        for _ in range(2000):
            with short_turns():
                pass

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    with short_turns():
        pass  # the last of all

    assert turns() == USUAL


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_is_not_left_with_those_of_a_thread_that_it_does_not_have() -> None:
    """The next one who asks for short turns there sets them right."""
    inside, go_on = threading.Event(), threading.Event()

    def stay_inside() -> None:
        with short_turns():
            inside.set()
            go_on.wait(LIMIT)

    thread = threading.Thread(target=stay_inside)
    thread.start()
    inside.wait(LIMIT)
    child = os.fork()
    if child == 0:
        with short_turns():
            pass
        os._exit(int(is_ours(turns())))
    go_on.set()
    thread.join(LIMIT)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
