"""Workers of tests: programs of their own, which are no children of the tests.

A row of tests may so share one, whose processes come and go meanwhile.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import psutil
import pytest

from tests.kit.helpers import environment_of_scripts, wait_until
from tests.kit.limits import GONE_S, LONG_S, POLL_S

TARGET = "tests.jobs.shop:jobs"


@contextmanager
def hung_up_as_usual() -> Iterator[None]:
    """What starts in the ``with`` ends with its terminal, also if the tests do not.

    Whoever starts them with nohup makes all that they start ignore the signal.
    """
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


class WorkerProgram:
    """``python -m cotality.jobs worker``; used as a context manager."""

    def __init__(
        self,
        url: str,
        folder: Path,
        *options: str,
        target: str = TARGET,
        engine: str = "tables",
        broker: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.variables = {"COTALITY_JOBS_URL": url, "ENGINE_OF_TESTS": engine}
        if broker is not None:
            self.variables["BROKER_OF_TESTS"] = broker
        self.variables |= variables or {}
        self.url, self.folder, self.options, self.target = url, folder, options, target
        self.process: psutil.Process | None = None

    def __enter__(self) -> WorkerProgram:
        if sys.platform == "win32":
            pytest.skip("the workers of tests are started by a shell")
        self.start()
        try:
            self.wait_until_ready()
        except BaseException:
            # It would go on, with whatever stands at the place of its store later on.
            self.__exit__(None, None, None)
            raise
        return self

    def start(self) -> None:
        self.log = self.folder / f"worker-{time.monotonic_ns()}.log"
        command = [
            sys.executable,
            "-W",
            "error::ResourceWarning",
            "-m",
            "cotality.jobs",
        ]
        command += ["worker", self.target, *self.options]
        line = f"exec {shlex.join(command)} > {shlex.quote(f'{self.log}')} 2>&1"
        with hung_up_as_usual():
            started = subprocess.run(
                ["sh", "-c", f"({line}) & echo $!"],
                env={**environment_of_scripts(), **self.variables},
                cwd=self.folder,
                capture_output=True,
                text=True,
                check=True,
            )
        self.process = psutil.Process(int(started.stdout))

    @property
    def output(self) -> str:
        return self.log.read_text("utf-8")

    def wait_until_ready(self) -> None:
        wait_until(lambda: " serves " in self.output or not self.is_alive)
        assert self.is_alive, self.output

    @property
    def id(self) -> str:
        found = re.search(r"worker (\w+) in slot", self.output)
        assert found is not None
        return found[1]

    @property
    def is_alive(self) -> bool:
        assert self.process is not None
        try:
            return bool(self.process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """As by a person, or for want of memory."""
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def stop(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        self.wait()

    def wait(self) -> None:
        end = time.monotonic() + LONG_S
        while self.is_alive:
            assert time.monotonic() < end, self.output
            time.sleep(POLL_S)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        if self.process is None:
            return
        try:
            below = self.process.children(recursive=True)
        except psutil.NoSuchProcess:
            below = []
        if self.is_alive:
            self.kill()
        psutil.wait_procs(below, GONE_S)  # they end with it


def times_in(folder: Path) -> list[float]:
    """When the jobs that note it have begun."""
    return [float(line.split()[0]) for line in notes_in(folder)]


def notes_in(folder: Path) -> list[str]:
    file = folder / "notes"
    return file.read_text("utf-8").splitlines() if file.exists() else []
