"""The desk takes tasks, and says what became of them; a real worker does them."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from cotality.jobs import StoreError
from cotality.web import (
    Desk,
    QueueFullError,
    Settings,
    TooManyTasksError,
    UnknownTaskError,
    create_app,
)
from cotality.web._web.desk import watching as watching_module
from cotality.web._web.models.configs import CompareConfig, TaskConfig
from cotality.web._web.models.events import TaskEvent
from cotality.web._web.models.health import Condition, Health
from cotality.web._web.models.kinds import METHODS, TaskStatus, TaskType
from cotality.web._web.models.tasks import TaskResult
from cotality.web._web.parts import checksum
from cotality.web._web.parts.filling import prepare
from cotality.web._web.parts.items import close_parts, do_item
from cotality.web._web.parts.recipe import Recipe
from cotality.web._web.work.keeping import Keeper
from cotality.web._web.work.orders import recipe_of
from tests.jobs.workers import WorkerProgram
from tests.kit.limits import LONG_S
from tests.kit.postgres import postgres
from tests.kit.redis_server import redis_to_kill

pytestmark = pytest.mark.one_python

T = TypeVar("T")
PATIENCE_S = 3 * LONG_S  # with a worker that starts processes on a busy machine
TARGET = "cotality.web.work:jobs"
QUICK = TaskConfig(items_count=40, simulate_db_delay=False, simulate_redis_delay=False)
SLOW = TaskConfig(items_count=3000, workers=2, db_delay_s=0.02, batch_size=50)
ENDLESS = TaskConfig(items_count=100, workers=2, db_delay_s=60.0)


def run(do: Awaitable[T]) -> T:
    """In an event loop of its own, for no longer than anything may take."""

    async def in_time() -> T:
        async with asyncio.timeout(PATIENCE_S + 1):
            return await do

    return asyncio.run(in_time())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("desk")


@pytest.fixture(scope="module")
def settings(folder: Path) -> Settings:
    return Settings(state_dir=folder / "state", workers="outside", db_delay_s=0.01)


def variables(settings: Settings) -> dict[str, str]:
    given = settings.model_dump(exclude_none=True, include=GIVEN)
    return {f"COTALITY_WEB_{name.upper()}": f"{value}" for name, value in given.items()}


GIVEN = {"state_dir", "store_url", "db_url", "redis_url", "db_delay_s"}


@pytest.fixture(scope="module")
def worker(settings: Settings, folder: Path) -> Iterator[WorkerProgram]:
    options = ("--slots", "3", "--grace", "0")
    with WorkerProgram(
        "", folder, *options, target=TARGET, variables=variables(settings)
    ) as program:
        yield program
    close_parts()


@asynccontextmanager
async def opened(settings: Settings, **others: Any) -> AsyncIterator[Desk]:
    """A desk, as long as it is needed."""
    desk = Desk(settings.model_copy(update=others))
    await desk.open()
    try:
        yield desk
    finally:
        await desk.close()


async def begun(desk: Desk, kind: TaskType, config: TaskConfig) -> str:
    return (await desk.start(kind, config, owner="me")).task_id


async def until(
    desk: Desk, task_id: str, is_so: Callable[[TaskEvent], bool]
) -> TaskEvent:
    """Wait for a change of a task."""
    changes = desk.changes_of(task_id, None)
    heard: list[TaskEvent] = []
    async with aclosing(changes):
        async for event in changes:
            heard.append(event)
            if is_so(event):
                return event
    info = await desk.jobs.handle(task_id).info()
    raise AssertionError(f"it is over, and it never was so: {heard} {info.traceback}")


async def until_begun(desk: Desk, task_id: str) -> TaskEvent:
    return await until(desk, task_id, lambda event: event.attempt > 0)


def expected(settings: Settings, config: TaskConfig) -> tuple[list[int], str]:
    """The values of all items, computed here, and their checksum."""
    prepare(settings.database)
    plain = Recipe(recipe_of(settings, config).database)
    values = [do_item(plain, index) for index in range(config.items_count)]
    close_parts()
    sums = [checksum.sum_of(index, value) for index, value in enumerate(values)]
    return values, checksum.as_text(checksum.added(sums))


@pytest.mark.parametrize("kind", METHODS)
def test_each_method_does_all_items(
    kind: TaskType, settings: Settings, worker: WorkerProgram
) -> None:
    """With the values that a plain loop gives, and their checksum."""
    config = QUICK.model_copy(update={"simulate_redis_delay": True})
    values, total = expected(settings, config)

    async def do() -> TaskResult:
        async with opened(settings) as desk:
            taken = await desk.start(kind, config, owner="me")
            assert taken.status == TaskStatus.PENDING
            assert taken.status_url == f"/api/v1/tasks/status/{taken.task_id}"
            assert taken.estimated_duration == pytest.approx(
                desk.estimate(kind, config), rel=0.5
            )
            return await desk.wait(taken.task_id, PATIENCE_S)

    found = run(do())

    assert (found.status, found.task_type) == (TaskStatus.COMPLETED, kind)
    assert found.method == (TaskType.AUTO if kind == TaskType.BACKGROUND else kind)
    assert [each.value for each in found.results] == values
    assert [each.index for each in found.results] == list(range(40))
    assert (found.items_processed, found.items_failed, found.total_items) == (40, 0, 40)
    assert (found.checksum, found.attempt) == (total, 1)
    assert found.start_time is not None
    assert found.end_time is not None
    assert found.created_time <= found.start_time < found.end_time
    assert found.duration_seconds == pytest.approx(
        (found.end_time - found.start_time).total_seconds()
    )
    assert found.config == config


@pytest.mark.parametrize("kind", METHODS)
def test_what_is_cancelled_stops(
    kind: TaskType, settings: Settings, worker: WorkerProgram
) -> None:
    """Nothing more is done, and no process is busy with it."""

    async def do() -> tuple[TaskResult, TaskResult]:
        async with opened(settings) as desk:
            task_id = await begun(desk, kind, SLOW)
            await until(desk, task_id, lambda event: event.items_processed > 0)
            assert await desk.cancel(task_id)
            assert not await desk.cancel(task_id)
            at_once = await desk.look(task_id, results=3)
            await asyncio.to_thread(wait_until_idle, worker)
            return at_once, await desk.look(task_id, results=3)

    at_once, later = run(do())

    assert at_once.status == later.status == TaskStatus.CANCELLED
    assert 0 < later.items_processed < SLOW.items_count
    assert (later.checksum, later.error_message) == (None, None)
    assert later.end_time == at_once.end_time
    assert len(later.results) == min(3, later.items_processed)


def wait_until_idle(worker: WorkerProgram) -> None:
    """No process below the worker takes time of a CPU, for a while."""
    assert worker.process is not None
    end = time.monotonic() + LONG_S
    while True:
        before = cpu_below(worker.process)
        time.sleep(0.3)
        after = cpu_below(worker.process)
        if all(seconds - before.get(pid, 0.0) < 0.02 for pid, seconds in after.items()):
            return
        assert time.monotonic() < end, (before, after)


def cpu_below(process: psutil.Process) -> dict[int, float]:
    found: dict[int, float] = {}
    for child in process.children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        found[child.pid] = times.user + times.system
    return found


def test_what_waits_is_cancelled_before_it_begins(
    settings: Settings, worker: WorkerProgram
) -> None:
    """It never has a start."""

    async def do() -> TaskResult:
        async with opened(settings) as desk:
            others = [await begun(desk, TaskType.AUTO, ENDLESS) for _ in range(3)]
            for each in others:
                await until_begun(desk, each)
            task_id = await begun(desk, TaskType.SEQUENTIAL, QUICK)
            assert (await desk.look(task_id)).status == TaskStatus.PENDING
            assert desk.estimate(TaskType.SEQUENTIAL, QUICK) > 0
            for each in (task_id, *others):
                assert await desk.cancel(each)
            return await desk.look(task_id)

    found = run(do())

    assert found.status == TaskStatus.CANCELLED
    assert (found.start_time, found.duration_seconds, found.attempt) == (None, None, 0)


def test_a_short_task_does_not_wait_for_a_long_one(
    settings: Settings, worker: WorkerProgram
) -> None:
    """They share the processes."""

    async def do() -> tuple[TaskResult, TaskResult]:
        async with opened(settings) as desk:
            long = await begun(desk, TaskType.MULTIPROCESSING, SLOW)
            await until_begun(desk, long)
            short = await begun(desk, TaskType.MULTIPROCESSING, QUICK)
            done = await desk.wait(short, PATIENCE_S)
            still = await desk.look(long)
            await desk.cancel(long)
            return done, still

    done, still = run(do())

    assert done.status == TaskStatus.COMPLETED
    assert still.status == TaskStatus.RUNNING


def test_two_desks_see_the_same(settings: Settings, worker: WorkerProgram) -> None:
    """What is started at one is watched and cancelled at the other."""

    async def do() -> None:
        async with opened(settings) as one, opened(settings) as other:
            task_id = await begun(one, TaskType.AUTO, SLOW)
            heard: list[list[TaskEvent]] = [[], []]

            async def listen(desk: Desk, to: list[TaskEvent]) -> None:
                to.extend([event async for event in desk.changes(task_id)])

            listeners = [
                asyncio.create_task(listen(desk, to))
                for desk, to in zip((one, other), heard, strict=True)
            ]
            await until(other, task_id, lambda event: event.items_processed > 0)
            assert await other.cancel(task_id)
            await asyncio.gather(*listeners)

            for events in heard:
                ids = [event.id for event in events]
                assert ids == sorted(set(ids))
                assert events[-1].status == TaskStatus.CANCELLED
            assert heard[0][-1] == heard[1][-1]
            same = {event.id for event in heard[0]} & {event.id for event in heard[1]}
            first, second = ({event.id: event for event in events} for events in heard)
            assert all(first[id] == second[id] for id in same)

    run(do())


def test_changes_go_on_after_what_was_heard(
    settings: Settings, worker: WorkerProgram
) -> None:
    """Nothing that still matters is missing, and nothing comes twice."""

    async def do() -> None:
        async with opened(settings) as desk:
            task_id = await begun(desk, TaskType.MULTIPROCESSING, SLOW)
            event = await until(desk, task_id, lambda event: event.items_processed > 0)
            # An id that never was, or one of before a clock was put back.
            odd = await anext(aiter(desk.changes(task_id, 10**18 - 1)))
            assert odd.items_processed >= event.items_processed
            later = await anext(aiter(desk.changes(task_id, event.id)))
            assert later.id > event.id
            assert later.items_processed >= event.items_processed
            await desk.cancel(task_id)
            rest = [each async for each in desk.changes(task_id, later.id)]
            assert rest[-1].status == TaskStatus.CANCELLED
            assert all(each.id > later.id for each in rest)
            # What has heard the end hears nothing more; an end is never missed.
            assert [each async for each in desk.changes(task_id, rest[-1].id)] == []
            for after in (None, event.id, rest[-1].id + 10**6, 10**18 - 1):
                heard = [each async for each in desk.changes(task_id, after)]
                assert heard == rest[-1:]

    run(do())


def test_changes_end_with_the_desk(settings: Settings, worker: WorkerProgram) -> None:
    """Whoever listens is let go, and who comes later too."""

    async def do() -> None:
        async with opened(settings) as desk:
            task_id = await begun(desk, TaskType.AUTO, ENDLESS)
            await until_begun(desk, task_id)
            listener = asyncio.create_task(collected(desk, task_id))
            waiter = asyncio.create_task(desk.wait(task_id, PATIENCE_S))
            await asyncio.sleep(0.1)
            await desk.watching.close()
            heard = await listener
            assert heard[-1].status == TaskStatus.RUNNING
            assert (await waiter).status == TaskStatus.RUNNING
            assert await collected(desk, task_id) == []
            await desk.cancel(task_id)

    run(do())


async def collected(desk: Desk, task_id: str) -> list[TaskEvent]:
    return [each async for each in desk.changes(task_id)]


def test_who_waits_waits_no_longer_than_it_says(
    settings: Settings, worker: WorkerProgram
) -> None:
    """And hears how it stands then."""

    async def do() -> None:
        async with opened(settings) as desk:
            task_id = await begun(desk, TaskType.AUTO, ENDLESS)
            assert not (await desk.wait(task_id, 0.05)).status.is_over
            assert not (await desk.wait(task_id, 0.0)).status.is_over
            await desk.cancel(task_id)
            assert (await desk.wait(task_id, PATIENCE_S)).status == TaskStatus.CANCELLED

    run(do())


def test_items_are_read_page_by_page(settings: Settings, worker: WorkerProgram) -> None:
    """All of them, once each; also those of a task that was ended."""

    async def do() -> None:
        async with opened(settings) as desk:
            task_id = await begun(desk, TaskType.MULTIPROCESSING, QUICK)
            await desk.wait(task_id, PATIENCE_S)
            found, cursor = [], None
            while True:
                page = await desk.items(task_id, cursor=cursor, limit=7)
                assert len(page.items) <= 7
                found += page.items
                cursor = page.next_cursor
                if cursor is None:
                    break
            assert [each.index for each in found] == list(range(40))
            assert found == (await desk.items(task_id, limit=40)).items
            assert (await desk.items(task_id, limit=40)).next_cursor is None

            for cursor in ("x", "-1", "1e3", "9" * 30, ""):
                with pytest.raises(ValueError, match="a cursor is what an earlier"):
                    await desk.items(task_id, cursor=cursor)

            ended = await begun(desk, TaskType.THREADING, SLOW)
            await until(desk, ended, lambda event: event.items_processed > 0)
            going_on = await desk.items(ended, limit=SLOW.items_count)
            assert going_on.next_cursor == f"{len(going_on.items)}"
            await desk.cancel(ended)
            last = await desk.items(ended, limit=SLOW.items_count)
            assert last.next_cursor is None
            assert len(last.items) == (await desk.look(ended)).items_processed

    run(do())


def test_unknown_tasks_are_told(settings: Settings, worker: WorkerProgram) -> None:
    """By whatever asks for one; a job of another kind is none."""

    async def do() -> None:
        async with opened(settings) as desk:
            with desk.jobs.transaction():
                pass
            sample = await desk.tasks_of_store.sample.using(delay=600).enqueue({})
            for task_id in ("task_00000000_1", "x", "", sample.id):
                for ask in (
                    desk.look(task_id),
                    desk.wait(task_id, 1.0),
                    desk.cancel(task_id),
                    desk.items(task_id),
                    desk.comparison(task_id),
                    collected(desk, task_id),
                ):
                    with pytest.raises(UnknownTaskError, match="there is no task"):
                        await ask
            await sample.cancel()
            done = await begun(desk, TaskType.AUTO, QUICK)
            with pytest.raises(UnknownTaskError):
                await desk.comparison(done)
            await desk.wait(done, PATIENCE_S)

    run(do())


# Without a worker.


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Settings]:
    """A store of its own, whose tasks nobody does."""
    yield Settings(state_dir=tmp_path / "alone", workers="outside", queue_limit=6)
    close_parts()


def test_tasks_are_listed_the_newest_first(alone: Settings) -> None:
    """Page by page, whatever comes meanwhile, and by how they stand."""

    async def do() -> None:
        async with opened(alone) as desk:
            ids = [await begun(desk, TaskType.AUTO, QUICK) for _ in range(4)]
            ids.append((await desk.compare(CompareConfig(), owner="me")).task_id)
            await desk.cancel(ids[1])

            first = await desk.tasks(limit=2)
            newer = await begun(desk, TaskType.AUTO, QUICK)
            second = await desk.tasks(limit=2, cursor=first.next_cursor)
            third = await desk.tasks(limit=2, cursor=second.next_cursor)

            pages = [*first.items, *second.items, *third.items]
            assert [each.task_id for each in pages] == ids[::-1]
            assert third.next_cursor is None
            assert pages[0].task_type == TaskType.COMPARE
            assert not any(each.results for each in pages)
            cancelled = await desk.tasks(status=TaskStatus.CANCELLED)
            assert [each.task_id for each in cancelled.items] == [ids[1]]
            pending = await desk.tasks(status=TaskStatus.PENDING, limit=50)
            assert len(pending.items) == 5
            assert pending.items[0].task_id == newer
            assert (await desk.tasks(status=TaskStatus.FAILED)).items == []

            for cursor in ("x y", "task_1", ""):
                with pytest.raises(ValueError, match="cursor"):
                    await desk.tasks(cursor=cursor)

    run(do())


def test_what_is_over_is_forgotten(alone: Settings) -> None:
    """And nothing else; what belongs to jobs that were swept goes as well."""

    async def do() -> None:
        async with opened(alone) as desk:
            ids = [await begun(desk, TaskType.AUTO, QUICK) for _ in range(4)]
            for task_id in ids[:3]:
                await desk.cancel(task_id)

            assert await desk.forget() == 3

            assert [each.task_id for each in (await desk.tasks()).items] == [ids[3]]
            results = desk.tasks_of_store.results
            assert set(results.several(ids)) == {ids[3]}
            await desk.cancel(ids[3])
            desk.jobs.purge([ids[3]])
            assert desk.looking.sweep(600.0) == 0
            assert desk.looking.sweep(-600.0) == 1
            assert results.look(ids[3]) is None

    run(do())


def test_a_queue_is_full_at_some_time(alone: Settings) -> None:
    """Nobody gets more than their part of it, and it says when to come again."""

    async def do() -> None:
        async with opened(alone, tasks_per_owner=2) as desk:

            async def take(owner: str) -> str:
                return (await desk.start(TaskType.AUTO, QUICK, owner=owner)).task_id

            mine = [await take("me") for _ in range(2)]
            with pytest.raises(TooManyTasksError, match="you have 2 tasks") as caught:
                await take("me")
            assert 1.0 <= caught.value.retry_after <= 60.0
            for owner in ("a", "a", "b", "b"):
                await take(owner)
            with pytest.raises(QueueFullError, match="6 tasks are not over") as full:
                await take("c")
            assert 1.0 <= full.value.retry_after <= 60.0
            await desk.cancel(mine[0])
            await take("c")

    run(do())


def test_the_last_place_is_taken_once(alone: Settings) -> None:
    """However many ask for it at the same time, at several desks."""

    async def do() -> None:
        async with opened(alone) as one, opened(alone) as other:
            asked = [
                desk.start(TaskType.AUTO, QUICK, owner=f"{number}")
                for number in range(8)
                for desk in (one, other)
            ]
            found = await asyncio.gather(*asked, return_exceptions=True)
            refused = [each for each in found if isinstance(each, QueueFullError)]
            assert len(refused) == 16 - alone.queue_limit
            assert len((await one.tasks()).items) == alone.queue_limit

    run(do())


def test_what_waits_before_it_is_in_the_estimate(alone: Settings) -> None:
    """As soon as there is no place free."""

    async def do() -> None:
        async with opened(alone, tasks_at_once=2) as desk:
            free = desk.estimate(TaskType.SEQUENTIAL, QUICK)
            assert 0 < free < LONG_S
            many = QUICK.model_copy(update={"items_count": 4000})
            whole = desk.foreseeing.alone(TaskType.SEQUENTIAL, many)
            assert whole == pytest.approx(
                100 * desk.foreseeing.alone(TaskType.SEQUENTIAL, QUICK), rel=0.01
            )
            await begun(desk, TaskType.SEQUENTIAL, many)
            desk.refresh()
            assert desk.estimate(TaskType.SEQUENTIAL, QUICK) == pytest.approx(free)
            await begun(desk, TaskType.SEQUENTIAL, many)
            desk.refresh()
            waits = desk.estimate(TaskType.SEQUENTIAL, QUICK)
            assert waits == pytest.approx(free + whole)

    run(do())


def test_health_names_the_parts(alone: Settings) -> None:
    """Without a worker nothing is done; a database that is away is told in words."""

    async def do() -> None:
        async with opened(alone) as desk:
            await begun(desk, TaskType.AUTO, QUICK)
            found = await desk.health()
            assert (found.status, found.is_ready) == (Condition.DOWN, False)
            assert (found.pending, found.running) == (1, 0)
            parts = {part.name: part for part in found.parts}
            assert parts["worker"].status == Condition.DOWN
            assert "python -m cotality.jobs worker" in parts["worker"].detail
            assert parts["store"].status == Condition.OK
            assert parts["database"].status == Condition.OK
            assert parts["cache"].status == Condition.OK
            assert (await desk.health()) is found  # asked again at once

        nowhere = f"sqlite:///{alone.state_dir}"
        async with opened(alone, db_url=nowhere) as desk:
            (database,) = [
                part for part in (await desk.health()).parts if part.name == "database"
            ]
            assert database.status == Condition.DOWN
            assert "OperationalError" in database.detail

    run(do())


def test_who_keeps_a_worker_hears_whether_there_are_signs_of_life(
    alone: Settings, settings: Settings, worker: WorkerProgram
) -> None:
    """And that nobody knows while the store is away."""
    heard: list[bool | None] = []

    class Ear(Keeper):
        def hear(self, is_alive: bool | None) -> None:
            heard.append(is_alive)

    async def do() -> None:
        async with opened(alone) as desk:
            desk.listen(Ear(alone))
            assert alone.store_file is not None
            for name in ("tasks.db", "tasks.db-wal", "tasks.db-shm"):
                alone.store_file.with_name(name).write_bytes(b"nonsense" * 1000)
            desk.jobs.close()
            with pytest.raises(StoreError):
                desk.listen(Ear(alone))
        async with opened(settings) as desk:
            desk.listen(Ear(settings))

    run(do())
    assert heard == [False, None, True]


def test_health_does_not_wait_for_a_part_that_hangs(
    alone: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And does not ask it a second time meanwhile."""
    from cotality.web._web.desk import conditions

    monkeypatch.setattr(conditions, "ANSWER_S", 0.05)
    monkeypatch.setattr(conditions, "FRESH_S", -1.0)

    async def do() -> None:
        async with opened(alone) as desk:
            may_answer, asked = asyncio.Event(), list[float]()
            loop = asyncio.get_running_loop()

            def hang(index: int) -> int:
                asked.append(time.monotonic())
                asyncio.run_coroutine_threadsafe(may_answer.wait(), loop).result(LONG_S)
                return 0

            monkeypatch.setattr(desk.conditions.measurements, "total", hang)
            for _ in range(3):
                (database,) = [
                    part
                    for part in (await desk.health()).parts
                    if part.name == "database"
                ]
                assert database.status == Condition.DOWN
                assert "has not answered within" in database.detail
            assert len(asked) == 1
            may_answer.set()

    run(do())


def test_who_watches_bears_with_a_store_that_is_away(
    alone: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked again, and what has changed meanwhile is told."""
    monkeypatch.setattr(watching_module, "AWAY_S", 0.001)

    async def do() -> None:
        async with opened(alone) as desk:
            task_id = await begun(desk, TaskType.AUTO, QUICK)
            look, refused = desk.watching.look, list[int]()

            async def refuse_at_first(ids: Any) -> Any:
                if len(refused) < 5:
                    refused.append(1)
                    raise StoreError("away")
                return await look(ids)

            monkeypatch.setattr(desk.watching, "look", refuse_at_first)
            changes = desk.changes(task_id)
            assert (await anext(changes)).status == TaskStatus.PENDING
            assert len(refused) == 5
            await desk.cancel(task_id)
            assert (await anext(changes)).status == TaskStatus.CANCELLED

    run(do())


def test_who_reads_does_not_wait_behind_those_who_write(alone: Settings) -> None:
    """However many wait for a store that somebody else writes to."""

    async def do() -> None:
        async with opened(alone, queue_limit=50, tasks_per_owner=50) as desk:
            task_id = await begun(desk, TaskType.AUTO, QUICK)
            with sqlite3.connect(f"{alone.store_file}", isolation_level=None) as other:
                other.execute("BEGIN IMMEDIATE")
                waiting = [
                    asyncio.create_task(begun(desk, TaskType.AUTO, QUICK))
                    for _ in range(20)
                ]
                await asyncio.sleep(0)  # all of them have begun to wait
                async with asyncio.timeout(LONG_S):
                    assert (await desk.look(task_id)).status == TaskStatus.PENDING
                    assert len((await desk.tasks()).items) == 1
                    assert (await desk.health()).pending == 1
                assert not any(each.done() for each in waiting)
                other.execute("COMMIT")
            other.close()
            for each in [task_id, *await asyncio.gather(*waiting)]:
                await desk.cancel(each)

    run(do())


def test_who_is_slow_hears_how_it_is_now(alone: Settings) -> None:
    """And not all that was meanwhile; a look that goes wrong is made again."""

    async def do() -> None:
        async with opened(alone) as desk:
            task_id = await begun(desk, TaskType.AUTO, QUICK)
            look, looks = desk.watching.look, list[int]()

            async def counted(ids: Any) -> Any:
                looks.append(1)
                if len(looks) == 1:
                    raise ZeroDivisionError
                return await look(ids)

            desk.watching.look = counted
            async with aclosing(desk.watching.watch(task_id)) as seen:
                first = await anext(seen)
                assert first is not None
                assert first.status == TaskStatus.PENDING
                results = desk.tasks_of_store.results
                for message in ("a", "b", "c"):
                    results.begin(task_id, message)
                    before = len(looks)
                    while len(looks) < before + 2:
                        await asyncio.sleep(0.01)
                last = await anext(seen)
                assert last is not None
                assert (last.row.message, last.row.runs) == ("c", 3)
            await desk.cancel(task_id)

    run(do())


def test_advice_follows_from_what_was_measured(alone: Settings) -> None:
    """Computation goes to processes, waits to an event loop; all are estimates."""

    async def do() -> None:
        async with opened(alone) as desk:
            found = await desk.recommendations()
            machine = desk.foreseeing.figures
            assert found.machine.cpu_seconds_per_item == machine.cpu_s > 0
            assert "No methods were compared here yet" in found.based_on
            assert all(each.is_estimate for each in found.advice)
            by_case = {each.case: each for each in found.advice}
            computes = by_case["computation alone, many items"]
            waits = by_case["slow queries and computation, many items"]
            if machine.cpus > 1:
                assert computes.method == TaskType.MULTIPROCESSING
            assert waits.method in (TaskType.AUTO, TaskType.BATCH_ASYNC)
            assert waits.route == "/api/v1/tasks/background"
            assert waits.config.method == waits.method
            for each in found.advice:
                others = each.others.values()
                assert each.estimated_seconds <= 1.2 * min(others)
                assert f"{each.config.items_count} of them" in each.reason
            # The next desk on this machine need not measure.
            async with opened(alone) as other:
                assert other.foreseeing.figures == machine

    run(do())


async def until_health(desk: Desk, condition: Condition) -> Health:
    """Wait until the service is so: a busy machine may take its time to answer."""
    while (found := await desk.health()).status != condition:
        await asyncio.sleep(0.05)
    return found


# What is real is real: a cache that dies, a process that is killed, a server.


def test_a_cache_that_dies_in_mid_run_costs_nothing(tmp_path: Path) -> None:
    """The task ends with the values that it has without one; health says degraded."""
    with redis_to_kill() as server:
        if server is None:
            pytest.skip("there is no redis-server here")
        settings = Settings(
            state_dir=tmp_path / "state", workers="outside", redis_url=server.url
        )
        config = TaskConfig(
            items_count=150, workers=2, db_delay_s=0.02, simulate_redis_delay=False
        )
        _, total = expected(settings, config)

        async def do(kind: TaskType) -> None:
            async with opened(settings) as desk:
                assert server is not None
                server.start()
                await until_health(desk, Condition.OK)
                task_id = await begun(desk, kind, config)
                await until(desk, task_id, lambda event: event.items_processed > 0)
                server.kill()
                over = await desk.wait(task_id, PATIENCE_S)
                assert over.status == TaskStatus.COMPLETED
                assert (over.items_failed, over.checksum) == (0, total)
                assert (await until_health(desk, Condition.DEGRADED)).is_ready

        server.kill()
        with WorkerProgram("", tmp_path, target=TARGET, variables=variables(settings)):
            for kind in (TaskType.MULTIPROCESSING, TaskType.THREADING):
                run(do(kind))
        server.start()
    close_parts()


@pytest.mark.parametrize("kind", [TaskType.SEQUENTIAL, TaskType.CONCURRENT_FUTURES])
def test_a_process_that_is_killed_is_told(
    kind: TaskType, settings: Settings, worker: WorkerProgram
) -> None:
    """It costs a run that goes on, or an item that is done again."""
    config = TaskConfig(items_count=80, workers=2, db_delay_s=0.05)

    async def do() -> TaskResult:
        async with opened(settings) as desk:
            assert worker.process is not None
            before = {each.pid for each in worker.process.children(recursive=True)}
            task_id = await begun(desk, kind, config)
            await until(desk, task_id, lambda event: event.items_processed > 2)
            busy = [
                each
                for each in worker.process.children(recursive=True)
                if kind == TaskType.SEQUENTIAL or each.pid not in before
            ]
            for each in busy:
                if not each.children():  # and not who makes them
                    os.kill(each.pid, signal.SIGKILL)
                    if kind != TaskType.SEQUENTIAL:
                        break
            return await desk.wait(task_id, PATIENCE_S)

    found = run(do())

    assert (found.status, found.items_failed) == (TaskStatus.COMPLETED, 0)
    assert found.checksum == expected(settings, config)[1]
    if kind == TaskType.SEQUENTIAL:
        assert found.attempt == 2
        assert "after run 1 of 1 ended: WorkerCrashedError" in found.message
    else:
        assert found.attempt == 1
        assert "a process has died at an item, which was done again" in found.message


def test_a_server_may_be_store_and_database(tmp_path: Path) -> None:
    """With two desks, and nothing in files but locks."""
    with postgres() as url:
        settings = Settings(
            state_dir=tmp_path / "state", workers="outside", store_url=url, db_url=url
        )

        async def do() -> None:
            async with opened(settings) as one, opened(settings) as other:
                for kind in (
                    TaskType.THREADING,
                    TaskType.AUTO,
                    TaskType.MULTIPROCESSING,
                ):
                    task_id = await begun(one, kind, QUICK)
                    found = await other.wait(task_id, PATIENCE_S)
                    assert found.status == TaskStatus.COMPLETED, found
                    assert found.checksum == total
                asked = [
                    desk.start(TaskType.AUTO, ENDLESS, owner="me")
                    for desk in (one, other) * 15
                ]
                answers = await asyncio.gather(*asked, return_exceptions=True)
                refused = [
                    each for each in answers if isinstance(each, TooManyTasksError)
                ]
                assert len(refused) == 30 - settings.tasks_per_owner
                for each in (await one.tasks(status=TaskStatus.PENDING)).items:
                    await one.cancel(each.task_id)
                for each in (await one.tasks(status=TaskStatus.RUNNING)).items:
                    await other.cancel(each.task_id)
                assert await one.forget() == 3 + settings.tasks_per_owner
                await until_health(one, Condition.OK)

        with WorkerProgram("", tmp_path, target=TARGET, variables=variables(settings)):
            plain = Settings(state_dir=tmp_path / "plain")
            _, total = expected(plain, QUICK)
            run(do())
        close_parts()


def test_an_item_that_fails_is_one_item(tmp_path: Path) -> None:
    """The task is done, and says how many have failed, and why."""
    settings = Settings(state_dir=tmp_path / "state", workers="outside")
    prepare(settings.database)
    with sqlite3.connect(tmp_path / "state" / "measurements.db") as writer:
        writer.execute("DELETE FROM cotality_measurements WHERE sensor IN (3, 17)")
    writer.close()

    async def do() -> list[TaskResult]:
        async with opened(settings) as desk:
            found = []
            for kind in METHODS:
                task_id = await begun(desk, kind, QUICK)
                found.append(await desk.wait(task_id, PATIENCE_S))
            return found

    with WorkerProgram("", tmp_path, target=TARGET, variables=variables(settings)):
        found = run(do())

    assert {each.status for each in found} == {TaskStatus.COMPLETED}
    assert {(each.items_processed, each.items_failed) for each in found} == {(40, 2)}
    assert len({each.checksum for each in found}) == 1
    for each in found:
        assert each.results[17].value is None
        assert each.results[17].error == "LookupError: sensor 17 has no measurement"
        assert each.results[16].error is None


def test_nothing_is_made_before_it_opens(tmp_path: Path) -> None:
    """And a folder that cannot be made is named, with what to set."""
    folder = tmp_path / "new" / "state"
    create_app(Settings(state_dir=folder))
    assert not folder.parent.exists()
    (tmp_path / "file").write_text("")

    async def do() -> None:
        async with opened(Settings(state_dir=folder, workers="outside")):
            assert folder.is_dir()
        with pytest.raises(StoreError, match="COTALITY_WEB_STATE_DIR"):
            await Desk(Settings(state_dir=tmp_path / "file" / "x")).open()

    run(do())


def test_a_task_that_cannot_begin_has_failed(tmp_path: Path, alone: Settings) -> None:
    """It says why; the service goes on."""
    settings = Settings(
        state_dir=tmp_path / "state",
        workers="outside",
        db_url="postgresql+psycopg://nobody@127.0.0.1:1/nothing?connect_timeout=1",
    )

    async def do() -> tuple[TaskResult, TaskResult]:
        async with opened(settings) as desk:
            ids = [
                await begun(desk, kind, QUICK)
                for kind in (TaskType.SEQUENTIAL, TaskType.AUTO)
            ]
            one, other = [await desk.wait(task_id, LONG_S) for task_id in ids]
            return one, other

    with WorkerProgram("", tmp_path, target=TARGET, variables=variables(settings)):
        for found in run(do()):
            assert found.status == TaskStatus.FAILED
            assert "OperationalError" in str(found.error_message)
            assert found.items_processed == 0
