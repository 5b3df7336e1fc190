"""A done callback of an executor that forks, and comes back in both processes."""

import sys
from pathlib import Path

import pytest

from tests.kit.helpers import run_script

PROGRAM = """
import os, time, warnings
from cotality.core.utils.process import IsolatedProcessPoolExecutor

def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.002)
    return "done"

warnings.simplefilter("ignore")  # from Python 3.12 on, of a fork beside threads

def fork(_):
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)

with IsolatedProcessPoolExecutor(2) as executor:
    longer = executor.submit(wait_for, "end")
    other = executor.submit(wait_for, "go")
    other.add_done_callback(fork)
    open("go", "w").close()
    other.result()
    assert executor.submit(abs, -1).result() == 1  # so the callback is over
    open("end", "w").close()
    print(longer.result())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="nothing forks there")
def test_the_child_leaves_the_workers_of_its_parent_alone(tmp_path: Path) -> None:
    """It ends, quietly: the thread that it has is none of its own."""
    assert run_script(PROGRAM, tmp_path) == "done\n"
