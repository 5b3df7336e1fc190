"""How fast jobs are, and Celery's: ``python benchmarks/run.py jobs --help``.

Each contender has two workers and the same work, which tells a Redis server what it
does. The contenders take turns in each round, on the same machine, and a ratio is the
median of those of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil

from tests.kit import rabbitmq
from tests.kit.postgres import binaries, postgres
from tests.kit.redis_server import redis_server

ROOT = Path(__file__).parents[1]
LIMIT_S = 60.0
CELERY = "Celery, Redis"
CELERY_RABBIT = "Celery, RabbitMQ"
OURS = "tables, SQLite"
BARS = {
    "jobs_per_second": ("jobs that do nothing, a second", 0.5),
    "enqueued_per_second": ("enqueued one by one, a second", 0.7),
}
MOST = {
    "start_ms": ("from enqueue to begin, idle, ms", 300.0),
    "idle_percent": ("a worker with nothing to do, % of a CPU", 6.0),
    "recovery_s": ("from a worker's death to the begin elsewhere, s", 2.0),
}


@dataclass
class Contender:
    """Who runs jobs.

    Attributes:
        command: A worker.
        variables: For it, and for the program that enqueues.
        module: What has the jobs.
        put: How a job is enqueued.
        loaded: That module, once it was needed.
    """

    name: str
    command: list[str]
    variables: dict[str, str]
    module: str
    put: Callable[..., object]
    loaded: ModuleType | None = None

    def job(self, name: str) -> Any:  # Any: of either package
        if self.loaded is None:
            os.environ.update(self.variables)
            sys.modules.pop(self.module, None)  # that of another one
            self.loaded = import_module(self.module)
        return getattr(self.loaded, name)


def ours(name: str, engine: str, url: str) -> Contender:
    target = "benchmarks.jobs_ours:jobs"
    command = [sys.executable, "-m", "cotality.jobs", "worker", target]
    variables = {"BENCHMARK_ENGINE": engine, "BENCHMARK_URL": url}

    def put(job: Any, *args: object) -> object:  # Any: a job
        return job.enqueue_sync(*args)

    return Contender(
        name, [*command, "--slots", "4"], variables, "benchmarks.jobs_ours", put
    )


def celery(name: str, broker: str) -> Contender:
    command = [sys.executable, "-m", "celery", "-A", "benchmarks.jobs_celery", "worker"]
    command += ["--concurrency", "2", "--without-mingle", "--without-gossip"]
    # With one name for both, RabbitMQ gives neither what the other one had.
    command += ["-n", "worker-{number}@%h"]

    def put(job: Any, *args: object) -> object:  # Any: a task
        return job.delay(*args)

    variables = {"BENCHMARK_BROKER": broker}
    return Contender(name, command, variables, "benchmarks.jobs_celery", put)


@contextmanager
def workers(contender: Contender, count: int) -> Iterator[list[psutil.Popen]]:
    """Workers that have done a first job."""
    environment = {**os.environ, **contender.variables, "PYTHONPATH": str(ROOT)}
    quiet = subprocess.DEVNULL
    started = [
        psutil.Popen(
            [part.replace("{number}", f"{number}") for part in contender.command],
            env=environment,
            stdout=quiet,
            stderr=quiet,
            start_new_session=True,
        )
        for number in range(count)
    ]
    try:
        contender.put(contender.job("late"), time.time())
        wait_for("late", 1)
        time.sleep(1.0)  # until the others have started too
        yield started
    finally:
        for each in started:
            end(each)


def end(worker: psutil.Popen) -> None:
    try:
        os.killpg(worker.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    worker.wait()


def told() -> Any:  # Any: of Redis
    from benchmarks.jobs_work import told

    return told()


def length(what: str) -> int:
    found = told().get(what) if what == "count" else told().llen(what)
    return int(found or 0)


def wait_for(what: str, count: int, limit_s: float = LIMIT_S) -> bool:
    until = time.monotonic() + limit_s
    while length(what) < count:
        if time.monotonic() > until:
            return False
        time.sleep(0.002)
    return True


def measure(contender: Contender, jobs: int) -> dict[str, float]:
    """One round of everything."""
    told().flushdb()
    found: dict[str, float] = {}
    with workers(contender, 1) as [worker]:
        found["idle_percent"] = idle_percent(worker)
        found["start_ms"] = start_ms(contender)
    told().flushdb()
    with workers(contender, 2) as started:
        found["recovery_s"] = recovery_s(contender, started)
    told().flushdb()
    with workers(contender, 2):
        job = contender.job("count")
        began = time.perf_counter()
        for _ in range(jobs):
            contender.put(job)
        found["enqueued_per_second"] = jobs / (time.perf_counter() - began)
        if not wait_for("count", jobs):
            raise RuntimeError(f"{contender.name}: {length('count')} of {jobs} done")
        found["jobs_per_second"] = jobs / (time.perf_counter() - began)
    return found


def idle_percent(worker: psutil.Popen, seconds: float = 5.0) -> float:
    """Of a CPU, with all its processes."""
    time.sleep(1.0)
    before = cpu_s(worker)
    time.sleep(seconds)
    return 100 * (cpu_s(worker) - before) / seconds


def cpu_s(worker: psutil.Popen) -> float:
    processes = [worker, *worker.children(recursive=True)]
    return float(sum(sum(each.cpu_times()[:2]) for each in processes))


def start_ms(contender: Contender, count: int = 15) -> float:
    """From the call that enqueues to the begin of the body, in the median."""
    job = contender.job("late")
    told().delete("late")
    for number in range(count):
        contender.put(job, time.time())
        wait_for("late", number + 1)
        time.sleep(0.13)
    return 1000 * statistics.median(map(float, told().lrange("late", 0, -1)))


def recovery_s(
    contender: Contender, started: list[psutil.Popen], limit_s: float = 15.0
) -> float:
    """From the kill of a worker to the begin of its job by another one."""
    contender.put(contender.job("hold"), LIMIT_S)
    wait_for("begun", 1)
    pid = int(told().lindex("pids", 0))
    (victim,) = [each for each in started if pid in pids_of(each)]
    killed = time.time()
    end(victim)
    if not wait_for("begun", 2, limit_s):
        return limit_s
    return float(told().lindex("begun", 1)) - killed


def pids_of(worker: psutil.Popen) -> set[int]:
    return {worker.pid, *(each.pid for each in worker.children(recursive=True))}


@contextmanager
def contenders(names: list[str]) -> Iterator[list[Contender]]:
    """All that can be had here, with the servers that they need."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        for variable in ("BENCHMARK_REDIS", "BENCHMARK_BROKER"):
            url = stack.enter_context(redis_server())
            if url is None:
                raise SystemExit("needs redis-server, which is told what jobs do")
            os.environ[variable] = url
        made = [
            ours(OURS, "tables", f"sqlite:///{folder}/tables.db"),
            ours("DBOS, SQLite", "dbos", f"sqlite:///{folder}/dbos.db"),
            celery(
                CELERY,
                os.environ["BENCHMARK_BROKER"].replace("unix:", "redis+socket:"),
            ),
        ]
        if binaries() is not None:
            url = stack.enter_context(postgres())
            made.insert(1, ours("tables, Postgres", "tables", url))
        if rabbitmq.programs() is not None:
            broker = stack.enter_context(rabbitmq.rabbit_server()).url
            os.environ["BENCHMARK_TURNS"] = broker
            made.insert(
                2, ours("rabbitmq, SQLite", "rabbitmq", f"sqlite:///{folder}/rabbit.db")
            )
            if binaries() is not None:
                url = stack.enter_context(postgres())
                made.insert(3, ours("rabbitmq, Postgres", "rabbitmq", url))
            made.append(celery(CELERY_RABBIT, broker))
        yield [each for each in made if not names or each.name in names]


Figures = dict[str, list[dict[str, float]]]

TITLES = {
    "jobs_per_second": "jobs/s",
    "enqueued_per_second": "enqueued/s",
    "start_ms": "start, ms",
    "idle_percent": "idle, % of a CPU",
    "recovery_s": "recovery, s",
}


def table(figures: Figures) -> str:
    lines = [f"{'':20}" + "".join(f"{title:>18}" for title in TITLES.values())]
    for name, rounds in figures.items():
        cells = (
            statistics.median(each[figure] for each in rounds) for figure in TITLES
        )
        lines.append(f"{name:20}" + "".join(f"{cell:18.2f}" for cell in cells))
    return "\n".join(lines)


def bars(figures: Figures) -> str:
    """What was wanted before anything was measured, and what was found."""
    if OURS not in figures:
        return ""
    ours, theirs = figures[OURS], figures.get(CELERY, [])
    lines: list[str] = []
    for figure, (text, bar) in BARS.items():
        ratios = [a[figure] / b[figure] for a, b in zip(ours, theirs, strict=False)]
        if ratios:
            lines.append(verdict(f"{text}, to Celery", statistics.median(ratios), bar))
    for figure, (text, most) in MOST.items():
        found = statistics.median(each[figure] for each in ours)
        lines.append(verdict(text, found, most, is_least=False))
    return "\n".join(lines)


def verdict(text: str, found: float, bar: float, *, is_least: bool = True) -> str:
    is_met = found >= bar if is_least else found <= bar
    sign = ">=" if is_least else "<="
    return f"{text:52}{found:8.2f}   {sign} {bar:g}   {'met' if is_met else 'MISSED'}"


def main(arguments: list[str]) -> int:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="run.py jobs", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="CONTENDER")
    parser.add_argument("--rounds", type=int, default=5, help="5 by default")
    parser.add_argument("--jobs", type=int, default=1000, help="of a round")
    parser.add_argument("--json", help="where to write all figures")
    given = parser.parse_args(arguments)
    figures: Figures = {}
    with contenders(given.names) as all_of_them:
        for number in range(given.rounds):
            for each in all_of_them:
                figures.setdefault(each.name, []).append(measure(each, given.jobs))
            print(f"round {number + 1} of {given.rounds}", file=sys.stderr)
    print(table(figures), bars(figures), sep="\n\n")
    if given.json:
        Path(given.json).write_text(json.dumps(figures, indent=1), "utf-8")
    return 0
