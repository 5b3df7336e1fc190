"""The configuration of gunicorn for the services that are measured."""

from __future__ import annotations

import os
import signal
from typing import Any

KIND = os.environ["FLOW_BENCH"]

bind = os.environ["FLOW_BENCH_BIND"]
workers = 2
worker_class = "asgi" if KIND == "dirty" else "uvicorn_worker.UvicornWorker"
wsgi_app = "benchmarks.flow_service:app"

if KIND == "dirty":
    dirty_apps = ["benchmarks.flow_service:Same"]
    dirty_workers = 1
elif KIND == "ours":
    from cotality.flow.gunicorn import hooks

    on_starting, on_exit = hooks(
        "benchmarks.flow_service:flow",
        os.environ["FLOW_BENCH_FOLDER"] + "/own/s",
    )
elif KIND == "sockets":
    preload_app = True
    started: list[Any] = []

    def on_starting(server: Any) -> None:
        from benchmarks.flow_contenders import aqueduct_flow
        from benchmarks.flow_service import sockets
        from benchmarks.flow_work import same

        flow, _ = aqueduct_flow(same, 1, 32)
        started.append(sockets.preload(flow))

    def on_exit(server: Any) -> None:
        for context in started:
            for process in context.processes:
                os.kill(process.pid, signal.SIGKILL)
