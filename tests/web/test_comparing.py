"""Methods are compared on the same items, and what follows from that is an estimate."""

from __future__ import annotations

import asyncio
import random
import statistics
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cotality.web import Desk, Settings
from cotality.web._web.comparing import advising, figures, judging, reckoning, sampling
from cotality.web._web.comparing.figures import Figures, Pace
from cotality.web._web.comparing.judging import Measured, Sample, in_order
from cotality.web._web.comparing.reckoning import estimated, items_within, reckoned
from cotality.web._web.comparing.sampling import MEASUREMENTS, Ran, Sampling
from cotality.web._web.methods.order import Done, Order
from cotality.web._web.models.comparisons import PerformanceComparison
from cotality.web._web.models.configs import CompareConfig, TaskConfig
from cotality.web._web.models.kinds import METHODS, TaskStatus, TaskType
from cotality.web._web.parts import checksum, filling
from cotality.web._web.parts.items import close_parts
from cotality.web._web.parts.recipe import Recipe
from cotality.web._web.work import comparing as comparing_module
from cotality.web._web.work.figures_here import figures_here, keep_paces, known_figures
from cotality.web._web.work.functions import TaskJobs
from cotality.web._web.work.orders import order_of
from tests.jobs.workers import WorkerProgram
from tests.web.test_desk import PATIENCE_S, TARGET, expected, opened, run, variables

RECIPE = Recipe("sqlite:///nowhere.db")
HERE = Figures(
    name="here",
    cpus=2,
    python="3",
    cpu_s=0.002,
    query_s=0.0,
    lookup_s=0.0,
    query_waits=False,
    lookup_waits=False,
    measured_at=0.0,
)
S, T, M, B, C, G, A = METHODS


def takes(method: TaskType, many: int, **order: Any) -> float:
    recipe = replace(RECIPE, db_delay_s=order.pop("delay", 0.0))
    return reckoned(method, HERE, Order(recipe, many, **order))


# What is reckoned.


def test_computation_is_divided_among_cpus() -> None:
    """And among no more than there are workers, or items; threads have one CPU."""
    assert takes(S, 100) == pytest.approx(0.2)
    assert takes(T, 100, workers=4) == pytest.approx(0.2)
    assert takes(B, 100) == pytest.approx(0.2)
    for method in (M, C, A):
        assert takes(method, 100, workers=4) == pytest.approx(0.1)
        assert takes(method, 100, workers=1) == pytest.approx(0.2)
        assert takes(method, 1, workers=4) == pytest.approx(0.002)
    assert takes(G, 100) == takes(A, 100) + reckoning.PICKUP_S


def test_waits_are_divided_among_those_who_wait() -> None:
    """Workers one by one, batches all at once."""
    assert takes(S, 100, delay=1.0) == pytest.approx(100.2)
    for method in (T, M, C):
        assert takes(method, 100, delay=1.0, workers=10) == pytest.approx(10.02)
        assert takes(method, 101, delay=1.0, workers=10) == pytest.approx(11.022)
    assert takes(B, 100, delay=1.0, batch_size=50) == pytest.approx(2.2)
    assert takes(A, 100, delay=1.0, batch_size=50) == pytest.approx(2.0)
    assert takes(A, 5000, delay=1.0, batch_size=5000) == pytest.approx(6.0)


def test_servers_are_waited_for_and_files_are_not() -> None:
    """What is measured of a query counts as one or the other."""
    file = replace(HERE, query_s=0.5, lookup_s=0.25)
    server = replace(file, query_waits=True, lookup_waits=True)
    order = Order(RECIPE, 100)

    assert reckoning.costs_of(file, order) == reckoning.Costs(0.752, 0.0)
    assert reckoning.costs_of(server, order) == reckoning.Costs(0.002, 0.75)


@given(
    st.sampled_from(METHODS),
    st.integers(1, 5000),
    st.integers(1, 16),
    st.integers(1, 500),
    st.floats(0, 2),
)
def test_more_items_never_take_less(
    method: TaskType, many: int, workers: int, batch: int, delay: float
) -> None:
    """No method is slower than one item after the other, but for its pick-up."""
    given: dict[str, Any] = {"workers": workers, "batch_size": batch, "delay": delay}
    here = takes(method, many, **given)

    assert 0 < here <= takes(method, many + 1, **given) + 1e-9
    longest = takes(S, many, **given) + reckoning.PICKUP_S + delay
    assert here <= longest + 1e-9
    assert takes(method, 0, **given) == 0


ROUNDED = 1e-9  # s: sums of floats, such as 200 items of 6 ms next to 1.2 s


@given(st.sampled_from(METHODS), st.floats(0.001, 20), st.floats(0, 0.1))
@example(S, 1.2, 0.0)
def test_as_many_items_as_fit(method: TaskType, seconds: float, delay: float) -> None:
    """One more would not; each worker has at least one, whatever that takes."""
    order = Order(replace(RECIPE, db_delay_s=delay), 2000, workers=4)
    slow = replace(HERE, paces={method: Pace(7.0, 3.0)})
    least = 1 if method == S else 4

    def takes(many: int) -> float:
        return estimated(method, slow, replace(order, total=many)) - 7.0

    many = items_within(method, slow, order, seconds)

    assert least <= many <= 2000
    limit = seconds if takes(least) <= seconds else seconds + takes(least)
    assert takes(many) <= limit + ROUNDED
    if many < 2000:
        assert takes(many + 1) > limit - ROUNDED


def test_a_comparison_is_no_method() -> None:
    """Nothing can be reckoned for it."""
    with pytest.raises(ValueError, match="compare is not a method"):
        takes(TaskType.COMPARE, 1)


# What follows from samples.


def sample(items: int, seconds: float, expected: float) -> Sample:
    done = [Done(index, index) for index in range(items)]
    return Sample(items, seconds, expected, done)


def test_an_estimate_is_an_overhead_and_a_ratio() -> None:
    """As they are, of a machine that is as slow as it is."""
    samples = [sample(10, 0.5 + 2.0 * each, each) for each in (0.1, 0.2, 0.3)]
    overheads = [sample(2, 0.5 + each, 0.01) for each in (3.0, 0.02, 0.5)]

    measured = Measured(overheads, samples)
    found = measured.figures(M, 10.0, 1000, 5)

    assert measured.pace.overhead_s == pytest.approx(0.5)
    assert measured.pace.ratio == pytest.approx(2.0)
    assert found.estimated_seconds == pytest.approx(20.5)
    assert found.estimated_low == pytest.approx(20.5 * 0.95)
    assert found.estimated_high == pytest.approx(20.5 * 1.05)
    assert found.is_estimate
    assert found.measured_items == 30
    assert found.items_per_second == pytest.approx(30 / found.measured_seconds)
    sums = [checksum.sum_of(index, index) for index in range(5)]
    assert found.checksum == checksum.as_text(checksum.added(sums))


def test_the_range_is_what_was_seen() -> None:
    """One disturbed sample widens it and does not move the estimate."""
    samples = [sample(10, each, 1.0) for each in (1.0, 1.0, 4.0)]

    found = Measured([sample(1, 0.0, 0.0)], samples).figures(M, 10.0, 1000, 5)

    assert found.estimated_seconds == pytest.approx(10.0)
    assert found.estimated_low == pytest.approx(9.5)
    assert found.estimated_high == pytest.approx(42.0)


def test_what_was_measured_in_one_go_is_no_estimate() -> None:
    """Only samples of all items count then."""
    samples = [sample(3, 9.0, 1.0), sample(10, 2.0, 1.0), sample(10, 3.0, 1.0)]

    found = Measured([sample(1, 0.1, 0.1)], samples).figures(M, 5.0, 10, 3)

    assert not found.is_estimate
    assert found.estimated_seconds == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("least", "pace"),
    [
        (sample(1, 5.0, 0.1), Pace(4.9, 0.2)),
        (sample(1, 0.5, 0.9), Pace(0.0, 2.0)),
        (sample(1, 0.01, 0.4), Pace(0.0, 2.0)),
        (sample(1, 1.5, 0.5), Pace(1.0, 1.0)),
    ],
    ids=["took longer", "expected as long", "below nothing", "half"],
)
def test_two_runs_may_be_no_line(least: Sample, pace: Pace) -> None:
    """Then what the small one took too long is the overhead, and the rest a ratio."""
    found = judging.line(least, sample(9, 2.0, 1.0))

    assert found.overhead_s == pytest.approx(pace.overhead_s)
    assert found.ratio == pytest.approx(pace.ratio)


def test_among_those_about_as_quick_the_simplest_comes_first() -> None:
    """Ever the same one, whatever small difference there was."""
    one = {S: 10.0, T: 3.0, M: 2.9, C: 2.8, A: 1.0, G: 0.95, B: 1.1}
    other = {S: 9.0, T: 2.8, M: 3.0, C: 3.1, A: 1.1, G: 1.2, B: 1.0}

    assert in_order(one) == in_order(other) == [B, A, G, T, M, C, S]


def test_nobody_knows_where_ranges_overlap() -> None:
    """Which one is quicker; and that is said."""
    seconds = {S: 10.0, M: 2.0, A: 1.0}
    wide = {S: (9.0, 11.0), M: (1.2, 2.8), A: (0.8, 1.3)}
    narrow = {S: (9.0, 11.0), M: (1.9, 2.1), A: (0.9, 1.1)}

    assert in_order(seconds, wide) == [M, A, S]
    assert in_order(seconds, narrow) == [A, M, S]
    text = judging.reason(seconds, wide, [M, A, S])
    assert text.startswith(
        "multiprocessing takes about 2.0 s for all items; auto (1.0 s)"
    )
    assert "not measurably quicker, and multiprocessing needs less" in text
    assert "sequential takes longest, 10.0 s" in text
    text = judging.reason(seconds, narrow, [A, M, S])
    assert "the next one is multiprocessing with 2.0 s" in text


# Samples, in a made-up machine.


class Machine:
    """Whose methods take so many times what is reckoned, and an overhead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, noise: float) -> None:
        self.now, self.noise, self.random = 0.0, noise, random.Random(3)
        self.ran: list[tuple[TaskType, Order]] = []
        monkeypatch.setattr(sampling.time, "monotonic", lambda: self.now)

    def truth(self, method: TaskType, order: Order) -> float:
        slower = 1.0 + METHODS.index(method) / 3
        overhead = 0.1 * METHODS.index(method)
        return overhead + slower * reckoned(method, HERE, order)

    def runs(self, method: TaskType) -> Any:
        async def run(order: Order) -> Ran:
            seconds = self.truth(method, order)
            seconds *= 1 + self.noise * (self.random.random() - 0.5)
            self.now += seconds
            self.ran.append((method, order))
            return Ran(seconds, [Done(index, index) for index in order.indices])

        return run


@pytest.mark.parametrize("delay", [0.0, 0.02, 1.0])
@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_estimates_are_near_the_truth(
    monkeypatch: pytest.MonkeyPatch, delay: float, noise: float
) -> None:
    """For far more items than were measured; in time, and each method in each round."""
    machine = Machine(monkeypatch, noise)
    order = Order(replace(RECIPE, db_delay_s=delay), 50_000, workers=4)
    told: list[int] = []

    async def tell(number: int, method: TaskType, done: int) -> None:
        told.append(done)

    sampled = Sampling(
        order, HERE, 20.0, {method: machine.runs(method) for method in METHODS}, tell
    )
    asyncio.run(sampled.measure())

    assert told == list(range(sampled.rounds * 7))
    if delay < 1.0:
        assert sampled.rounds >= 2
        assert machine.now <= 30.0
    assert all(order.start == 0 for _, order in machine.ran)
    assert machine.ran[0][0] == S
    begins = [method for method, _ in machine.ran][1 + sampling.LOOKS :: 2 * 7]
    assert begins == list(METHODS[: sampled.rounds])
    for method, found in sampled.found.items():
        assert len(found.samples) == sampled.rounds
        estimate = found.pace.seconds(reckoned(method, sampled.figures, order))
        assert estimate == pytest.approx(machine.truth(method, order), rel=0.02 + noise)
    assert sampled.checked == min(
        found.samples[-1].items for found in sampled.found.values()
    )


def test_one_round_is_enough_where_no_other_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An item for each worker is the least that can be measured."""
    machine = Machine(monkeypatch, 0.0)
    order = Order(replace(RECIPE, db_delay_s=60.0), 1000, workers=2)

    async def tell(number: int, method: TaskType, done: int) -> None:
        """Nobody needs to know."""

    sampled = Sampling(
        order, HERE, 5.0, {method: machine.runs(method) for method in METHODS}, tell
    )
    asyncio.run(sampled.measure())

    assert sampled.rounds == 1
    few = {method: order.total for method, order in machine.ran}
    assert few[S] == 1
    assert few[T] == few[M] == few[C] == 2


# What was measured on this machine.


def test_parts_are_measured_here(tmp_path: Path) -> None:
    """And come back from the store as they were; what is away counts as nothing."""
    url = f"sqlite:///{tmp_path}/measurements.db"
    filling.prepare(url)
    found = figures.measured(url, None)

    assert 0 < found.query_s < found.cpu_s
    assert 0 < found.lookup_s < found.cpu_s
    assert not found.query_waits
    assert figures.from_plain(figures.as_plain(found)) == found
    paced = replace(found, paces={M: Pace(0.5, 1.5)}, compared_at=7.0)
    assert figures.from_plain(figures.as_plain(paced)) == paced
    away = figures.measured(
        "postgresql+psycopg://nobody@127.0.0.1:1/nothing", "redis://127.0.0.1:1"
    )
    assert (away.query_s, away.query_waits) == (0.0, True)
    assert away.lookup_waits


def test_figures_are_kept_for_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a comparison has found stays when they are measured again."""
    settings = Settings(state_dir=tmp_path)
    tasks = TaskJobs(settings)
    tasks.results.prepare()
    filling.prepare(settings.database)
    first = figures_here(tasks.jobs, settings)
    assert figures_here(tasks.jobs, settings) == first == known_figures(tasks.jobs)

    keep_paces(tasks.jobs, first, {M: Pace(0.5, 1.5)})
    monkeypatch.setattr("cotality.web._web.work.figures_here.LONGEST_S", -1.0)
    again = figures_here(tasks.jobs, settings)

    assert again.measured_at > first.measured_at
    assert again.pace(M) == Pace(0.5, 1.5)
    assert again.pace(S) == Pace()
    tasks.jobs.close()


def test_advice_is_corrected_by_a_comparison() -> None:
    """By how much each method took longer than was reckoned."""
    settings = Settings()

    def of(config: TaskConfig) -> Order:
        return order_of(settings, config)

    slow = {method: Pace(100.0, 1.0) for method in (M, C, A, G)}
    plain = advising.recommended(HERE, of)
    corrected = advising.recommended(replace(HERE, paces=slow, compared_at=0.0), of)

    by_case = {each.case: each for each in corrected.advice}
    assert "corrected by the comparison of methods of 1970-01-01" in corrected.based_on
    few = by_case["computation alone, few items"]
    assert few.method == S
    assert few.others[M] == pytest.approx(100.1)
    assert few.route == "/api/v1/tasks/sequential"
    assert {each.case for each in plain.advice} == set(by_case)
    for each in plain.advice:
        whole = {each.method: each.estimated_seconds, **each.others}
        assert set(whole) == set(METHODS)


# A real comparison.


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("comparing")
    return Settings(state_dir=folder / "state", workers="outside")


@pytest.fixture(scope="module")
def worker(settings: Settings) -> Iterator[WorkerProgram]:
    folder = settings.state_dir.parent
    given = variables(settings)
    with WorkerProgram(
        "", folder, "--grace", "0", target=TARGET, variables=given
    ) as program:
        yield program
    close_parts()


async def compared(desk: Desk, config: CompareConfig) -> PerformanceComparison:
    taken = await desk.compare(config, owner="me")
    assert await desk.comparison(taken.task_id) is None
    messages: list[str] = []
    async with aclosing(desk.changes_of(taken.task_id, None)) as changes:
        messages.extend([event.message async for event in changes])
    over = await desk.look(taken.task_id)
    assert over.status == TaskStatus.COMPLETED, over
    assert (over.method, over.checksum) == (None, None)
    assert over.items_processed == over.total_items
    assert any(each.startswith("round 1: ") for each in messages)
    found = await desk.comparison(taken.task_id)
    assert found is not None
    assert found.task_id == taken.task_id
    return found


def test_all_methods_are_compared(settings: Settings, worker: WorkerProgram) -> None:
    """On the same items, with the same values; and advice follows from it."""
    config = CompareConfig(items_count=500, workers=2, budget_s=3.0, db_delay_s=0.002)

    async def do() -> PerformanceComparison:
        async with opened(settings) as desk:
            found = await compared(desk, config)
            advice = await desk.recommendations()
            assert "corrected by the comparison of methods" in advice.based_on
            assert desk.foreseeing.figures.pace(B).ratio > 0
            return found

    found = run(do())

    assert {each.method for each in found.methods} == set(METHODS)
    assert found.checksums_equal
    assert found.checked_items >= 1
    part = TaskConfig(items_count=found.checked_items)
    assert {each.checksum for each in found.methods} == {expected(settings, part)[1]}
    assert (found.items_count, found.workers, found.budget_s) == (500, 2, 3.0)
    assert found.rounds >= 1
    assert found.others_running == 0
    for each in found.methods:
        assert each.estimated_low < each.estimated_seconds < each.estimated_high
        assert getattr(found, f"{each.method}_time") == each.estimated_seconds
        assert each.measured_items >= found.checked_items
    best = found.methods[0]
    assert best.method == found.best_approach
    assert found.reason.startswith(f"{best.method} takes about")
    assert found.improvement_factor == pytest.approx(
        found.sequential_time / best.estimated_seconds
    )
    assert found.machine.cpu_seconds_per_item > 0


def test_a_comparison_is_cancelled(settings: Settings, worker: WorkerProgram) -> None:
    """With what it has begun; and another task beside it is told."""
    config = CompareConfig(items_count=500, workers=2, db_delay_s=20.0)

    async def do() -> None:
        async with opened(settings) as desk:
            taken = await desk.compare(config, owner="me")
            async with aclosing(desk.changes_of(taken.task_id, None)) as changes:
                async for event in changes:
                    if event.message.startswith("round"):
                        break
            assert await desk.cancel(taken.task_id)
            assert await desk.comparison(taken.task_id) is None
            over = await desk.look(taken.task_id)
            assert over.status == TaskStatus.CANCELLED
            assert over.total_items == MEASUREMENTS
            quick = TaskConfig(items_count=5, simulate_db_delay=False)
            started = await desk.start(S, quick, owner="me")
            assert (await desk.wait(started.task_id, PATIENCE_S)).checksum

    run(do())


def test_a_sample_that_nobody_does_is_told(tmp_path: Path) -> None:
    """Rather than waited for: a worker may serve some queues and not others."""
    ended: list[str] = []

    class Nobody:
        async def enqueue(self, asked: dict[str, Any]) -> Nobody:
            assert asked["total"] == 7
            return self

        async def result(self, timeout: float) -> None:
            assert timeout > comparing_module.PATIENCE_S
            raise TimeoutError

        async def cancel(self) -> None:
            ended.append("cancelled")

    nobody: Any = Nobody()
    nothing: Any = None
    comparing = comparing_module.Comparing(
        Settings(), nothing, nothing, nobody, nothing, nothing
    )
    comparing.figures = HERE

    with pytest.raises(TimeoutError, match="does a worker serve the queue 'samples'"):
        asyncio.run(comparing.in_background(Order(RECIPE, 7)))

    assert ended == ["cancelled"]


@pytest.mark.alone
@pytest.mark.one_python
def test_two_comparisons_agree_and_a_full_run_does(
    settings: Settings, worker: WorkerProgram
) -> None:
    """Whichever is clearly faster is so each time, and estimates are near to a run.

    On a quiet machine within a quarter, which a benchmark shows; here what else the
    machine does may as much as double the time of either.
    """
    config = CompareConfig(
        items_count=400, budget_s=8.0, db_delay_s=0.02, simulate_redis_delay=False
    )

    async def do() -> None:
        async with opened(settings) as desk:
            found = [await compared(desk, config) for _ in range(2)]
            first, second = (
                {one: getattr(each, f"{one}_time") for one in METHODS} for each in found
            )
            for one, other in permutations(METHODS, 2):
                if first[one] * 2 < first[other]:
                    assert second[one] < second[other], (first, second)
            plain = TaskConfig(**config.model_dump(exclude={"budget_s", "method"}))
            off: dict[TaskType, float] = {}
            for method in METHODS:
                taken = await desk.start(method, plain, owner="me")
                over = await desk.wait(taken.task_id, PATIENCE_S, results=0)
                assert over.duration_seconds is not None
                estimate = statistics.mean((first[method], second[method]))
                off[method] = over.duration_seconds / estimate
            assert all(1 / 2 < each < 2 for each in off.values()), off

    run(do())
