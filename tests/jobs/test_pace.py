"""How often a worker looks for jobs: pure rules, no clock."""

from __future__ import annotations

from cotality.jobs._jobs.engines.pace import QUICK_S, Pace


def test_a_queue_whose_places_are_empty_between_looks_is_looked_at_often() -> None:
    """Four slots and four looks a second: 16 jobs a second are all that can come."""
    pace = Pace(0.25, {"mail": 4}, 8)

    assert pace.after(1.0, {"mail": 3}) == {}
    assert pace.after(1.0, {"mail": 3 + 12}) == {"mail": QUICK_S}
    assert pace.after(1.0, {"mail": 15 + 400}) == {}
    assert pace.back() == {"mail": 0.25}


def test_a_quiet_queue_is_let_alone_again() -> None:
    """After a while, and not at the first pause."""
    pace = Pace(0.25, None, 4)
    assert pace.after(1.0, {"mail": 16}) == {"mail": QUICK_S}

    rounds = [pace.after(1.0, {"mail": 16}) for _ in range(6)]

    assert rounds == [{}, {}, {}, {}, {"mail": 0.25}, {}]
    assert pace.back() == {}


def test_long_jobs_are_no_reason_to_look_often() -> None:
    """All places are taken, whenever one looks."""
    pace = Pace(0.25, {"mail": 4}, 4)

    assert [pace.after(1.0, {"mail": 4 * second}) for second in range(9)] == [{}] * 9


def test_who_looks_often_anyway_stays_with_it() -> None:
    """As ``--poll`` says."""
    assert Pace(0.02, {"mail": 1}, 1).after(1.0, {"mail": 1000}) == {}
