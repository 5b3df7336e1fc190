"""The rules by which tasks are handed out, tried with up to a thousand workers."""

from __future__ import annotations

import pytest

from cotality.core.utils._process.rules.portion_size import Pace, Schedule
from tests.kit import scale
from tests.kit.scale import (
    FACTOR,
    RULES,
    SHAPES,
    TASKS_PER_WORKER,
    USUAL,
    WORKERS,
    Cell,
    Shape,
    cell_of,
    constant,
    pareto,
)
from tests.kit.simulation import Report, Simulation, greedy

COST = RULES.portion_cost
# On top, for runs that are over so soon that nobody would notice; a quarter of the
# target of a portion.
NOTHING = 0.005  # s

# Pure arithmetic.
pytestmark = pytest.mark.one_python


def lengths(workers: int) -> list[float]:
    """Seconds of a usual task: fewer to try with many workers, for that takes long."""
    return [1e-5, 1e-3, 0.02, 0.1] if workers < 100 else [1e-3, 0.1]


each_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
each_number = pytest.mark.parametrize("workers", WORKERS)
two_numbers = pytest.mark.parametrize("workers", [2, 64])


def assert_every_task_ran_once(report: Report) -> None:
    assert set(report.runs) == {1}
    assert sorted(report.taken) == list(range(len(report.runs)))


def assert_is_near_ideal(cell: Cell) -> None:
    """The ratio where one parent can reach it, and a bound on what it costs elsewhere.

    That is three rounds of the parent: one that hands out, one that takes back, one
    that hands out again. And one long task, if there are several to meet in a portion.
    """
    assert_every_task_ran_once(cell.report)
    allowed = FACTOR * cell.ideal + NOTHING
    if not cell.is_within_reach:
        allowed += 3 * cell.workers * COST + sorted(cell.durations)[-2]
    assert cell.report.makespan <= allowed


# How long it takes


@each_shape
@each_number
@pytest.mark.parametrize("usual", [1e-5, *USUAL])
def test_a_list_takes_little_longer_than_the_ideal(
    shape: Shape, workers: int, usual: float
) -> None:
    """When the number of tasks is known, workers finish together."""
    assert_is_near_ideal(cell_of(shape, workers, usual))


@each_shape
@pytest.mark.parametrize("workers", [2, 16, 64])
def test_a_long_list_takes_little_longer_than_the_ideal(
    shape: Shape, workers: int
) -> None:
    """The same with ten times as many tasks, when portions have grown."""
    for usual in (1e-5, 0.001, 0.1):
        assert_is_near_ideal(Cell(shape, workers, usual, 10 * TASKS_PER_WORKER))


def test_near_the_ideal_is_where_most_runs_are() -> None:
    """What cannot be reached are runs of a few rounds, and a few others."""
    cells = [cell for usual in USUAL for w in WORKERS for cell in scale.cells(usual, w)]

    beyond = [cell for cell in cells if not cell.is_within_reach]

    assert len(beyond) < len(cells) / 2
    assert sum(cell.rounds >= scale.ROUNDS for cell in beyond) < len(cells) / 6
    assert all(cell.ratio > 0.97 for cell in cells)


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
def test_an_unordered_stream_takes_little_longer_than_a_list(
    shape: Shape, workers: int
) -> None:
    """A window costs nothing when results are taken as they come."""
    for usual in lengths(workers):
        cell = cell_of(shape, workers, usual)

        report = Simulation(
            cell.durations, workers, bounded=True, ordered=False, portion_cost=COST
        ).run()

        assert_every_task_ran_once(report)
        assert report.makespan <= FACTOR * cell.report.makespan + NOTHING


def test_tiny_tasks_travel_in_few_portions() -> None:
    """A hundred thousand tasks of a microsecond take a few hundred portions."""
    report = Simulation([1e-6] * 100_000, 2, portion_cost=COST).run()

    assert_every_task_ran_once(report)
    assert len(report.portions) < 300


@pytest.mark.parametrize(
    ("workers", "tasks_per_worker", "usual"),
    [(64, 1000, 0.001), (256, 1000, 0.001), (1000, 200, 0.02)],
)
def test_many_workers_do_not_wait_for_their_parent(
    workers: int, tasks_per_worker: int, usual: float
) -> None:
    """Portions are as large as it takes for one parent to serve all the workers."""
    cell = Cell(constant, workers, usual, tasks_per_worker)

    assert_is_near_ideal(cell)
    assert cell.busy < 0.5


@pytest.mark.parametrize("box_of", [1, 10, 1000])
def test_a_portion_that_takes_too_long_is_given_up_soon(box_of: int) -> None:
    """A worker gives back what it has not started after a few times what was expected.

    But not at once, and when long tasks were expected not after long either.
    """
    schedule = Schedule(2, total=None, bounded=False)
    schedule.handed_out(1000)
    schedule.came_back(1000, 0, 1000 * 1e-4)  # 0.1 ms each

    box = schedule.time_box(box_of)

    expected = box_of * 1e-4
    assert RULES.shortest_time_box <= box <= RULES.time_box
    assert box >= min(2 * expected, RULES.time_box)
    assert box <= max(4 * expected, RULES.shortest_time_box)


def test_the_page_shows_what_the_simulation_gives() -> None:
    """The figures in the documentation are those of the rules as they are."""
    page = scale.PAGE.read_text("utf-8")

    assert scale.written_into(page) == page
    assert page.count("|") > 200


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
    """Each is at most a quarter of one worker's share of what is left.

    Or as much as takes a worker no longer than a round of the parent.
    """
    usual = 1e-4
    count = 1000 * workers if workers < 100 else 100 * workers

    report = Simulation(constant(count, usual), workers).run()

    left = count
    for_a_round = round(workers * COST / usual)
    for portion in report.portions:
        # What is left when it is handed out: nothing of these tasks is handed back.
        share = left // (workers * RULES.parts_per_share)
        assert portion <= max(1, share, min(for_a_round, 2 * left // workers))
        left -= portion
    assert max(report.portions[-workers // 2 :]) <= 2


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


def test_a_portion_that_was_cut_short_says_how_many_fit() -> None:
    """Large results, which are sent one by one, make no large window."""
    schedule = Schedule(2)

    for _ in range(200):
        size = schedule.next_portion()
        schedule.handed_out(size)
        schedule.came_back(1, size - 1, 1e-4)
        schedule.taken(1)

    assert schedule.pace.size <= RULES.growth
    assert schedule.window <= 2 * RULES.window_portions * RULES.growth


def test_single_tasks_that_come_back_open_no_large_window() -> None:
    """However many and short they are: large results may fill larger portions early."""
    schedule = Schedule(2)

    for _ in range(200):
        schedule.handed_out(1)
        schedule.came_back(1, 0, 1e-5)
        schedule.taken(1)

    assert schedule.window <= 2 * RULES.window_portions * RULES.growth


def test_small_portions_close_no_window() -> None:
    """There may have been room for one task only, though many fit a portion."""
    schedule = Schedule(2)
    for _ in range(50):
        size = schedule.next_portion()
        schedule.handed_out(size)
        schedule.came_back(size, 0, size * 1e-6)
        schedule.taken(size)
    before = schedule.window

    schedule.handed_out(1)
    schedule.came_back(1, 0, 1e-6)

    assert schedule.window == before > 1000


def test_one_worker_does_what_was_handed_back_before_anything_else() -> None:
    """No portion stands ready that would overtake it."""
    schedule = Schedule(1, total=100)
    schedule.handed_out(schedule.next_portion())

    assert schedule.next_portion() == 0
