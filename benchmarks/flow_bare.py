"""What two processes do that do nothing but the work: the measure of a moment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CODE = """
import sys
from time import perf_counter
from benchmarks.flow_work import burn
loops, seconds = int(sys.argv[1]), float(sys.argv[2])
burn(loops)
print("!", flush=True)
sys.stdin.readline()
count, began = 0, perf_counter()
while perf_counter() < began + seconds:
    burn(loops)
    count += 1
print(count / (perf_counter() - began))
"""


def two_processes(loops: int, seconds: float) -> float:
    """How often both together do it in a second."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", CODE, str(loops), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        for _ in range(2)
    ]
    for each in both:
        assert each.stdout is not None
        each.stdout.readline()
    for each in both:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    return sum(float(each.communicate()[0]) for each in both)
