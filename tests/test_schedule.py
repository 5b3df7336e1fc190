"""The rules by which tasks are handed out, tried with up to a thousand workers."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from cotality.core.utils._process.schedule import Pace, Rules, Schedule
from tests.simulation import Report, Simulation, greedy

RULES = Rules()
FACTOR = 1.10  # of what an ideal, free of charge, would take
# The same with the time of a parent that serves very many workers: the small portions
# of the end keep it busy for a moment.
FACTOR_OF_MANY = 1.20
# On top, for runs that are over so soon that nobody would notice; a quarter of the
# target of a portion.
NOTHING = 0.005  # s

WORKERS = [2, 16, 64, 256, 1000]
TASKS_PER_WORKER = 20


def constant(count: int, usual: float) -> list[float]:
    return [usual] * count


def uniform(count: int, usual: float) -> list[float]:
    chance = random.Random(1)
    return [2 * usual * chance.random() for _ in range(count)]


def bimodal(count: int, usual: float) -> list[float]:
    """One in twenty takes a hundred times as long."""
    chance = random.Random(2)
    return [usual * (100 if chance.random() < 0.05 else 1) for _ in range(count)]


def alternating(count: int, usual: float) -> list[float]:
    return [usual * (1 if index % 7 else 50) for index in range(count)]


def pareto(count: int, usual: float) -> list[float]:
    """Heavy-tailed: the longest one is a good part of the whole."""
    chance = random.Random(3)
    return [usual * chance.paretovariate(1.5) for _ in range(count)]


def long_last(count: int, usual: float) -> list[float]:
    return [usual] * (count - 1) + [usual * count / 50]


def slower(count: int, usual: float) -> list[float]:
    """Half-way they begin to take a thousand times as long."""
    return [usual / 1000] * (count // 2) + [usual] * (count - count // 2)


def faster(count: int, usual: float) -> list[float]:
    return slower(count, usual)[::-1]


def lengths(workers: int) -> list[float]:
    """Seconds of a usual task: fewer to try with many workers, for that takes long."""
    return [1e-5, 1e-3, 0.02, 0.1] if workers < 100 else [1e-3, 0.1]


Shape = Callable[[int, float], list[float]]
SHAPES: list[Shape] = [
    constant,
    uniform,
    bimodal,
    alternating,
    pareto,
    long_last,
    slower,
    faster,
]
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
each_number = pytest.mark.parametrize("workers", WORKERS)
two_numbers = pytest.mark.parametrize("workers", [2, 64])


def assert_every_task_ran_once(report: Report) -> None:
    assert set(report.runs) == {1}
    assert sorted(report.taken) == list(range(len(report.runs)))


def assert_is_good(
    report: Report, durations: list[float], workers: int, factor: float = FACTOR
) -> None:
    assert_every_task_ran_once(report)
    assert report.makespan <= factor * greedy(durations, workers) + NOTHING


# How long it takes


@each_shape
@each_number
def test_a_list_takes_little_longer_than_the_ideal(shape: Shape, workers: int) -> None:
    """When the number of tasks is known, workers finish together."""
    for usual in lengths(workers):
        durations = shape(TASKS_PER_WORKER * workers, usual)

        report = Simulation(durations, workers).run()

        assert_is_good(report, durations, workers)


@each_shape
@pytest.mark.parametrize("workers", [2, 16])
def test_a_long_list_takes_little_longer_than_the_ideal(
    shape: Shape, workers: int
) -> None:
    """The same with ten times as many tasks, when portions have grown."""
    for usual in lengths(workers):
        durations = shape(10 * TASKS_PER_WORKER * workers, usual)

        report = Simulation(durations, workers).run()

        assert_is_good(report, durations, workers)


@each_shape
@each_number
def test_a_generator_costs_a_wrong_guess_at_most(shape: Shape, workers: int) -> None:
    """Without a known number of tasks a run ends one task and one time box later."""
    for usual in lengths(workers):
        durations = shape(TASKS_PER_WORKER * workers, usual)

        report = Simulation(durations, workers, is_total_known=False).run()

        assert_every_task_ran_once(report)
        wrong_guess = max(durations) + RULES.time_box
        assert report.makespan <= FACTOR * greedy(durations, workers) + wrong_guess


@each_shape
@each_number
def test_an_unordered_stream_takes_little_longer_than_the_ideal(
    shape: Shape, workers: int
) -> None:
    """A window costs nothing when results are taken as they come."""
    for usual in lengths(workers):
        durations = shape(TASKS_PER_WORKER * workers, usual)

        report = Simulation(durations, workers, bounded=True, ordered=False).run()

        assert_is_good(report, durations, workers)


@each_shape
@pytest.mark.parametrize("workers", [2, 16])
@pytest.mark.parametrize("usual", [0.005, 0.1])
def test_what_a_portion_costs_is_small_beside_its_work(
    shape: Shape, workers: int, usual: float
) -> None:
    """With the parent's own time counted, a run still takes little longer."""
    durations = shape(10 * TASKS_PER_WORKER * workers, usual)

    report = Simulation(durations, workers, portion_cost=RULES.portion_cost).run()

    assert_is_good(report, durations, workers)


def test_tiny_tasks_travel_in_few_portions() -> None:
    """A hundred thousand tasks of a microsecond take a few hundred portions."""
    report = Simulation([1e-6] * 100_000, 2, portion_cost=RULES.portion_cost).run()

    assert_every_task_ran_once(report)
    assert len(report.portions) < 300


@pytest.mark.parametrize(
    ("workers", "tasks_per_worker", "usual"),
    [(64, 400, 0.001), (256, 400, 0.005), (1000, 200, 0.02)],
)
def test_many_workers_do_not_wait_for_their_parent(
    workers: int, tasks_per_worker: int, usual: float
) -> None:
    """Portions are as large as it takes for one parent to serve all the workers."""
    durations = constant(tasks_per_worker * workers, usual)

    report = Simulation(durations, workers, portion_cost=RULES.portion_cost).run()

    assert_is_good(report, durations, workers, FACTOR_OF_MANY)


# What is handed out


@each_shape
@each_number
def test_every_task_of_an_ordered_stream_is_run_once(
    shape: Shape, workers: int
) -> None:
    """None is lost and none runs twice, whatever is handed back in between."""
    for usual in lengths(workers):
        durations = shape(TASKS_PER_WORKER * workers, usual)

        report = Simulation(
            durations, workers, bounded=True, is_total_known=False
        ).run()

        assert_every_task_ran_once(report)
        assert report.taken == sorted(report.taken)


@pytest.mark.parametrize("workers", [2, 16])
@pytest.mark.parametrize("usual", [1e-5, 1e-3])
def test_a_stream_goes_on_after_its_window_shrank(workers: int, usual: float) -> None:
    """Long tasks after many tiny ones: what was handed back is handed out again."""
    durations = constant(4000 * workers, usual)
    durations[1000 * workers] = 5.0

    report = Simulation(durations, workers, bounded=True).run()

    assert_every_task_ran_once(report)


@each_shape
@two_numbers
def test_portions_stay_within_their_bounds(shape: Shape, workers: int) -> None:
    """No portion is empty or too large, and no more are out than can be of use."""
    for usual in lengths(workers):
        durations = shape(TASKS_PER_WORKER * workers, usual)

        report = Simulation(durations, workers).run()

        assert min(report.portions) >= 1
        assert max(report.portions) <= RULES.largest_portion
        assert report.most_out <= workers * (1 + RULES.ready_per_worker)


@each_shape
@two_numbers
@pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "ordered"])
def test_the_window_is_respected(shape: Shape, workers: int, ordered: bool) -> None:
    """Never more is out or not taken than the widest window there was."""
    for usual in lengths(workers):
        durations = shape(TASKS_PER_WORKER * workers, usual)

        report = Simulation(durations, workers, bounded=True, ordered=ordered).run()

        most = RULES.window_portions * RULES.largest_streamed_portion
        assert report.furthest <= report.widest <= workers * most


@each_number
def test_the_window_of_long_tasks_is_narrow(workers: int) -> None:
    """Of tasks longer than a portion's target, eight for each worker are out."""
    # Longer than the target, which grows with the number of workers.
    durations = pareto(TASKS_PER_WORKER * workers, 1.0)

    report = Simulation(durations, workers, bounded=True).run()

    assert report.furthest <= RULES.window_tasks * workers
    assert set(report.portions) == {1}


@each_number
def test_the_last_portions_are_small(workers: int) -> None:
    """Each is at most a quarter of one worker's share of what is left."""
    count = 1000 * workers if workers < 100 else 100 * workers

    report = Simulation(constant(count, 1e-6), workers).run()

    left = count
    for portion in report.portions:
        # What is left when it is handed out: nothing of these tasks is handed back.
        assert portion <= max(1, left // (workers * RULES.parts_per_share))
        left -= portion
    assert report.portions[-workers:] == [1] * workers


def test_portions_start_with_one_task_and_grow_step_by_step() -> None:
    """At most three times as large from one observation to the next."""
    pace = Pace(RULES, 2, RULES.largest_streamed_portion)
    sizes = [pace.size]
    for _ in range(8):
        pace.observe(pace.size, pace.size * 1e-6)
        sizes.append(pace.size)

    assert sizes == [1, 3, 9, 27, 81, 243, 512, 512, 512]


def test_a_long_task_makes_portions_small_at_once() -> None:
    """After one portion that took long, the next hold one task."""
    pace = Pace(RULES, 2, RULES.largest_streamed_portion)
    for _ in range(8):
        pace.observe(pace.size, pace.size * 1e-6)

    pace.observe(1, 1.0)

    assert pace.size == 1


def test_one_odd_portion_does_not_decide_for_ever() -> None:
    """Portions are large again soon after a single long task."""
    pace = Pace(RULES, 2, RULES.largest_streamed_portion)
    pace.observe(1, 1.0)
    portions = 0
    while pace.size < pace.largest and portions < 100:
        pace.observe(pace.size, pace.size * 1e-6)
        portions += 1

    assert portions < 25


@pytest.mark.parametrize(("tasks", "seconds"), [(0, 0.0), (0, 1.0), (5, 0.0)])
def test_nothing_is_learnt_from_nothing(tasks: int, seconds: float) -> None:
    """A portion that ran nothing, or took no time by the clock, changes nothing."""
    pace = Pace(RULES, 2, RULES.largest_streamed_portion)
    pace.observe(3, 0.0003)
    before = pace.size, pace.mean

    pace.observe(tasks, seconds)

    assert (pace.size, pace.mean) == before


def test_a_limit_on_portions_is_kept() -> None:
    """A caller's own limit is below that of the rules."""
    schedule = Schedule(2, total=None, bounded=False, largest_portion=5)
    for _ in range(10):
        size = schedule.next_portion()
        assert 1 <= size <= 5
        schedule.handed_out(size)
        schedule.came_back(size, 0, size * 1e-6)


def test_something_is_handed_out_whenever_nothing_is_out() -> None:
    """Tasks that came back are handed out again, however narrow the window is now."""
    schedule = Schedule(2, total=None, bounded=True)
    for _ in range(8):  # portions grow
        size = schedule.next_portion()
        schedule.handed_out(size)
        schedule.came_back(size, 0, size * 1e-6)
        schedule.taken(size)
    head = schedule.next_portion()
    schedule.handed_out(head)
    others = schedule.next_portion()
    schedule.handed_out(others)
    schedule.came_back(others, 0, others * 1e-6)  # not taken: it waits for the head

    schedule.came_back(1, head - 1, 1.0)
    schedule.taken(1)

    assert schedule.portions_out == 0
    assert schedule.next_portion(from_returned=True) >= 1
