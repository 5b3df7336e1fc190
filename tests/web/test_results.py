"""Results are stored in portions, without a gap, and read page by page."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cotality.jobs import StoreError
from cotality.web._web.methods.order import Done
from cotality.web._web.models.kinds import TaskType
from cotality.web._web.parts import checksum
from cotality.web._web.settings.settings import Settings
from cotality.web._web.work import portions as portions_module
from cotality.web._web.work import results as results_module
from cotality.web._web.work.functions import TaskJobs
from cotality.web._web.work.portions import Portions
from cotality.web._web.work.results import Results, SupersededError
from cotality.web._web.work.rows import TaskRow
from tests.kit.at_once import at_once
from tests.kit.helpers import wait_until
from tests.kit.limits import LONG_S
from tests.kit.stores import KINDS, store_of

pytestmark = pytest.mark.one_python

ID = "task_00000000_1"


@pytest.fixture(scope="module", params=KINDS)
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    with store_of(request.param, tmp_path_factory.mktemp("store")) as url:
        yield url


@pytest.fixture
def results(store: str, tmp_path: Path) -> Iterator[Results]:
    tasks = TaskJobs(Settings(state_dir=tmp_path, store_url=store))
    tasks.results.prepare()
    with tasks.jobs.transaction() as connection:
        for table in ("tasks", "portions", "figures"):
            connection.execute(text(f"DELETE FROM cotality_web_{table}"))
    yield tasks.results
    tasks.jobs.close()


def added(results: Results, task_id: str = ID, total: int = 100) -> TaskRow:
    """A task that has begun."""
    with results.jobs.transaction() as connection:
        results.add(
            connection,
            task_id,
            owner="me",
            kind=TaskType.BACKGROUND,
            method=TaskType.AUTO,
            config={"items_count": total},
            total=total,
        )
    return results.begin(task_id)


def done(*indices: int) -> list[Done]:
    return [
        Done(index, None, f"failed {index}")
        if index % 7 == 3
        else Done(index, index * 2)
        for index in indices
    ]


def told(row: TaskRow) -> None:
    """Nobody needs to know."""


def test_portions_add_up(results: Results) -> None:
    """To counts, and to the checksum that one portion would have."""
    row = added(results)
    row = results.add_portion(row, done(*range(60)))
    row = results.add_portion(row, [each._replace(deaths=1) for each in done(60, 61)])

    assert results.look(ID) == row
    assert (row.done, row.failed, row.deaths, row.runs) == (62, 9, 2, 1)
    expected = [checksum.sum_of(each.item, each.value) for each in done(*range(62))]
    assert row.checksum == checksum.as_text(checksum.added(expected))
    assert results.items(ID, 0, 1000) == done(*range(62))


@pytest.mark.parametrize(
    ("start", "limit"), [(0, 1), (0, 5), (3, 5), (7, 100), (9, 1), (22, 5), (23, 5)]
)
def test_a_page_may_begin_and_end_anywhere(
    results: Results, start: int, limit: int
) -> None:
    """In the middle of a portion, or beyond the last one."""
    row = added(results)
    for first, last in ((0, 7), (7, 8), (8, 23)):
        row = results.add_portion(row, done(*range(first, last)))

    found = results.items(ID, start, limit)

    assert found == done(*range(23))[start : start + limit]
    assert results.items("another", 0, 10) == []


def test_only_the_last_run_counts(results: Results) -> None:
    """Whoever was taken for dead cannot add to what another one does now."""
    first = added(results)
    first = results.add_portion(first, done(0, 1))
    second = results.begin(ID, "again")

    with pytest.raises(SupersededError, match="somebody else is at it by now"):
        results.add_portion(first, done(2, 3))
    with pytest.raises(SupersededError):
        results.say(first, done=7)

    second = results.add_portion(second, done(2))
    assert (second.done, second.runs, second.message) == (3, 2, "again")
    assert second.started_at == first.started_at
    assert results.items(ID, 0, 10) == done(0, 1, 2)


def test_what_nobody_wants_is_not_stored(results: Results) -> None:
    """Such as of a task that was cancelled a moment ago."""
    row = added(results)

    with pytest.raises(SupersededError, match="was cancelled or forgotten"):
        results.add_portion(row, done(0), lambda: False)

    with pytest.raises(SupersededError, match="was cancelled or forgotten"):
        results.begin(ID, is_wanted=lambda: False)

    assert results.look(ID) == row
    assert results.items(ID, 0, 10) == []
    assert results.several([]) == {}


def test_a_portion_is_added_once(results: Results) -> None:
    """Two that want to add the same do not add it twice."""
    row = added(results)

    def is_added() -> bool:
        try:
            results.add_portion(row, done(*range(10)))
        except SupersededError:
            return False
        return True

    assert sorted(at_once(*[is_added] * 4)) == [False, False, False, True]
    assert results.items(ID, 0, 100) == done(*range(10))


def test_what_has_no_items_says_how_far_it_is(results: Results) -> None:
    """And what it has found; a run that begins anew forgets how far that was."""
    row = added(results)
    results.say(row, done=3, total=21, message="round 1")
    results.say(row, outcome='{"best": 1}')

    found = results.look(ID)
    assert found is not None
    assert (found.done, found.total, found.message) == (3, 21, "round 1")
    assert json.loads(found.outcome or "") == {"best": 1}
    assert results.begin(ID, anew=True).done == 0


def test_changes_are_in_order_although_a_clock_was_put_back(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each one is later than the one before, whoever has written it."""
    rows = [added(results)]
    before = rows[0].changed_at
    monkeypatch.setattr(results_module, "now_of", lambda connection: before - 3600)
    rows.append(results.add_portion(rows[-1], done(0)))
    results.say(rows[-1], message="goes on")
    rows.append(results.add_portion(rows[-1], done(1)))
    rows.append(results.begin(ID))

    times = [row.changed_at for row in rows]
    assert times == sorted(set(times))
    assert times[-1] < before + 1


def test_what_is_forgotten_is_gone(results: Results) -> None:
    """With its items, and nothing else."""
    for task_id in ("a", "b", "c"):
        results.add_portion(added(results, task_id), done(0))

    assert results.older_than(-60.0) == ["a", "b", "c"]
    assert results.older_than(-60.0, after="a") == ["b", "c"]
    assert results.older_than(60.0) == []
    results.forget(["a", "c", "x"])

    assert results.look("a") is None
    assert results.items("a", 0, 10) == []
    assert set(results.several(["a", "b", "c"])) == {"b"}
    assert results.items("b", 0, 10) == done(0)
    with pytest.raises(SupersededError, match="cancelled or forgotten"):
        results.begin("a")


# Portions, as they come.


def test_items_come_in_any_order(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And are stored in theirs, as soon as there is no gap before them."""
    monkeypatch.setattr(portions_module, "MOST", 10)
    row, seen = added(results), list[int]()
    shuffled = done(*range(100))
    random.Random(7).shuffle(shuffled)

    with Portions(results, row, lambda now: seen.append(now.done)) as portions:
        for each in shuffled:
            portions.give(each)

    assert results.items(ID, 0, 1000) == done(*range(100))
    assert portions.row == results.look(ID)
    assert seen == sorted(seen)
    assert seen[-1] == 100


def test_little_is_stored_after_a_moment(results: Results) -> None:
    """Although more may come; and a gap keeps back what is behind it."""
    with Portions(results, added(results), told) as portions:
        for each in done(0, 1, 3):
            portions.give(each)
        wait_until(lambda: results.items(ID, 0, 10) == done(0, 1))
        portions.give(done(2)[0])

    assert results.items(ID, 0, 10) == done(0, 1, 2, 3)


def test_a_run_goes_on_where_the_last_one_ended(results: Results) -> None:
    """Whatever it had done behind a gap is done again."""
    with Portions(results, added(results), told) as portions:
        for each in done(0, 1, 5):
            portions.give(each)

    row = results.begin(ID)
    assert row.done == 2
    with Portions(results, row, told) as portions:
        for each in done(*range(2, 100)):
            portions.give(each)

    assert results.items(ID, 0, 1000) == done(*range(100))


def give(
    results: Results,
    row: TaskRow,
    items: list[Done],
    then: Callable[[Portions], object] = lambda portions: None,
) -> None:
    """One run, which gives *items*, and does something *then*."""
    with Portions(results, row, told) as portions:
        for each in items:
            portions.give(each)
        then(portions)


def raise_ours(portions: Portions) -> None:
    raise RuntimeError("ours")


def test_what_is_done_is_stored_although_it_ends_early(results: Results) -> None:
    """With an exception, in either kind of `with`."""
    with pytest.raises(RuntimeError, match="ours"):
        give(results, added(results), done(0), raise_ours)
    assert results.items(ID, 0, 10) == done(0)

    async def begin_and_leave() -> None:
        async with Portions(results, results.begin(ID), told) as portions:
            assert portions.give_at_once(done(1)[0])
            raise RuntimeError("ours")

    with pytest.raises(RuntimeError, match="ours"):
        asyncio.run(begin_and_leave())
    assert results.items(ID, 0, 10) == done(0, 1)


def give_one_more(portions: Portions) -> None:
    wait_until(lambda: portions.error is not None)
    portions.give(done(1)[0])


def test_a_run_that_does_not_count_is_told(results: Results) -> None:
    """By the next item, or by the end of the `with`."""
    row = added(results)
    results.begin(ID)

    for then in (lambda portions: None, give_one_more):
        with pytest.raises(SupersededError):
            give(results, row, done(0), then)

    assert results.items(ID, 0, 10) == []


class Refusing(Results):
    """A store that is away for a while."""

    def __init__(self, results: Results, times: int) -> None:
        super().__init__(results.jobs)
        self.times = times

    def add_portion(self, row: TaskRow, items: Any, *more: Any) -> TaskRow:
        if self.times:
            self.times -= 1
            raise StoreError("the store is away")
        return super().add_portion(row, items, *more)


def test_a_store_that_is_away_for_a_moment_costs_nothing(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again; one that is away for long ends the run."""
    monkeypatch.setattr(portions_module, "PAUSE_S", 0.001)
    row = added(results)
    with Portions(Refusing(results, 3), row, told) as portions:
        portions.give(done(0)[0])
    assert results.items(ID, 0, 10) == done(0)

    monkeypatch.setattr(portions_module, "PATIENCE_S", -1.0)
    with pytest.raises(StoreError, match="the store is away"):
        give(Refusing(results, 10_000), results.begin(ID), done(1), give_one_more)


def test_who_gives_waits_for_a_slow_store(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that what is not stored yet does not pile up."""
    monkeypatch.setattr(portions_module, "MOST", 2)
    monkeypatch.setattr(portions_module, "FULL", 4)
    may_store = threading.Event()
    sizes: list[int] = []

    class Slow(Results):
        def add_portion(self, row: TaskRow, items: Any, *more: Any) -> TaskRow:
            assert may_store.wait(LONG_S)
            return super().add_portion(row, items, *more)

    def give_all() -> None:
        with Portions(Slow(results.jobs), added(results, total=40), told) as portions:
            for each in done(*range(40)):
                portions.give(each)
                sizes.append(len(portions.line))

    giver = threading.Thread(target=give_all)
    giver.start()
    wait_until(lambda: len(sizes) == 6)  # four in the line, two on their way
    giver.join(0.1)
    assert len(sizes) == 6

    may_store.set()
    giver.join(LONG_S)

    assert max(sizes) == 4
    assert results.items(ID, 0, 100) == done(*range(40))
