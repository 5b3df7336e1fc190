"""Programs that keep CPUs busy beside what is measured."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def busy_programs(count: int) -> Iterator[None]:
    """So many that keep a CPU busy each, as long as the ``with`` lasts."""
    # They end by themselves when nobody is left to end them.
    source = (
        "import os\nparent = os.getppid()\nprint(flush=True)\n"
        "while os.getppid() == parent: pass"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE)
        for _ in range(count)
    ]
    try:
        for other in others:
            assert other.stdout is not None
            other.stdout.readline()
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()
            assert other.stdout is not None
            other.stdout.close()
