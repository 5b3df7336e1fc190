"""A program that has a desk, as a web process has one; tests kill it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from cotality.web import Desk, Settings
from tests.kit.helpers import environment_of_scripts, wait_until
from tests.kit.limits import LONG_S

OPEN = "the desk is open\n"


async def serve() -> None:
    """Until SIGTERM, as a server does."""
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    desk = Desk(Settings())
    await desk.open()
    print(OPEN, end="", flush=True)
    await ending.wait()
    await desk.close()


class WebProgram:
    """It runs meanwhile; used as a context manager."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self.folder, self.variables = folder, variables

    def __enter__(self) -> WebProgram:
        self.log = (self.folder / f"web-{os.urandom(4).hex()}.log").open("w+b")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.web.web_program"],
            env={**environment_of_scripts(), **self.variables},
            cwd=self.folder,
            stdout=self.log,
            stderr=self.log,
        )
        wait_until(lambda: OPEN in self.output or self.process.poll() is not None)
        assert self.process.poll() is None, self.output
        return self

    @property
    def output(self) -> str:
        return Path(self.log.name).read_text("utf-8")

    def kill(self) -> None:
        """As by a person, or for want of memory."""
        self.process.kill()
        self.process.wait(LONG_S)

    def stop(self) -> int:
        """As a server is stopped; its exit code."""
        self.process.terminate()
        return self.process.wait(LONG_S)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.stop()
        self.log.close()


if __name__ == "__main__":
    asyncio.run(serve())
