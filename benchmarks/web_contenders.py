"""Services for the same heavy work, each a program of its own on this machine."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from cotality.web._web.parts.filling import prepare

ROOT = Path(__file__).parents[1]
START_LIMIT_S = 60.0
STOP_LIMIT_S = 15.0
ANSWER_LIMIT_S = 180.0

# Each item by whatever process is free, and each request by one process.
OURS, ONE_BY_ONE = "cotality.web, multiprocessing", "cotality.web, sequential"
ROUTES = {OURS: "multiprocessing", ONE_BY_ONE: "sequential"}
PLAIN = {
    "work in async def": "async",
    "plain def route": "def",
    "run_in_executor, ProcessPoolExecutor": "pool",
    "BackgroundTasks": "background",
}
NAMES = [*PLAIN, *ROUTES]
TASKS = "/api/v1/tasks"
# Nothing is simulated: all that is left needs a CPU.
QUICK = {"simulate_db_delay": False, "simulate_redis_delay": False}


class Contender:
    """A service that runs between `start` and `stop`, with one process for requests.

    Attributes:
        is_later: Whether it answers before the work is done.
        process: The server; its workers are below it.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.kind = PLAIN.get(name)
        self.is_later = self.kind == "background"
        self.port = free_port()
        self.process: psutil.Popen | None = None
        self.started: list[psutil.Process] = []
        self.log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with us
        self.ping_path = "/ping" if self.kind else "/health/live"

    def start(self) -> None:
        """Return when it answers, and has done some work."""
        self.process = psutil.Popen(
            [sys.executable, "-m", *self.command()],
            env={**os.environ, **self.variables(), "PYTHONPATH": path()},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        end = time.monotonic() + START_LIMIT_S
        while not self.is_up():
            if self.process.poll() is not None or time.monotonic() > end:
                self.log.seek(0)
                text = self.log.read().decode(errors="replace")[-2000:].strip()
                if self.process.poll() is None:
                    self.process.kill()
                    self.process.wait()
                raise RuntimeError(f"{self.name} does not start: {text}")
            time.sleep(0.05)

    def starts(self) -> bool:
        """Whether it does."""
        try:
            self.start()
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return False
        return True

    def command(self) -> list[str]:
        where = ["--host", "127.0.0.1", "--port", f"{self.port}"]
        if self.kind is None:
            return ["cotality.web", *where]
        quiet = ["--log-level", "error"]
        return ["uvicorn", "benchmarks.web_plain:app", *where, *quiet]

    def variables(self) -> dict[str, str]:
        database = f"sqlite:///{self.folder / 'measurements.db'}"
        if self.kind is not None:
            prepare(database)
            return {"WEB_BENCH": self.kind, "WEB_BENCH_DATABASE": database}
        return {
            "COTALITY_WEB_STATE_DIR": f"{self.folder / 'state'}",
            "COTALITY_WEB_DB_URL": database,
            # So that all of the requests are waited for, as by the others.
            "COTALITY_WEB_SYNC_LIMIT_S": f"{ANSWER_LIMIT_S}",
            "COTALITY_WEB_RATE_PER_MINUTE": "1000000",
        }

    def is_up(self) -> bool:
        path = self.ping_path if self.kind else "/health/ready"
        try:
            return self.ask("GET", path, limit_s=5.0)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        limit_s: float = ANSWER_LIMIT_S,
    ) -> tuple[int, Any]:  # Any: JSON
        """The status and the JSON of an answer, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=limit_s)
        try:
            data = None if body is None else json.dumps(body)
            kind = {} if data is None else {"Content-Type": "application/json"}
            connection.request(method, path, data, kind)
            answer = connection.getresponse()
            text = answer.read()
            is_json = "json" in (answer.getheader("Content-Type") or "")
            return answer.status, json.loads(text) if is_json else None
        finally:
            connection.close()

    def work(self, items: int, limit_s: float = ANSWER_LIMIT_S) -> bool:
        """Ask for so many items; whether the answer is that all of them are done.

        Where it answers before that: whether the work was accepted.
        """
        try:
            if self.kind is not None:
                path = f"/work?items={items}"
                return self.ask("POST", path, limit_s=limit_s)[0] in (200, 202)
            config = {"items_count": items, "workers": WORKERS, **QUICK}
            status, told = self.ask("POST", self.work_path, config, limit_s)
            return status == 200 and not told["items_failed"]
        except (OSError, http.client.HTTPException, ValueError):
            return False

    @property
    def work_path(self) -> str:
        return f"{TASKS}/{ROUTES[self.name]}"

    def results_there(self) -> int:
        """How many tasks are over whose results can be had from the service."""
        if self.kind is not None:
            return int(self.ask("GET", self.ping_path)[1]["done"])
        path = f"{TASKS}/results?status=completed&limit=1000"
        return len(self.ask("GET", path)[1]["items"])

    def below(self) -> list[psutil.Process]:
        """All processes that it has started, and those that these have."""
        assert self.process is not None
        try:
            found = self.process.children(recursive=True)
        except psutil.NoSuchProcess:
            found = []
        self.started += [each for each in found if each not in self.started]
        return found

    def cpu_s(self) -> float:
        """Seconds of a CPU that its processes have used which are there now."""
        assert self.process is not None
        return sum(map(cpu_s, [self.process, *self.below()]))

    def busiest(self) -> psutil.Process:
        """The process that computes most just now."""
        assert self.process is not None
        everybody = [self.process, *self.below()]
        before = {each.pid: cpu_s(each) for each in everybody}
        time.sleep(0.3)
        return max(everybody, key=lambda each: cpu_s(each) - before[each.pid])

    def kill(self) -> None:
        """As by a person: SIGKILL to the server, and to nothing else."""
        assert self.process is not None
        self.below()
        self.process.kill()
        self.process.wait()

    def left(self) -> list[psutil.Process]:
        """Of all processes that it has ever started, those that are still there."""
        return [each for each in self.started if is_there(each)]

    def stop(self) -> None:
        """End it, and whatever it has left behind."""
        if self.process is None:
            return
        self.below()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        psutil.wait_procs(self.started, 5.0)
        for each in self.left():
            each.kill()
        self.log.close()


WORKERS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2


def cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def is_there(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port


def path() -> str:
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
