"""How the rules do with up to a thousand workers: ``python -m tests.kit.scale``.

Simulates runs with made-up durations, puts the figures into the page
``docs/understand/scale.md`` and draws its picture, with matplotlib if it is there. The
same each time: nothing here looks at a clock or draws a number it could not draw again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from cotality.core.utils._process.rules.portion_size import Rules, Schedule
from tests.kit.simulation import Report, Simulation, greedy

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/understand/scale.md"
PICTURE = ROOT / "docs/understand/scale.svg"
BEGIN = "<!-- figures: begin; written by tests.kit.scale -->"
END = "<!-- figures: end -->"

RULES = Rules()
WORKERS = [2, 16, 64, 256, 1000]
USUAL = [0.001, 0.01, 0.1, 1.0]  # s that a usual task takes
TASKS_PER_WORKER = 20

FACTOR = 1.10  # of what an ideal, free of charge, would take
# Rounds of the parent, that is how often it could serve all workers while the ideal
# run lasts. In fewer there is no telling how long tasks take and sharing them out.
ROUNDS = 20
LONG = 0.2  # of the ideal run


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


@dataclass(frozen=True)
class Cell:
    """One simulated run of a list of tasks, with a parent whose time counts."""

    shape: Shape
    workers: int
    usual: float
    tasks_per_worker: int = TASKS_PER_WORKER

    @cached_property
    def durations(self) -> list[float]:
        return self.shape(self.tasks_per_worker * self.workers, self.usual)

    @cached_property
    def report(self) -> Report:
        cost = RULES.portion_cost
        return Simulation(self.durations, self.workers, portion_cost=cost).run()

    @cached_property
    def ideal(self) -> float:
        """Seconds if whoever is free took the next task, and that cost nothing."""
        return greedy(self.durations, self.workers)

    @property
    def ratio(self) -> float:
        return self.report.makespan / self.ideal

    @property
    def rounds(self) -> float:
        return self.ideal / (self.workers * RULES.portion_cost)

    @property
    def busy(self) -> float:
        """What part of the run the parent had something to do."""
        return self.report.busy / self.report.ended

    @property
    def is_within_reach(self) -> bool:
        """Whether a parent that knows nothing of the durations can come near the ideal.

        Not if the run is over after a few rounds of the parent. Nor if several tasks
        take a good part of the run each, among others so short that they have to
        travel in portions: then two of them meet in one, and one waits for the other.
        """
        _, *_, second, _ = sorted(self.durations)
        target = Schedule(self.workers).pace.target
        may_meet = second > LONG * self.ideal and self.usual < target
        return self.rounds >= ROUNDS and not may_meet


@cache  # several tests look at the same runs, and so does the page
def cell_of(shape: Shape, workers: int, usual: float) -> Cell:
    return Cell(shape, workers, usual)


def cells(usual: float, workers: int) -> list[Cell]:
    return [cell_of(shape, workers, usual) for shape in SHAPES]


def figures() -> str:
    """What stands between the marks of the page."""
    return "\n\n".join(["\n".join(table_of_ratios()), "\n".join(table_of_one_parent())])


def table_of_ratios() -> Iterator[str]:
    names = " | ".join(shape.__name__.replace("_", " ") for shape in SHAPES)
    yield f"| usual task | workers | {names} |"
    yield f"|--:|--:|{'--:|' * len(SHAPES)}"
    for usual in USUAL:
        for workers in WORKERS:
            shown = " | ".join(map(ratio_shown, cells(usual, workers)))
            yield f"| {usual * 1000:g} ms | {workers:,} | {shown} |"


def ratio_shown(cell: Cell) -> str:
    shown = f"{cell.ratio:.2f}"
    return shown if cell.is_within_reach else f"*{shown}*"


def table_of_one_parent() -> Iterator[str]:
    yield "| tasks for each worker | ideal run | ratio | portions | parent is busy |"
    yield "|--:|--:|--:|--:|--:|"
    for number in (20, 100, 400, 1000, 2000, 4000):
        cell = Cell(constant, 256, 0.001, number)
        yield (
            f"| {number:,} | {cell.ideal:.2f} s | {cell.ratio:.2f} | "
            f"{len(cell.report.portions):,} | {cell.busy:.0%} |"
        )


def written_into(text: str) -> str:
    """The page *text* with the figures of today."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{figures()}\n\n{END}{after}"


def draw(path: Path) -> None:
    """Draw how the ratio and the parent's time depend on the rounds that a run has."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update(
        {"svg.hashsalt": "cotality", "svg.fonttype": "none", "font.size": 9}
    )
    from matplotlib import pyplot

    figure, (ratios, shares) = pyplot.subplots(
        nrows=2, sharex=True, figsize=(9, 7), height_ratios=[3, 2], layout="constrained"
    )
    for shape in SHAPES:
        row = [Cell(shape, w, usual) for usual in USUAL for w in WORKERS]
        rounds = [cell.rounds for cell in row]
        name = shape.__name__.replace("_", " ")
        style = {"s": 18, "alpha": 0.8, "linewidths": 0}
        ratios.scatter(rounds, [cell.ratio for cell in row], label=name, **style)
        shares.scatter(rounds, [100 * cell.busy for cell in row], **style)
    ratios.axhline(FACTOR, color="black", linewidth=0.8)
    ratios.annotate("1.10", (1.02, FACTOR), (0, 3), textcoords="offset points")
    ratios.set_yscale("log")
    ratios.set_yticks(
        [1, 1.1, 1.5, 2, 5, 10, 20], ["1", "", "1.5", "2", "5", "10", "20"]
    )
    ratios.set_ylabel("times as long as the ideal")
    ratios.legend(frameon=False, ncols=2)
    shares.set_ylabel("parent is busy, % of the run")
    shares.set_xlabel(
        "rounds: how often one parent could serve all workers while the ideal run lasts"
    )
    shares.set_xscale("log")
    shares.set_xlim(0.08, 2e5)
    ticks = [0.1, 1, 10, 100, 1000, 10_000, 100_000]
    shares.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    for axis in (ratios, shares):
        axis.axvspan(ROUNDS, 1e6, color="#2a7f62", alpha=0.08, linewidth=0)
        axis.grid(color="#dddddd", linewidth=0.6)
        axis.minorticks_off()
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    PAGE.write_text(written_into(PAGE.read_text("utf-8")), "utf-8")
    try:
        draw(PICTURE)
    except ImportError:
        print("no picture: that needs matplotlib")
