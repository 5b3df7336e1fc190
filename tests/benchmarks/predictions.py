"""How often the speed-up that `optimize` expects is the one that comes.

``nox -s bench -- plans`` has a plan made for each workload of the grid (see `regret`)
with a second of work or more, runs it in a plain loop and as the plan says, in turns in
one interpreter, and compares. With ``--page`` it writes the table into
``docs/understand/auto.md``.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from cotality.core.utils.process import available_cpus
from cotality.tuning import Plan, execute, optimize
from tests.benchmarks.http_server import http_server
from tests.benchmarks.regret import PAGE, WORKS, Cell, cells

BEGIN = "<!-- plans: begin; written by run.py plans --page -->"
END = "<!-- plans: end -->"

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

    @property
    def actual(self) -> float:
        return self.loop / self.planned

    @property
    def error(self) -> float:
        """How far off the estimate was, as a part of what came."""
        return self.plan.estimated_speedup / self.actual - 1

    @property
    def is_close(self) -> bool:
        return abs(self.error) <= TOLERANCE

    def cells(self) -> list[str]:
        mark = "" if self.is_close else " (!)"
        return [
            self.cell.name,
            f"{self.plan.n_jobs} x {self.plan.executor}",
            f"{self.loop:.2f}",
            f"{self.planned:.2f}",
            f"{self.plan.estimated_speedup:.2f}",
            f"{self.actual:.2f}",
            f"{self.error:+.0%}{mark}",
        ]


HEADS = ["workload", "plan", "loop, s", "as planned, s", "expected", "came", "off by"]


def predict(cell: Cell, port: int) -> Prediction:
    tasks = cell.tasks(port)
    function, items = tasks[0].callback_function, [task.arguments for task in tasks]
    plan = optimize(function, items, unpack=True, fresh=True)
    plan = replace(plan, head=None)  # all items are to run
    loops: list[float] = []
    runs: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        execute(function, items, executor="sequential", unpack=True)
        between = time.perf_counter()
        execute(function, items, plan=plan, unpack=True)
        runs.append(time.perf_counter() - between)
        loops.append(between - began)
    return Prediction(cell, plan, median(loops), median(runs))


def summary(found: Sequence[Prediction]) -> str:
    close = sum(each.is_close for each in found)
    return (
        f"{len(found)} workloads with at least {LEAST_S:g} s of work: the expected "
        f"speed-up was within {TOLERANCE:.0%} of the one that came in {close} of them, "
        f"{close / len(found):.0%} (wanted: at least {WANTED:.0%})."
    )


def write_page(found: Sequence[Prediction], command: str) -> None:
    rows = [HEADS, ["---", "---", *["--:"] * (len(HEADS) - 2)]]
    rows += [each.cells() for each in found]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    text = PAGE.read_text("utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    taken = (
        f"Taken with `{command}`: the median of {ROUNDS} rounds on "
        f"{available_cpus()} CPUs, CPython {platform.python_version()}."
    )
    body = "\n\n".join([BEGIN, taken, summary(found), table, END])
    PAGE.write_text(f"{before}{body}{after}", "utf-8")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="run.py plans", description=__doc__)
    parser.add_argument("works", nargs="*", help=f"of: {', '.join(WORKS)}")
    parser.add_argument("--page", action="store_true", help="write the page")
    chosen = parser.parse_args(arguments)
    execute(time.sleep, [0.1] * 4, executor="processes")  # so that workers are warm
    found: list[Prediction] = []
    with http_server() as port:
        for cell in cells(chosen.works or WORKS):
            if cell.total < LEAST_S:
                continue
            found.append(predict(cell, port))
            name, plan, *numbers = found[-1].cells()
            columns = "".join(f"{each:>11}" for each in numbers)
            print(f"{name:<52}{plan:>16}{columns}", flush=True)
    print(summary(found))
    if chosen.page:
        write_page(found, "python tests/benchmarks/run.py plans")
    return 0
