"""What `cotality.tuning` costs where nothing is to be gained: imports, first calls.

``nox -s bench -- costs`` measures each figure in new interpreters, by turns with what
it is compared to, and prints the median and what is wanted.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

ROUNDS = 15

TIMED = """
import time
{before}
began = time.perf_counter()
{timed}
print(time.perf_counter() - began)
"""


@dataclass(frozen=True)
class Cost:
    """What takes how long, in a program of its own.

    Attributes:
        before: What the program does before.
        instead: What it is compared to, if to anything.
        wanted: The most it may take, or take more, in seconds; None to know it only.
    """

    name: str
    before: str
    timed: str
    instead: str
    wanted: float | None


FIRST = "from cotality.tuning import execute"
COSTS = [
    Cost("import cotality.tuning", "", "import cotality.tuning", "", 0.030),
    Cost(
        "import cotality.core.utils.process",
        "",
        "import cotality.core.utils.process",
        "",
        0.020,
    ),
    Cost("from cotality.tuning import execute", "", FIRST, "", None),
    Cost(
        "from cotality.core.utils.process import Task, execute_tasks_in_parallel",
        "",
        "from cotality.core.utils.process import Task, execute_tasks_in_parallel",
        "",
        None,
    ),
    Cost(
        "the first execute of ten trivial items, more than the loop",
        FIRST,
        "execute(abs, range(10))",
        "[abs(n) for n in range(10)]",
        0.001,
    ),
    Cost(
        "200 items that sleep 20 ms",
        FIRST,
        "execute(time.sleep, [0.02] * 200)",
        "",
        0.2,
    ),
    Cost(
        "an error in item 7 of 2,000 that take 1 ms, after it was raised",
        f"{FIRST}\n"
        "raised = []\n"
        "def work(number):\n"
        "    time.sleep(0.001)\n"
        "    if number == 7:\n"
        "        raised.append(time.perf_counter())\n"
        "        raise ValueError(number)\n"
        "def run():\n"
        "    try: execute(work, range(2000))\n"
        "    except ValueError: pass\n",
        "run(); began = raised[0]",
        "",
        0.1,
    ),
]


def seconds(before: str, timed: str) -> float:
    program = TIMED.format(before=before, timed=timed)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def measure(cost: Cost) -> float:
    found: list[float] = []
    for _ in range(ROUNDS):
        instead = seconds(cost.before, cost.instead) if cost.instead else 0.0
        found.append(seconds(cost.before, cost.timed) - instead)
    return median(found)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="run.py costs", description=__doc__)
    parser.parse_args(arguments)
    for cost in COSTS:
        took = measure(cost)
        wanted = ""
        if cost.wanted is not None:
            mark = "" if took <= cost.wanted else "  (!)"
            wanted = f"wanted: at most {1e3 * cost.wanted:g} ms{mark}"
        print(f"{cost.name:<75}{1e3 * took:>9.2f} ms  {wanted}", flush=True)
    return 0
