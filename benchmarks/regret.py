"""How much ``use_processes="auto"`` is behind the best choice: a grid of workloads.

``nox -s bench -- auto`` runs each of them as a plain loop, on threads, on
processes, and with "auto", in turns in one interpreter, and prints the ratio of "auto"
to the best of the others. Some of them are what real libraries do, see `libraries`.
``--busy 2`` does it beside two programs that keep a CPU busy each. With ``--page`` it
writes the table into
``docs/understand/auto.md`` and draws the picture there, if matplotlib is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import urlopen

from benchmarks.http_server import http_server
from benchmarks.libraries import LIBRARIES
from benchmarks.marks import fill
from benchmarks.neighbours import busy_programs
from cotality.core.utils.process import (
    RunReport,
    Task,
    available_cpus,
    execute_tasks_in_parallel,
)

PAGE = Path(__file__).parents[1] / "docs/understand/auto.md"
PICTURE = PAGE.with_suffix(".svg")
BEGIN = "<!-- figures{}: begin; written by run.py auto{} --page -->"
END = "<!-- figures{}: end -->"

ROUNDS = 3
CELL_S = 4.0  # the most work in a cell, in seconds of one thread
ENOUGH_S = 0.2  # of work, from which on the ratio counts
WORST = 1.35
TYPICAL = 1.05
WORST_BUSY = 1.6  # beside two busy programs
TYPICAL_BUSY = 1.15
MOST_BEHIND_S = 0.06  # below that
# What took so many times as long as the best in the first round, and so long (s), is
# not run again: it is not the best, and that alone is what "auto" is compared with.
HOPELESS = 1.5
LONG_S = 0.1
CHUNK = bytes(64 * 1024)


def compute(seconds: float, data: bytes = b"", answer: int = 0) -> bytes:
    """Python code, which holds the lock."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    return bytes(answer)


def hash_it(seconds: float, data: bytes = b"", answer: int = 0) -> bytes:
    """Code in C that gives up the lock while it computes."""
    end = time.thread_time() + seconds
    digest = hashlib.sha256()
    while time.thread_time() < end:
        digest.update(CHUNK)
    return bytes(answer)


def wait(seconds: float, data: bytes = b"", answer: int = 0) -> bytes:
    time.sleep(seconds)
    return bytes(answer)


def mix(seconds: float, data: bytes = b"", answer: int = 0) -> bytes:
    """A third of it is Python code, the rest is waiting."""
    compute(seconds / 3)
    time.sleep(seconds * 2 / 3)
    return bytes(answer)


def ask(seconds: float, port: int, answer: int = 0) -> bytes:
    """A request to a server that takes so long to answer."""
    with urlopen(f"http://127.0.0.1:{port}/{seconds}", timeout=60) as response:
        return bytes(response.read())


@dataclass(frozen=True)
class Cell:
    """One workload."""

    work: str
    seconds: float  # of a task
    count: int
    sent: int = 100  # bytes
    answered: int = 100

    @property
    def name(self) -> str:
        size = ""
        if max(self.sent, self.answered) > 1000:
            size = f", {self.sent:,} bytes there, {self.answered:,} back"
        if self.is_of_library:
            return self.work
        return f"{self.work}, {self.count:,} x {1e3 * self.seconds:g} ms{size}"

    @property
    def total(self) -> float:
        return self.seconds * self.count

    @property
    def is_of_library(self) -> bool:
        return self.work in LIBRARIES

    def tasks(self, port: int) -> list[Task[Any]]:
        if self.is_of_library:
            workload = LIBRARIES[self.work](port)
            return [
                Task(workload.function, positional=(item,)) for item in workload.items
            ]
        if self.work == "http":
            given: dict[str, Any] = {"seconds": self.seconds, "port": port}
            return [Task(ask, given) for _ in range(self.count)]
        function = {"python": compute, "c": hash_it, "sleep": wait, "mixed": mix}
        return [
            Task(
                function[self.work],
                {
                    "seconds": self.seconds,
                    "data": bytes(self.sent),
                    "answer": self.answered,
                },
            )
            for _ in range(self.count)
        ]


WORKS = ("python", "c", "sleep", "mixed", "http")
SECONDS = (0.0, 10e-6, 100e-6, 1e-3, 10e-3, 100e-3, 1.0)
COUNTS = (2, 20, 200, 2000, 20_000, 100_000)


def cells(works: Sequence[str]) -> list[Cell]:
    found = [
        Cell(work, seconds, count)
        for work in works
        for seconds in SECONDS
        for count in COUNTS
        if seconds * count <= CELL_S
        if not (work == "http" and (seconds < 1e-3 or count > 2000))
        if not (seconds == 0.0 and work != "python")
        if work not in LIBRARIES
    ]
    for work in {"python", "c"}.intersection(works):
        found += [
            Cell(work, 10e-3, 100, sent, answered)
            for sent, answered in ((1_000_000, 100), (100, 1_000_000))
        ]
        found += [Cell(work, 10e-3, 20, 10_000_000, 100)]
    return found + [Cell(work, 0.0, 0) for work in works if work in LIBRARIES]


def loop(tasks: list[Task[Any]]) -> list[Any]:
    return [
        task.callback_function(*task.positional, **task.arguments) for task in tasks
    ]


WAYS: dict[str, Callable[[list[Task[bytes]]], list[bytes]]] = {
    "loop": loop,
    "threads": execute_tasks_in_parallel,
    "processes": partial(execute_tasks_in_parallel, use_processes=True),
    "auto": partial(execute_tasks_in_parallel, use_processes="auto"),
}


def measure(cell: Cell, port: int) -> dict[str, float]:
    """The median time of each way, in seconds."""
    samples: dict[str, list[float]] = {name: [] for name in WAYS}
    if cell.is_of_library:
        loop(cell.tasks(port)[:3])  # so that the library has been imported
    for number in range(ROUNDS):
        names = list(WAYS)
        hopeless = hopeless_ways(samples) if number else set[str]()
        for name in names[number % 4 :] + names[: number % 4]:
            if name in hopeless:
                continue
            tasks = cell.tasks(port)
            began = time.perf_counter()
            try:
                results = WAYS[name](tasks)
            except Exception:
                if name in ("loop", "auto"):
                    raise
                samples[name].append(math.inf)  # what it does cannot be done there
                continue
            samples[name].append(time.perf_counter() - began)
            assert len(results) == len(tasks)
            del tasks, results
    return {name: median(seconds) for name, seconds in samples.items()}


def hopeless_ways(samples: dict[str, list[float]]) -> set[str]:
    """Those that cannot be the best of the others any more."""
    first = {name: seconds[0] for name, seconds in samples.items() if name != "auto"}
    least = max(LONG_S, HOPELESS * min(first.values()))
    return {name for name, seconds in first.items() if seconds > least}


@dataclass(frozen=True)
class Measured:
    """What a cell took, each way, in seconds.

    Attributes:
        worst: The ratio that is wanted at most.
    """

    cell: Cell
    seconds: dict[str, float]
    worst: float

    @property
    def best(self) -> str:
        others = [name for name in WAYS if name != "auto"]
        return min(others, key=self.seconds.__getitem__)

    @property
    def ratio(self) -> float:
        return self.seconds["auto"] / self.seconds[self.best]

    @property
    def behind(self) -> float:
        """Seconds."""
        return self.seconds["auto"] - self.seconds[self.best]

    @property
    def shown_behind(self) -> str:
        return f"{1e3 * self.behind:+.0f} ms" if abs(self.behind) >= 5e-4 else "0 ms"

    @property
    def counts(self) -> bool:
        """Whether there is so much work that the ratio means something."""
        return self.seconds["loop"] >= ENOUGH_S

    @property
    def is_met(self) -> bool:
        if self.counts:
            return self.ratio <= self.worst
        return self.behind <= MOST_BEHIND_S

    def cells(self) -> list[str]:
        times = [f"{1e3 * self.seconds[name]:,.1f}" for name in WAYS]
        mark = "" if self.is_met else " (!)"
        return [self.cell.name, *times, self.best, f"{self.ratio:.2f}{mark}"]


HEADS = ["workload", *(f"{name}, ms" for name in WAYS), "best other", "ratio"]


def wanted(busy: int) -> tuple[float, float]:
    """The ratio at most in the worst case, and in the median."""
    return (WORST_BUSY, TYPICAL_BUSY) if busy else (WORST, TYPICAL)


def summary(found: Sequence[Measured], busy: int = 0) -> str:
    worst, typical = wanted(busy)
    large = [each.ratio for each in found if each.counts]
    small = [1e3 * each.behind for each in found if not each.counts]
    return (
        f"{len(large)} workloads with at least {ENOUGH_S} s of work: the ratio is "
        f"{median(large or [1]):.2f} in the median (wanted: at most {typical:.2f}) and "
        f"{max(large or [1]):.2f} in the worst (wanted: at most {worst:.2f}); "
        f"{sum(each <= worst for each in large)} are within that. {len(small)} "
        f"workloads with less: "
        f"at most {max(small or [0]):.0f} ms behind (wanted: at most "
        f"{1e3 * MOST_BEHIND_S:.0f} ms)."
    )


def write_page(found: Sequence[Measured], command: str, busy: int) -> None:
    name, option = (" busy", f" --busy {busy}") if busy else ("", "")
    begin, end = BEGIN.format(name, option), END.format(name)
    rows = [HEADS, ["---", *["--:"] * len(WAYS), "---", "--:"]]
    rows += [each.cells() for each in found]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    python = platform.python_version()
    taken = (
        f"Taken with `{command}`: the median of {ROUNDS} rounds on "
        f"{available_cpus()} CPUs, CPython {python}. What took {HOPELESS} times as "
        f"long as the best in the first round, and {LONG_S} s or more, was run once."
    )
    picture = (
        "![For each workload the ratio, or for less than 0.2 s of work by how many "
        "milliseconds auto is behind](auto.svg)"
    )
    shown = [] if busy else [picture]
    fill(PAGE, begin, end, [taken, summary(found, busy), *shown, table])


def draw(found: Sequence[Measured]) -> None:
    """A heat map: how long a task takes, how many there are, and how far behind.

    The ratio, or for little work by how many milliseconds.
    """
    from matplotlib import pyplot as plt
    from matplotlib.colors import TwoSlopeNorm

    plain = [
        m
        for m in found
        if max(m.cell.sent, m.cell.answered) <= 1000 and not m.cell.is_of_library
    ]
    works = list(dict.fromkeys(each.cell.work for each in plain))
    figure, axes = plt.subplots(
        1, len(works), figsize=(2.6 * len(works), 3.4), sharey=True, squeeze=False
    )
    for axis, work in zip(axes[0], works, strict=True):
        shown = [[float("nan")] * len(COUNTS) for _ in SECONDS]
        for each in plain:
            if each.cell.work == work:
                y, x = SECONDS.index(each.cell.seconds), COUNTS.index(each.cell.count)
                shown[y][x] = each.ratio if each.counts else 1 + each.behind
                text = f"{each.ratio:.2f}" if each.counts else f"{each.shown_behind}"
                weight = "bold" if each.counts else "normal"
                axis.text(
                    x, y, text, ha="center", va="center", fontsize=6, weight=weight
                )
        image = axis.imshow(
            shown, cmap="RdYlGn_r", norm=TwoSlopeNorm(1.0, 0.5, 2.0), aspect="auto"
        )
        axis.set_title(work, fontsize=9)
        axis.set_xticks(range(len(COUNTS)), [f"{n:,}" for n in COUNTS], rotation=90)
        axis.set_yticks(range(len(SECONDS)), [f"{1e3 * s:g} ms" for s in SECONDS])
        axis.tick_params(labelsize=7)
        axis.set_xlabel("tasks", fontsize=8)
    figure.colorbar(image, ax=axes, shrink=0.8).set_label("auto / best other")
    figure.savefig(PICTURE, bbox_inches="tight", metadata={"Date": None})


def print_why(cell: Cell, port: int) -> None:
    report = RunReport()
    execute_tasks_in_parallel(cell.tasks(port), use_processes="auto", report=report)
    for decision in report.decisions:
        print("   ", decision)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="run.py auto", description=__doc__)
    names = ", ".join([*WORKS, *LIBRARIES])
    parser.add_argument("works", nargs="*", help=f"of: {names}; or: libraries")
    parser.add_argument("--busy", type=int, default=0, help="so many busy programs")
    parser.add_argument("--why", action="store_true", help="print the decisions")
    parser.add_argument("--page", action="store_true", help="write the page")
    chosen = parser.parse_args(arguments)
    execute_tasks_in_parallel([Task(time.sleep, positional=(0.1,))] * 4, None, True)
    found: list[Measured] = []
    worst, _ = wanted(chosen.busy)
    works = chosen.works or [*WORKS, *LIBRARIES]
    if works == ["libraries"]:
        works = list(LIBRARIES)
    with http_server() as port, busy_programs(chosen.busy):
        for cell in cells(works):
            found.append(Measured(cell, measure(cell, port), worst))
            name, *numbers = found[-1].cells()
            print(f"{name:<52}", *(f"{each:>11}" for each in numbers), flush=True)
            if chosen.why:
                print_why(cell, port)
    print(summary(found, chosen.busy))
    if chosen.page:
        busy = f" --busy {chosen.busy}" if chosen.busy else ""
        command = f"python benchmarks/run.py auto{busy}"
        write_page(found, command, chosen.busy)
        if not busy:
            draw(found)
    return 0
