"""How soon a web service answers ``/health`` while fifty requests compute.

``python benchmarks/run.py health`` starts each service of the documentation
behind its real server, on this machine alone. A process of its own asks it fifty things
at once; this one asks for ``/health`` meanwhile, on a new connection each time, with a
pause in between. With ``--page`` it writes the table into ``docs/do/web-services.md``.
"""

from __future__ import annotations

import argparse
import datetime
import http.client
import json
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.machine import cpu_model, load
from benchmarks.marks import fill
from tests.kit.servers import SERVERS, Service, serving

PAGE = Path(__file__).parents[1] / "docs/do/web-services.md"
BEGIN = "<!-- figures: begin; written by run.py health --page -->"
END = "<!-- figures: end -->"

REQUESTS = 50
ROUNDS = 2
PAUSE_S = 0.005  # between two questions: a health check is no load
IDLE_QUESTIONS = 200
MOST_QUESTIONS = 5_000  # in a round
WORK = "/primes?limit=60000&parts=4"
WORK_ANSWER = {"limit": 60_000, "primes": 6_057}
WANTED_MS = 50  # at the 99th percentile

# What makes the global manager of a server another one than the default.
WITH_MANAGER = """
from cotality.tuning._tuning.pools import manager as pools
pools.global_manager = pools.PoolManager({workers}, niceness={niceness})
"""


@dataclass(frozen=True)
class Setting:
    """What a service is given."""

    workers: int
    niceness: int = 0

    @property
    def name(self) -> str:
        nice = f", niceness {self.niceness}" if self.niceness else ""
        return f"{self.workers} worker{'s' * (self.workers > 1)}{nice}"

    @property
    def code(self) -> str:
        return WITH_MANAGER.format(workers=self.workers, niceness=self.niceness)


SETTINGS = [Setting(2), Setting(2, 10), Setting(8), Setting(8, 10)]


@dataclass(frozen=True)
class Measured:
    """Milliseconds until ``/health`` was answered, and how long the work took."""

    server: str
    setting: Setting
    idle: list[float]
    busy: list[float]
    work_s: list[float]

    def cells(self) -> list[str]:
        return [
            self.server,
            self.setting.name,
            f"{percentile(self.idle, 99):.1f}",
            f"{median(self.busy):.1f}",
            f"{percentile(self.busy, 99):.1f}",
            f"{max(self.busy):.1f}",
            f"{len(self.busy):,}",
            f"{median(self.work_s):.1f}",
        ]


HEADS = [
    "server",
    "the manager has",
    "p99 idle, ms",
    "median, ms",
    "p99, ms",
    "worst, ms",
    "answers",
    "50 requests, s",
]


def percentile(values: Sequence[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def ask_for_health(port: int) -> float:
    """Milliseconds until the answer is there, from connecting on."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/health")
    answer = json.load(connection.getresponse())
    connection.close()
    assert answer["status"] == "ok"
    return 1e3 * (time.perf_counter() - began)


@contextmanager
def fifty_requests(port: int) -> Iterator[subprocess.Popen[str]]:
    """A process that asks them and prints how many seconds that took."""
    command = [sys.executable, "-m", "benchmarks.health", f"{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
    assert process.returncode == 0


def ask(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", WORK)
    assert json.load(connection.getresponse()) == WORK_ANSWER
    connection.close()


def ask_fifty(port: int) -> None:
    with ThreadPoolExecutor(REQUESTS) as clients:
        began = time.perf_counter()
        for answer in [clients.submit(ask, port) for _ in range(REQUESTS)]:
            answer.result()
        print(time.perf_counter() - began)


def one_round(service: Service) -> tuple[list[float], float]:
    times: list[float] = []
    with fifty_requests(service.port) as clients:
        while service.health()["calls"] == 0 and clients.poll() is None:
            time.sleep(PAUSE_S)
        while clients.poll() is None and len(times) < MOST_QUESTIONS:
            times.append(ask_for_health(service.port))
            time.sleep(PAUSE_S)
        assert clients.stdout is not None
        return times, float(clients.stdout.read())


def measure(server: str, setting: Setting) -> Measured:
    found = Measured(server, setting, [], [], [])
    with (
        TemporaryDirectory() as folder,
        serving(
            SERVERS[server], Path(folder, "log"), setting.workers, setting.code
        ) as service,
    ):
        ask(service.port)  # the workers have imported what they need
        for _ in range(IDLE_QUESTIONS):
            found.idle.append(ask_for_health(service.port))
            time.sleep(PAUSE_S)
        for _ in range(ROUNDS):
            times, seconds = one_round(service)
            found.busy.extend(times)
            found.work_s.append(seconds)
        assert service.end() == []
    return found


def write_page(found: Sequence[Measured], command: str) -> None:
    rows = [HEADS, ["---", "---", *["--:"] * (len(HEADS) - 2)]]
    rows += [each.cells() for each in found]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    taken = (
        f"Taken with `{command}` on {datetime.date.today().isoformat()}: "
        f"{ROUNDS} rounds of {REQUESTS} requests at once, {cpu_model()}, 2 CPUs, "
        f"{platform.python_implementation()} {platform.python_version()}; other "
        f"programs wanted {load()} CPUs in the last minute, the benchmark included."
    )
    fill(PAGE, BEGIN, END, [taken, table])


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="run.py health", description=__doc__)
    parser.add_argument("servers", nargs="*", help=f"of: {', '.join(SERVERS)}")
    parser.add_argument("--page", action="store_true", help="write the page")
    chosen = parser.parse_args(arguments)
    print(" | ".join(HEADS))
    found: list[Measured] = []
    for server in chosen.servers or SERVERS:
        for setting in SETTINGS:
            found.append(measure(server, setting))
            print(" | ".join(found[-1].cells()), flush=True)
    if chosen.page:
        write_page(found, "python benchmarks/run.py health")
    late = [m for m in found if percentile(m.busy, 99) > WANTED_MS]
    for each in late:
        print(f"later than {WANTED_MS} ms: {each.server}, {each.setting.name}")
    return 0


if __name__ == "__main__":
    ask_fifty(int(sys.argv[1]))
