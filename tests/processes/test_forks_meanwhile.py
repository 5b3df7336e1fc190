"""A program that forks while another thread makes its first call."""

import sys
from pathlib import Path

import pytest

from tests.kit.helpers import run_script

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing forks there")

# Nothing of a call is imported when a child makes its own, in a thread. The child forks
# in the middle of that, each time a little later.
PROGRAM = """
import logging, os, signal, threading, time, warnings
from cotality import pmap

warnings.simplefilter("ignore")  # from Python 3.12 on, of a fork beside threads

def double(number):
    return 2 * number

def call():
    assert pmap(double, range(9), workers=2, {options}) == [2 * n for n in range(9)]

def in_child(work):
    pid = os.fork()
    if pid == 0:
        signal.alarm(50)  # it must not hang
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def fork_meanwhile(pause):
    caller = threading.Thread(target=call)
    caller.start()
    time.sleep(pause)
    code = in_child(call)
    caller.join()
    call()
    assert code == 0, code

print({{in_child(lambda: fork_meanwhile(0.02 * number)) for number in range(6)}})
"""


@pytest.mark.parametrize("options", ["processes=True", "processes=False"])
def test_a_fork_during_the_first_call_of_another_thread(
    options: str, tmp_path: Path
) -> None:
    """The child can make calls: no module is half there, and locked for good."""
    assert run_script(PROGRAM.format(options=options), tmp_path) == "{0}\n"


LOCKED = """
import os, signal, threading
from multiprocessing import resource_tracker
from cotality import pmap

assert pmap(abs, [-1], processes=True) == [1]
lock = resource_tracker._resource_tracker._lock
taken, let_go = threading.Event(), threading.Event()

def hold():
    with lock:
        taken.set()
        let_go.wait()

holder = threading.Thread(target=hold)
holder.start()
taken.wait()
pid = os.fork()
if pid == 0:
    signal.alarm(50)  # it must not hang
    os._exit(0 if pmap(abs, [-1], processes=True) == [1] else 1)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
let_go.set()
holder.join()
"""


def test_a_fork_while_another_thread_starts_the_tracker(tmp_path: Path) -> None:
    """The lock of that is nobody's in the child."""
    source = f"import warnings; warnings.simplefilter('ignore')\n{LOCKED}"
    assert run_script(source, tmp_path) == "0\n"


IMPORTING = """
import importlib.abc, importlib.util, os, sys, threading

class Slow(importlib.abc.Loader, importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name == "slow" else None

    def exec_module(self, module):
        begun.set()
        go_on.wait()

from cotality.core.utils._process.machine import forks, this_process
forks.LIMIT = 1e9  # s
begun, go_on = threading.Event(), threading.Event()
sys.meta_path.insert(0, Slow())
importer = threading.Thread(target=lambda: __import__("slow"))
importer.start()
begun.wait()
pid = os.fork()
if pid == 0:
    os._exit(0)
print(os.waitpid(pid, 0)[1])
go_on.set()
importer.join()
import json, decimal  # nobody has kept the lock of imports
threading.Thread(target=lambda: __import__("fractions")).start()
"""


def test_a_fork_does_not_wait_for_imports_of_others(tmp_path: Path) -> None:
    """They may take for ever: a program may be run by an import."""
    source = f"import warnings; warnings.simplefilter('ignore')\n{IMPORTING}"
    assert run_script(source, tmp_path) == "0\n"
