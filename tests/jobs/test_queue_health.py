"""A queue that is not well is told of once, and once when it is well again."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotality.jobs.health import (
    Alert,
    AlertFile,
    AlertRules,
    HealthWatch,
    prometheus_text,
)


@dataclass
class Figures:
    """Of a queue; those that are not given are of an idle one."""

    queue: str = "mail"
    queued: int = 0
    delayed: int = 0
    running: int = 0
    retrying: int = 0
    dead: int = 0
    oldest_s: float | None = None
    done_per_minute: float = 0.0
    workers: int = 1
    slots: int = 4


class Clock:
    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


def texts(alerts: list[Alert]) -> list[str]:
    return [each.text for each in alerts]


def test_depth_is_told_once(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Above ten thousand, as the document has it, until it is well below that."""
    told = list[Alert]()
    watch = HealthWatch(tell=[told.append], now=clock)

    for queued in (0, 10_000, 10_001, 20_000, 9_000, 10_500, 8_001):
        watch.look([Figures(queued=queued)])
    assert texts(told) == ["queue 'mail': 10,001 jobs wait; the limit is 10,000"]

    watch.look([Figures(queued=8_000)])
    watch.look([Figures(queued=0)])
    assert texts(told[1:]) == ["queue 'mail' is well again: depth"]
    assert told[1].is_over
    assert [record.getMessage() for record in caplog.records][:1] == texts(told)[:1]

    watch.look([Figures(queued=10_001)])
    assert len(told) == 3


def test_age_of_the_oldest(clock: Clock) -> None:
    """Few jobs may wait for too long as well."""
    watch = HealthWatch(AlertRules(oldest_s=30), now=clock)

    assert watch.look([Figures(oldest_s=30)]) == []
    assert texts(watch.look([Figures(oldest_s=31)])) == [
        "queue 'mail': the oldest job has waited for 31 s; the limit is 30"
    ]
    assert [each.is_over for each in watch.look([Figures(oldest_s=None)])] == [True]


def test_growth_of_dead_letters(clock: Clock) -> None:
    """How many have come lately, however many were there before."""
    watch = HealthWatch(AlertRules(dead=5, dead_within_s=600), now=clock)

    def look(dead: int, after_s: float = 60) -> list[str]:
        clock.time += after_s
        return texts(watch.look([Figures(dead=dead)]))

    assert look(1000) == []
    assert look(1005) == []
    assert look(1005, 601) == []  # those five are long ago
    assert look(1010) == []
    assert look(1011) == [
        "queue 'mail': 6 dead letters have come lately; the limit is 5"
    ]
    assert look(1011) == []
    assert look(1011, 601) == ["queue 'mail' is well again: dead"]
    # Requeued, and dead again: the second time counts.
    assert look(0) == []
    assert look(6) == ["queue 'mail': 6 dead letters have come lately; the limit is 5"]


def test_no_worker(clock: Clock) -> None:
    """Jobs wait, of whatever kind, and nobody has served them for a while."""
    watch = HealthWatch(now=clock)

    def look(after_s: float, **figures: Any) -> list[str]:
        clock.time += after_s
        return texts(watch.look([Figures(**figures)]))

    assert look(0, workers=0) == []
    assert look(1000, workers=0, delayed=1) == []
    assert look(60, workers=0, retrying=1) == []
    assert look(1, workers=0, queued=1) == [
        "queue 'mail': jobs wait, and there has been no worker for 61 s"
    ]
    assert look(1, workers=0, queued=1) == []
    assert look(1, workers=1, queued=1) == ["queue 'mail' is well again: no worker"]
    assert look(1000, workers=0, queued=1) == []
    assert look(-5000, workers=0, queued=1) == []  # the clock was set back
    assert look(60, workers=0, queued=1) == []
    assert len(look(1, workers=0, queued=1)) == 1


def test_queues_are_told_apart(clock: Clock) -> None:
    """Each has its own alerts, and may have its own rules."""
    watch = HealthWatch(queues={"image": AlertRules(depth=10)}, now=clock)

    begun = watch.look(
        [Figures("image", 11), Figures("mail", 11), Figures("x", 10_001)]
    )
    assert [(each.queue, each.kind, each.value) for each in begun] == [
        ("image", "depth", 11),
        ("x", "depth", 10_001),
    ]

    # A queue that is not there any more is empty.
    over = watch.look([Figures("image", 11)])
    assert [(each.queue, each.is_over) for each in over] == [("x", True)]
    assert watch.look([]) == [Alert("image", "depth", 0, 10, is_over=True)]
    assert watch.look([]) == []


def test_a_limit_of_none_does_not_matter(clock: Clock) -> None:
    """Of any of them."""
    rules = AlertRules(depth=None, oldest_s=None, dead=None, no_worker_s=None)
    watch = HealthWatch(rules, now=clock)

    assert watch.look([Figures()]) == []
    clock.time += 100
    assert watch.look([Figures("mail", 10**9, 1, 1, 1, 10**9, 1e9, 0.0, 0)]) == []


def test_whoever_cannot_be_told(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Does not keep the others from being told."""
    told = list[Alert]()

    def broken(alert: Alert) -> None:
        raise ConnectionError("no network")

    watch = HealthWatch(tell=[broken, told.append], now=clock)

    assert watch.look([Figures(queued=10_001)]) == told
    assert len(told) == 1
    assert "could not be told: ConnectionError: no network" in caplog.text


def test_whoever_would_have_to_be_awaited(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Has not been told, and that is said."""

    async def told(alert: Alert) -> None:
        raise AssertionError(alert)

    HealthWatch(tell=[told], now=clock).look([Figures(queued=10_001)])

    assert "could not be told: TypeError: what is told is asynchronous" in caplog.text


def test_a_memory_that_fails_loses_no_alert(clock: Clock) -> None:
    """What was noted before has been told, and the rest is told the next time."""
    told = list[Alert]()
    calls = iter([True, OSError("locked"), True, OSError("locked"), True, True])

    class Memory:
        def begin(self, key: str) -> bool:
            answer = next(calls)
            if isinstance(answer, OSError):
                raise answer
            return answer

        def end(self, key: str) -> bool:
            return self.begin(key)

    rules = AlertRules(depth=1, oldest_s=None, dead=None, no_worker_s=None)
    watch = HealthWatch(rules, tell=[told.append], memory=Memory(), now=clock)
    for queued in (5, 0):
        both = [Figures("a", queued=queued), Figures("b", queued=queued)]
        with pytest.raises(OSError, match="locked"):
            watch.look(both)
        watch.look(both)

    assert [(each.queue, each.is_over) for each in told] == [
        *(("a", False), ("b", False)),
        *(("a", True), ("b", True)),
    ]


def test_dead_letters_are_told_by_one_who_looks_seldom(clock: Clock) -> None:
    """More seldom than within the time that the rule is about."""
    watch = HealthWatch(AlertRules(dead=5, dead_within_s=600), now=clock)

    assert watch.look([Figures(dead=3)]) == []
    clock.time += 3600
    assert texts(watch.look([Figures(dead=9)])) == [
        "queue 'mail': 6 dead letters have come lately; the limit is 5"
    ]
    clock.time += 3600
    assert [each.is_over for each in watch.look([Figures(dead=9)])] == [True]


def test_several_who_look(clock: Clock, tmp_path: Path) -> None:
    """At the same time, each with its own eyes: one of them tells."""
    told = list[Alert]()
    watches = [
        HealthWatch(tell=[told.append], memory=AlertFile(tmp_path / "a.db"), now=clock)
        for _ in range(4)
    ]

    for queued in (10_001, 10_002, 0, 0, 10_001):
        threads = [
            threading.Thread(target=watch.look, args=[[Figures(queued=queued)]])
            for watch in watches
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [each.is_over for each in told] == [False, True, False]


@pytest.mark.parametrize("is_bad_meanwhile", [True, False])
def test_a_restart(clock: Clock, tmp_path: Path, is_bad_meanwhile: bool) -> None:
    """Tells nothing twice, and what has become well in the meantime."""
    told = list[Alert]()

    def restarted() -> HealthWatch:
        memory = AlertFile(tmp_path / "alerts.db")
        return HealthWatch(tell=[told.append], memory=memory, now=clock)

    restarted().look([Figures(queued=10_001)])
    restarted().look([Figures(queued=10_001 if is_bad_meanwhile else 0)])
    assert [each.is_over for each in told] == [False, True][: 2 - is_bad_meanwhile]

    restarted().look([Figures(queued=0)])
    restarted().look([Figures(queued=10_001)])
    assert [each.is_over for each in told] == [False, True, False]


def test_a_file_is_where_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for a process that goes to another folder."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    memory = AlertFile("alerts.db")
    monkeypatch.chdir(elsewhere)
    assert memory.begin("depth: mail")

    assert not AlertFile(tmp_path / "alerts.db").begin("depth: mail")


@given(st.lists(st.integers(0, 30), max_size=50))
def test_beginnings_and_ends_take_turns(depths: list[int]) -> None:
    """Whatever the figures do, and each is true when it is told."""
    watch = HealthWatch(AlertRules(depth=20, over_below=0.5))
    told = list[bool]()

    for queued in depths:
        for alert in watch.look([Figures(queued=queued)]):
            told.append(alert.is_over)
            assert queued <= 10 if alert.is_over else queued > 20
        is_bad = bool(told) and not told[-1]
        assert not (is_bad and queued <= 10)
        assert not (not is_bad and queued > 20)

    assert told == [bool(n % 2) for n in range(len(told))]


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ({"depth": -1}, ValueError),
        ({"oldest_s": float("nan")}, ValueError),
        ({"dead": float("inf")}, ValueError),
        ({"over_below": 1.1}, ValueError),
        ({"over_below": None}, TypeError),
        ({"no_worker_s": "60"}, TypeError),
        ({"depth": True}, TypeError),
    ],
)
def test_limits_that_are_none(limits: dict[str, Any], error: type[Exception]) -> None:
    """Are refused with their name."""
    with pytest.raises(error, match=next(iter(limits))):
        AlertRules(**limits)


def test_an_alert_travels() -> None:
    """As JSON, with its sentence."""
    assert Alert("mail", "depth", 11, 10).to_json() == {
        "queue": "mail",
        "kind": "depth",
        "value": 11,
        "limit": 10,
        "is_over": False,
        "text": "queue 'mail': 11 jobs wait; the limit is 10",
    }


def test_what_prometheus_reads() -> None:
    """Every sample belongs to a metric of a type, and labels are quoted."""
    text = prometheus_text(
        [
            Figures('a"b\\c\nd', queued=3, oldest_s=1.5),
            Figures("a", dead=7, done_per_minute=12.0, workers=2, slots=8),
        ]
    )

    assert text.endswith("\n")
    assert 'cotality_jobs{queue="a",state="dead"} 7\n' in text
    assert 'cotality_jobs{queue="a\\"b\\\\c\\nd",state="queued"} 3\n' in text
    assert 'cotality_jobs_oldest_seconds{queue="a"} 0.0\n' in text
    assert 'cotality_jobs_done_per_minute{queue="a"} 12.0\n' in text
    types = re.findall(r"^# TYPE (\w+) gauge$", text, re.M)
    label = r'\w+="(?:[^"\\\n]|\\["\\n])*"'
    sample = re.compile(rf"(\w+)\{{{label}(?:,{label})*\}} [0-9.e+-]+")
    for line in text.splitlines():
        if not line.startswith("#"):
            found = sample.fullmatch(line)
            assert found, line
            assert found[1] in types
    assert prometheus_text([]).count("# TYPE") == len(types) == len(set(types)) == 5
