"""How fast a flow is, and others: ``python benchmarks/run.py flow --help``.

Each contender is a program of its own, and they take turns in each round, because a
machine is never the same for long. A ratio is the median of those of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks import flow_contenders as who
from benchmarks import flow_http as web
from benchmarks.flow_bare import two_processes
from benchmarks.flow_work import loops_in_a_millisecond

ROOT = Path(__file__).parents[1]
START_LIMIT = 60.0  # s
EXTRA_LIMIT = 90.0  # s beyond what a measurement should take
STOP_LIMIT = 15.0  # s
BARE = "two bare processes"


@dataclass(frozen=True)
class Case:
    """One kind of work, and who does it with how many callers.

    Attributes:
        seconds: Of one measurement.
    """

    name: str
    title: str
    work: str
    workers: int
    callers: tuple[int, ...]
    seconds: float
    contenders: tuple[str, ...]
    has_bare: bool = False
    only: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def places(self) -> Iterable[tuple[int, str]]:
        for callers in self.callers:
            for contender in self.contenders:
                if callers in self.only.get(contender, self.callers):
                    yield callers, contender


CASES = {
    case.name: case
    for case in [
        Case(
            *("trivial", "a handler that does nothing, one worker", "same", 1),
            *((1, 8, 64, 256, 1024), 1.0),
            (
                *(who.OURS, who.ON_UVLOOP, who.OWN, who.AQUEDUCT_1, who.AQUEDUCT_32),
                *(who.SOCKET_FLOW, who.POOL),
            ),
            only={
                # More is not stable there.
                who.AQUEDUCT_1: (1, 8, 64, 256),
                who.AQUEDUCT_32: (1, 8, 64, 256),
                who.SOCKET_FLOW: (1, 8, 64, 256),
            },
        ),
        Case(
            *("cpu", "1 ms of computing, two workers", "burn", 2),
            *((64,), 2.0, (who.OURS, who.OWN, who.AQUEDUCT_1, who.POOL)),
            has_bare=True,
        ),
        Case(
            *("megabyte", "an array of 1 MB there, a number back", "first", 1),
            *((1, 16), 1.0),
            (who.OURS, who.OWN, who.SHARED, who.AQUEDUCT_1, who.POOL),
        ),
        Case(
            *("http", "a web service with two workers of its own", "same", 1),
            *((64,), 2.0),
            (web.PLAIN, web.WITH_OURS, web.WITH_SOCKET_FLOW, web.WITH_DIRTY),
        ),
        Case(
            *("pareto", "handlers that take 0.1 to 50 ms, two workers", "wait", 2),
            *((16,), 4.0, (who.OWN, who.BY_ONES)),
        ),
    ]
}


class Driver:
    """The program of one contender.

    Attributes:
        problem: Why it is measured no more.
    """

    def __init__(self, name: str, case: Case, loops: int) -> None:
        self.name = name
        self.problem = ""
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed with us
        arguments = [name, case.work, str(case.workers), str(loops)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.flow_driver", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env={**os.environ, "PYTHONPATH": path()},
            start_new_session=True,
        )
        self.said = b""

    def wait_until_ready(self) -> None:
        self.hear(START_LIMIT)

    def measure(self, callers: int, seconds: float) -> dict[str, float] | None:
        if self.problem:
            return None
        assert self.process.stdin is not None
        wanted = json.dumps({"callers": callers, "seconds": seconds})
        try:
            self.process.stdin.write(wanted.encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            self.give_up("it has ended")
            return None
        return self.hear(seconds + EXTRA_LIMIT)

    def hear(self, limit: float) -> dict[str, float] | None:
        """The next line that it says; None if it says none in time."""
        assert self.process.stdout is not None
        fd, end = self.process.stdout.fileno(), perf_counter() + limit
        while b"\n" not in self.said:
            left = end - perf_counter()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                return self.give_up(f"no answer within {limit:g} s")
            data = os.read(fd, 65536)
            if not data:
                return self.give_up(f"it has ended: {self.last_words()}")
            self.said += data
        line, _, self.said = self.said.partition(b"\n")
        found: dict[str, float] = json.loads(line)
        return found

    def last_words(self) -> str:
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "")

    def give_up(self, problem: str) -> None:
        self.problem = problem
        print(f"{self.name}: {problem}", file=sys.stderr)
        self.kill()

    def stop(self) -> None:
        if not self.problem:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                self.process.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def kill(self) -> None:
        """End it and all that it has started and not ended."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def path() -> str:
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))


Figures = dict[tuple[str, int, str], list[dict[str, float]]]


def measure(case: Case, rounds: int, figures: Figures) -> None:
    """Let all contenders of *case* take turns."""
    loops = loops_in_a_millisecond()
    drivers: dict[str, Driver] = {}
    try:
        for name in case.contenders:
            drivers[name] = Driver(name, case, loops)
            drivers[name].wait_until_ready()
        for number in range(rounds):
            for callers, name in case.places():
                if case.has_bare and name == case.contenders[0]:
                    rate = two_processes(loops, case.seconds)
                    add(figures, (case.name, callers, BARE), {"per_second": rate})
                found = drivers[name].measure(callers, case.seconds)
                if found is not None:
                    add(figures, (case.name, callers, name), found)
            print(f"{case.name}: round {number + 1} of {rounds}", file=sys.stderr)
    finally:
        for driver in drivers.values():
            driver.stop()


def add(figures: Figures, key: tuple[str, int, str], found: dict[str, float]) -> None:
    figures.setdefault(key, []).append(found)


def medians(figures: Figures) -> list[dict[str, Any]]:
    return [
        {"case": case, "callers": callers, "contender": name, "rounds": len(found)}
        | {each: statistics.median(one[each] for one in found) for each in found[0]}
        for (case, callers, name), found in figures.items()
    ]


def main(arguments: list[str]) -> int:
    """Measure, print the tables, and write the figures if wanted."""
    from benchmarks.flow_page import bars, bars_table, draw, table, write_page

    parser = argparse.ArgumentParser(prog="run.py flow", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--rounds", type=int, default=5, help="5 by default")
    parser.add_argument("--json", help="where to write all figures")
    parser.add_argument("--page", action="store_true", help="write the page")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.cases if name not in CASES]:
        parser.error(f"no such case: {', '.join(unknown)}")
    figures: Figures = {}
    for name in given.cases or CASES:
        measured: Figures = {}
        measure(CASES[name], given.rounds, measured)
        print(table(medians(measured)), end="\n\n", flush=True)
        figures |= measured
    found = bars(figures)
    print(bars_table(found))
    if given.json:
        kept = [[list(key), found] for key, found in figures.items()]
        Path(given.json).write_text(json.dumps(kept, indent=1), "utf-8")
    if given.page:
        write_page(figures, given.rounds)
        draw(figures, found)
    return 0
