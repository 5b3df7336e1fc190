"""Workers are killed while they work, and every job is done.

The tests do it on a small scale; ``python -m tests.jobs.chaos`` with 600 jobs, three
workers and six kills, with each engine, on SQLite and, where there are such servers, on
PostgreSQL. Engines that are named, such as ``rabbitmq``, are the only ones.
"""

from __future__ import annotations

import platform
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import get_args

from cotality.jobs._jobs.engines.choosing import EngineName
from tests.jobs.shop import Shop
from tests.jobs.workers import WorkerProgram
from tests.kit.helpers import wait_until
from tests.kit.limits import LONG_S
from tests.kit.postgres import binaries, postgres
from tests.kit.rabbitmq import programs, rabbit_server


def chaos(
    shop: Shop, folder: Path, jobs: int, workers: int, kills: int, seconds: float
) -> None:
    """Kill workers while jobs run: each job succeeds, and is finished once."""
    handles = shop.work.enqueue_many_sync((seconds, number) for number in range(jobs))
    base = shop.jobs.base
    started = [
        WorkerProgram(
            shop.jobs.url,
            folder,
            *("--queue", "default=4"),
            engine=base.engine_name,
            broker=base.broker,
        )
        for _ in range(workers)
    ]
    choice = random.Random(f"{folder}")
    try:
        for program in started:
            program.start()
        for kill in range(kills):
            enough = (kill + 1) * jobs // (kills + 1)
            wait_until(lambda least=enough: succeeded(shop) >= least, LONG_S * 3)
            victim = choice.choice(started)
            victim.wait_until_ready()
            victim.kill()
            victim.start()
        wait_until(lambda: succeeded(shop) == jobs, LONG_S * 3)
        logs = [log.read_text("utf-8") for log in folder.glob("worker-*.log")]
    finally:
        for program in started:
            program.__exit__(None, None, None)
    assert [each.result_sync(0) for each in handles] == [*range(jobs)]
    assert not any("locked" in log for log in logs), logs
    assert not any("Traceback" in log for log in logs), logs
    finished = Counter(
        attempt.outcome for each in handles for attempt in each.attempts_sync()
    )
    assert finished["succeeded"] == jobs
    assert finished.keys() <= {"succeeded", "lost"}


def succeeded(shop: Shop) -> int:
    return sum(each.succeeded for each in shop.jobs.stats())


def main() -> None:
    """The large one, with each engine on each store."""
    names = sys.argv[1:]
    with ExitStack() as stack:
        for engine in get_args(EngineName):
            if names and engine not in names:
                continue
            broker: str | None = None
            if engine == "rabbitmq":
                if programs() is None:
                    print("rabbitmq: no programs of RabbitMQ here", flush=True)
                    continue
                broker = stack.enter_context(rabbit_server()).url
            with tempfile.TemporaryDirectory() as folder:
                run(f"sqlite:///{folder}/jobs.db", Path(folder), engine, broker)
            if binaries() is not None:
                with postgres() as url, tempfile.TemporaryDirectory() as folder:
                    run(url, Path(folder), engine, broker)


def run(url: str, folder: Path, engine: EngineName, broker: str | None) -> None:
    shop = Shop(url, engine, broker)
    start = time.monotonic()
    chaos(shop, folder, jobs=600, workers=3, kills=6, seconds=0.05)
    took = time.monotonic() - start
    handles = shop.jobs.list(limit=1000)
    runs = [len(shop.jobs.handle(info.id).attempts_sync()) for info in handles]
    print(
        f"{engine}, {url.partition(':')[0]}, Python {platform.python_version()}: "
        f"{len(runs)} of 600 "
        f"succeeded, each finished once, "
        f"{sum(count > 1 for count in runs)} begun more than once, {took:.0f} s",
        flush=True,
    )
    shop.jobs.close()


if __name__ == "__main__":
    main()
