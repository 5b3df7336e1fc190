"""The jobs of the benchmark on the package; its workers import this."""

from __future__ import annotations

import os
from typing import Any

from benchmarks import jobs_work as work
from cotality.jobs import Jobs

engine: Any = os.environ["BENCHMARK_ENGINE"]  # Any: its name
broker = os.environ.get("BENCHMARK_TURNS") if engine == "rabbitmq" else None
jobs = Jobs(os.environ["BENCHMARK_URL"], engine=engine, broker=broker)
mark = jobs.job(queue="one", runs_on="threads")
count, late, hold = mark(work.count), mark(work.late), mark(work.hold)
