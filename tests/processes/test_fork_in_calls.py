"""A program that forks in the middle of a call, which goes on in the parent alone."""

import sys
from pathlib import Path

import pytest

from tests.kit.helpers import run_script

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing forks there")

HEAD = """
import gc, os, signal, sys, warnings
from pathlib import Path
from cotality.core.utils.process import *

warnings.simplefilter("ignore")  # from Python 3.12 on, of a fork beside threads
WAYS = {
    "threads": {"max_workers": 2},
    "processes": {"max_workers": 2, "use_processes": True},
    "inline": {"inline": True},
}

def work(n):
    fd = os.open(f"ran {n}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(fd, b"x")
    os.close(fd)
    return n * n

def wait_for_child(pid):
    _, status = os.waitpid(pid, 0)
    print("child", os.waitstatus_to_exitcode(status), Path("child").read_text())

def end_child(text):
    Path("child").write_text(text)
    os._exit(0)

def forked():
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)  # it must not hang
    return pid

def ran_once(count):
    return all(Path(f"ran {n}").read_bytes() == b"x" for n in range(count))
"""

STREAM = """
stream = execute_tasks_in_parallel_streaming(
    [Task.of(work, n) for n in range(100)], journal=Journal("kept"), chunksize=1,
    **WAYS["{way}"]
)
begun = [next(stream) for _ in range(3)]
pid = forked()
if pid == 0:
    try:
        {then}
        end_child("done")
    except RuntimeError as error:
        end_child("refused" if "belongs to process" in str(error) else str(error))
wait_for_child(pid)
print([value for _, value in begun + list(stream)] == [n * n for n in range(100)])
again = execute_tasks_in_parallel(
    [Task.of(work, n) for n in range(100)], journal=Journal("kept"), resume=True
)
print(again == [n * n for n in range(100)], ran_once(100))
"""


@pytest.mark.parametrize("way", ["threads", "processes", "inline"])
@pytest.mark.parametrize(
    ("then", "end"),
    [
        ("list(stream)", "refused"),
        ("stream.close()", "done"),
        ("del stream; gc.collect()", "done"),
    ],
    ids=["goes on", "closes it", "drops it"],
)
def test_a_stream_in_a_forked_child(
    way: str, then: str, end: str, tmp_path: Path
) -> None:
    """It neither hangs nor runs anything, and the journal is the parent's."""
    source = HEAD + STREAM.replace("{way}", way).replace("{then}", then)
    assert run_script(source, tmp_path) == f"child 0 {end}\nTrue\nTrue True\n"


INPUT = """
def tasks():
    for n in range(100):
        if n == 50 and (pid := forked()):
            wait_for_child(pid)
        yield Task.of(work, n)

parent = os.getpid()
try:
    found = execute_tasks_in_parallel(tasks(), chunksize=1, **WAYS["{way}"])
except (RuntimeError, WorkerStartError) as error:
    end_child("refused" if os.getpid() != parent else str(error))
print(found == [n * n for n in range(100)])
"""


@pytest.mark.parametrize("way", ["threads", "processes"])
def test_an_input_that_forks(way: str, tmp_path: Path) -> None:
    """The child is told that the call is not its own."""
    source = HEAD + INPUT.replace("{way}", way)
    assert run_script(source, tmp_path) == "child 0 refused\nTrue\n"


TASK = """
def fork(n):
    if n != 7:
        return work(n)
    pid = forked()
    if pid:
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status)
    return "in the child"

tasks = [Task.of(fork, n) for n in range(100)]
found = execute_tasks_in_parallel(tasks, 2, {use_processes})
print(found[7], found[8:] == [n * n for n in range(8, 100)])
print(all(Path(f"ran {n}").read_bytes() == b"x" for n in range(100) if n != 7))
"""


@pytest.mark.parametrize("use_processes", [False, True], ids=["threads", "processes"])
def test_a_task_that_comes_back_in_both_processes(
    use_processes: bool, tmp_path: Path
) -> None:
    """The child ends then: no task runs in it a second time, and nothing is left."""
    source = HEAD + TASK.replace("{use_processes}", repr(use_processes))
    assert run_script(source, tmp_path) == "0 True\nTrue\n"
