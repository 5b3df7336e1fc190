"""What a module sets when it is imported holds in a worker from then on."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.kit.helpers import run_script
from tests.processes.test_process_state import other_locale

MODULE = """
import contextvars
import decimal

decimal.getcontext().prec = 50
level = contextvars.ContextVar("level", default=0)
level.set(7)
given = contextvars.ContextVar("given", default="nothing")

class Large:
    def __init__(self, number):
        self.items = [number] * 100_000

class Thing:
    pass

def seen(*given_things):
    return decimal.getcontext().prec, level.get()

def seen_and_given(thing):
    return (*seen(), given.get())

def change(number):
    found = seen()
    decimal.getcontext().prec = 3
    level.set(number)
    return found
"""

SCRIPT = """
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial

import setting
from cotality.core.utils.process import (
    IsolatedProcessPoolExecutor, Task, execute_tasks_in_parallel, shutdown_workers
)

def by_argument(thing):
    # The function is the script's, so what it is given has the module imported.
    import decimal
    return decimal.getcontext().prec, thing.level() if hasattr(thing, "level") else 7

def told(name, tasks, **options):
    if options.pop("isolated", False):
        with IsolatedProcessPoolExecutor(1) as executor:
            found = execute_tasks_in_parallel(tasks, executor=executor, **options)
    elif options.pop("theirs", False):
        with ProcessPoolExecutor(1) as executor:
            found = execute_tasks_in_parallel(tasks, executor=executor, **options)
    else:
        shutdown_workers()  # the module is not imported yet
        found = execute_tasks_in_parallel(tasks, 1, True, **options)
        again = execute_tasks_in_parallel(tasks, 1, True, **options)
        assert again == found, (name, again)
    print(name, *sorted(set(found)), len(found))

if __name__ == "__main__":
    numbers = range(20)
    together = [Task.of(setting.seen, n) for n in numbers]
    apart = [Task.of(setting.seen, [n]) for n in numbers]
    told("together", together)
    told("apart", apart)
    told("argument", [Task.of(by_argument, setting.Thing()) for n in numbers])
    told("large", [Task.of(by_argument, setting.Large(n)) for n in range(3)])
    told("partial", [Task.of(partial(setting.seen, n), n) for n in numbers])
    told("changing", [Task.of(setting.change, n) for n in numbers])
    told("single", apart, chunksize=1)
    told("isolated", apart, isolated=True)
    told("theirs", apart, theirs=True)
    setting.given.set("something")
    told(
        "given",
        [Task.of(setting.seen_and_given, [n]) for n in numbers],
        context=[setting.given],
    )
    shutdown_workers()
"""


def test_it_holds_for_each_task(tmp_path: Path) -> None:
    """Not for the first one alone, as long as it does not set something else."""
    (tmp_path / "setting.py").write_text(dedent(MODULE))
    printed = run_script(SCRIPT, tmp_path).splitlines()
    assert printed == [
        "together (50, 7) 20",
        "apart (50, 7) 20",
        "argument (50, 7) 20",
        "large (50, 7) 3",
        "partial (50, 7) 20",
        "changing (50, 7) 20",
        "single (50, 7) 20",
        "isolated (50, 7) 20",
        "theirs (50, 7) 20",
        "given (50, 7, 'something') 20",
    ]


IMPORTING = """
import contextvars, decimal, locale, os, random, signal, sys, warnings

given = contextvars.ContextVar("given", default="nothing")
decimal.getcontext().prec = 50
given.set("something")
locale.setlocale(locale.LC_ALL, OTHER)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
sys.setrecursionlimit(4321)
os.environ["OF_A_MODULE"] = "set"
os.umask(0o027)
warnings.filterwarnings("ignore", "of a module")
random.seed(3)

def seen():
    mask = os.umask(0)
    os.umask(mask)
    return (
        decimal.getcontext().prec,
        given.get(),
        locale.setlocale(locale.LC_ALL) == OTHER,
        signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN,
        sys.getrecursionlimit(),
        os.environ.get("OF_A_MODULE"),
        oct(mask),
        any("of a module" in str(each[1]) for each in warnings.filters),
    )
"""

IMPORTED_BY_A_TASK = """
import os, signal, sys
from cotality.core.utils.process import Task, execute_tasks_in_parallel, worker_pool

def first(number):
    os.environ["OF_A_TASK"] = "set"
    sys.setswitchinterval(0.3)
    import setting
    return setting.seen(), os.getpid()

def later(number):
    import setting
    own = os.environ.get("OF_A_TASK"), sys.getswitchinterval() == 0.3
    return (*setting.seen(), *own), os.getpid()

def missing(number):
    import no_such_module

if __name__ == "__main__":
    run = execute_tasks_in_parallel
    found = run([Task.of(first, n) for n in range(3)], 1, True)
    found += run([Task.of(later, n) for n in range(3)], 1, True)
    assert len({pid for _, pid in found}) == 1, found
    for each in sorted({str(seen) for seen, _ in found}, key=len):
        print(each)
    try:
        run([Task.of(missing, 1)], 1, True)
    except ModuleNotFoundError as error:
        frames, names = error.__traceback__, []
        while frames:
            names.append(frames.tb_frame.f_code.co_name)
            frames = frames.tb_next
        print(names[-1])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals and masks")
def test_an_import_by_a_task_counts_as_the_module(tmp_path: Path) -> None:
    """What the task sets itself is put back, and a failure shows no frame of ours."""
    text = dedent(IMPORTING).replace("OTHER", repr(other_locale()))
    (tmp_path / "setting.py").write_text(text)
    printed = run_script(IMPORTED_BY_A_TASK, tmp_path).splitlines()
    seen = "50, 'something', True, True, 4321, 'set', '0o27', True"
    assert printed == [f"({seen})", f"({seen}, None, False)", "missing"]
