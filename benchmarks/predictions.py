"""How often the speed-up that `optimize` expects is the one that comes.

``nox -s bench -- plans`` has a plan made for each workload of the grid (see `regret`)
with a second of work or more, runs it in a plain loop, as the plan says, and with
``execute(verbose=True)``, in turns in one interpreter, and compares what was expected,
and what ``execute`` says it was, with what came. ``--busy 2`` does it beside two
programs that keep a CPU busy each. With ``--page`` it writes the table into
``docs/understand/auto.md``.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.http_server import http_server
from benchmarks.marks import fill
from benchmarks.neighbours import busy_programs
from benchmarks.regret import PAGE, WORKS, Cell, cells
from cotality.core.utils.process import available_cpus
from cotality.tuning import Plan, execute, optimize

BEGIN = "<!-- plans{}: begin; written by run.py plans{} --page -->"
END = "<!-- plans{}: end -->"

ROUNDS = 2
LEAST_S = 1.0  # of work, from which on a prediction counts
TOLERANCE = 0.25
WANTED = 0.8  # of the workloads


@dataclass(frozen=True)
class Prediction:
    """What was expected of a workload, and what came."""

    cell: Cell
    plan: Plan
    loop: float  # s
    planned: float  # s
    said: float  # how many times as fast `execute` says it was
    executed: float  # s

    @property
    def error_of_execute(self) -> float:
        """Likewise, of what `execute` says afterwards."""
        return self.said / (self.loop / self.executed) - 1

    @property
    def actual(self) -> float:
        return self.loop / self.planned

    @property
    def error(self) -> float:
        """How far off the estimate was, as a part of what came."""
        return self.plan.estimated_speedup / self.actual - 1

    def cells(self) -> list[str]:
        return [
            self.cell.name,
            f"{self.plan.n_jobs} x {self.plan.executor}",
            f"{self.loop:.2f}",
            f"{self.planned:.2f}",
            f"{self.plan.estimated_speedup:.2f}",
            f"{self.actual:.2f}",
            marked(self.error),
            f"{self.said:.2f}",
            f"{self.loop / self.executed:.2f}",
            marked(self.error_of_execute),
        ]


def marked(error: float) -> str:
    return f"{error:+.0%}{'' if is_close(error) else ' (!)'}"


def is_close(error: float) -> bool:
    return abs(error) <= TOLERANCE


HEADS = [
    *("workload", "plan", "loop, s", "as planned, s", "expected", "came", "off by"),
    *("execute says", "came", "off by"),
]


def predict(cell: Cell, port: int) -> Prediction:
    tasks = cell.tasks(port)
    function, items = tasks[0].callback_function, [task.arguments for task in tasks]
    plan = optimize(function, items, unpack=True, fresh=True)
    plan = replace(plan, head=None)  # all items are to run
    loops: list[float] = []
    runs: list[float] = []
    executed: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        execute(function, items, executor="sequential", unpack=True)
        between = time.perf_counter()
        execute(function, items, plan=plan, unpack=True)
        after = time.perf_counter()
        run = execute(function, items, unpack=True, verbose=True)
        executed.append((time.perf_counter() - after, run.estimated_speedup))
        runs.append(after - between)
        loops.append(between - began)
    took, said = sorted(executed)[len(executed) // 2]
    return Prediction(cell, plan, median(loops), median(runs), said, took)


def summary(found: Sequence[Prediction]) -> str:
    close = sum(is_close(each.error) for each in found)
    after = sum(is_close(each.error_of_execute) for each in found)
    return (
        f"{len(found)} workloads with at least {LEAST_S:g} s of work: the expected "
        f"speed-up was within {TOLERANCE:.0%} of the one that came in {close} of them, "
        f"{close / len(found):.0%}, and the one that `execute` gives afterwards in "
        f"{after}, {after / len(found):.0%} (wanted: at least {WANTED:.0%})."
    )


def write_page(found: Sequence[Prediction], command: str, busy: int) -> None:
    name, option = (" busy", f" --busy {busy}") if busy else ("", "")
    begin, end = BEGIN.format(name, option), END.format(name)
    rows = [HEADS, ["---", "---", *["--:"] * (len(HEADS) - 2)]]
    rows += [each.cells() for each in found]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    taken = (
        f"Taken with `{command}`: the median of {ROUNDS} rounds on "
        f"{available_cpus()} CPUs, CPython {platform.python_version()}."
    )
    fill(PAGE, begin, end, [taken, summary(found), table])


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="run.py plans", description=__doc__)
    parser.add_argument("works", nargs="*", help=f"of: {', '.join(WORKS)}")
    parser.add_argument("--page", action="store_true", help="write the page")
    parser.add_argument("--busy", type=int, default=0, help="so many busy programs")
    chosen = parser.parse_args(arguments)
    execute(time.sleep, [0.1] * 4, executor="processes")  # so that workers are warm
    found: list[Prediction] = []
    with http_server() as port, busy_programs(chosen.busy):
        for cell in cells(chosen.works or WORKS):
            if cell.total < LEAST_S:
                continue
            found.append(predict(cell, port))
            name, plan, *numbers = found[-1].cells()
            columns = "".join(f"{each:>11}" for each in numbers)
            print(f"{name:<52}{plan:>16}{columns}", flush=True)
    print(summary(found))
    if chosen.page:
        busy = f" --busy {chosen.busy}" if chosen.busy else ""
        command = f"python benchmarks/run.py plans{busy}"
        write_page(found, command, chosen.busy)
    return 0
