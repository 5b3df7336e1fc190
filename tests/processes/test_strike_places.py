"""Which instructions `nox -s interrupts` strikes, and what it keeps of a run."""

from __future__ import annotations

import threading
from pathlib import Path
from types import CodeType, SimpleNamespace

from tests.kit.strike_places import ERRORS, TIMES, Aim, Places
from tests.kit.strike_record import TRIES, Record, struck_in
from tests.kit.striking import KINDS, PlaceStrike, Strike, handlers, instructions_of

lock = threading.Lock()
seen = SimpleNamespace(steps=[])


def is_of_walk(code: CodeType) -> bool:
    return code is walk.__code__


def walk(count: int) -> None:
    for number in range(count):
        with lock:
            seen.steps.append(number)
        seen.last = number


def watched(count: int) -> Places:
    found = []
    for _ in range(2):
        with Strike(0, KeyboardInterrupt, is_of_walk) as strike:
            walk(count)
        found.append(strike)
    return Places(found)


def state_at(aim: Aim) -> object:
    """What *aim* leaves."""
    seen.steps, seen.last = [], None
    struck: type[BaseException] | None = None
    with handlers():
        strike = PlaceStrike(aim.place, aim.at, aim.error, is_of_walk)
        try:
            with strike:
                walk(3)
        except tuple(KINDS) as error:
            struck = type(error)
    assert struck is aim.error, aim
    assert not lock.locked(), aim
    return seen.steps, seen.last


def test_each_place_is_struck_at_three_times_with_three_kinds() -> None:
    """The first, the last and one between, and no lock is left behind."""
    places = watched(3)
    turns = [places.turn(turn) for turn in TIMES]

    assert len(places.named) > 10
    for aims in turns:
        for aim in aims:
            state_at(aim)
    kinds = zip(*([aim.error for aim in aims] for aims in turns), strict=True)
    assert {frozenset(each) for each in kinds} == {frozenset(ERRORS)}


def test_what_is_left_out_is_as_what_comes_before_it() -> None:
    """Struck there, the call leaves the same."""
    places = watched(3)
    known = instructions_of(walk.__code__)
    left_out = sorted(
        (place for place in places.times if place.offset in known.like_last),
        key=lambda place: place.offset,
    )

    assert len(left_out) > 5
    for place in left_out:
        before = max(
            (other for other in places.times if other.offset < place.offset),
            key=lambda other: other.offset,
        )
        for at in {1, min(places.times[place], places.times[before])}:
            here, there = (
                state_at(Aim("", each, at, KeyboardInterrupt))
                for each in (place, before)
            )
            assert here == there, place.offset


def test_the_name_of_an_aim_leads_to_it() -> None:
    places = watched(2)

    for aim in places.some(9, seed=1):
        assert places.read(f"{aim}") == aim


def test_a_run_goes_on_where_it_was(tmp_path: Path) -> None:
    """What was struck is not struck again; what never came back, not for ever."""
    file = tmp_path / "warm.txt"
    first = Record(file)
    for aim, is_struck in (("a+2#1=X", True), ("b+4#1=X", False)):
        first.begin(aim)
        first.end(aim, is_struck=is_struck)
    first.begin("c+6#1=X")
    first.tell("b+4: lost it")
    first.close()

    again = Record(file)
    assert again.is_over("a+2#1=X")
    assert not again.is_over("c+6#1=X")
    assert again.wrong == ["b+4: lost it"]
    for _ in range(TRIES - 1):
        again.begin("c+6#1=X")
    again.end_turn("once")
    again.close()

    last = Record(file)
    last.close()
    assert last.stuck() == ["c+6#1=X"]
    assert last.is_over("c+6#1=X")
    assert last.ended == {"once"}
    assert struck_in(tmp_path) == {"a+2"}
