"""A call while another thread is in the middle of an import.

The module stands in `sys.modules` then and has nothing in it yet. Who looks for it
there must not take it for one that can be used.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.helpers import run_script

# One thread is held up inside of the import of a module until the calls in the main
# thread are done, or until one of them waits for the same import.
PROGRAM = """
import importlib, sys, threading
from importlib import util

NAME = {name!r}


class HeldUp:
    \"\"\"Finds one module, and lets nothing happen in it for a while.\"\"\"

    def find_spec(self, name, path, target=None):
        if name != NAME:
            return None
        sys.meta_path.remove(self)
        spec = util.find_spec(name)
        self.loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        under_way.set()
        calls_are_done.wait(0.2)
        self.loader.exec_module(module)


def square(number):
    return number * number


def main():
    from cotality.core.utils.process import Task, execute_tasks_in_parallel
    from cotality.tuning import execute

    if {is_warm}:
        tasks = [Task.of(square, number) for number in range(3)]
        execute_tasks_in_parallel(tasks, 2, use_processes=True)
    assert NAME not in sys.modules, "another module has imported it before"
    sys.meta_path.insert(0, HeldUp())
    importing = threading.Thread(target=importlib.import_module, args=[NAME])
    importing.start()
    assert under_way.wait(20)
    print(execute(square, range(3)))
    for where in (False, True, "auto"):
        for workers in (None, 2):
            tasks = [Task.of(square, number) for number in range(3)]
            print(execute_tasks_in_parallel(tasks, workers, use_processes=where))
    calls_are_done.set()
    importing.join()


if __name__ == "__main__":
    under_way, calls_are_done = threading.Event(), threading.Event()
    main()
"""

PRIVATE = "cotality.core.utils._process"


@pytest.mark.one_python
@pytest.mark.parametrize(
    ("name", "is_warm"),
    [
        ("logging", False),
        ("decimal", False),
        ("random", False),
        ("numpy", True),
        ("django.test.testcases", False),
        (f"{PRIVATE}.progress.display_rich", False),
        (f"{PRIVATE}.workers.lending.enclosures", False),
        (f"{PRIVATE}.workers.lending.warm_pools", False),
        (f"{PRIVATE}.workers.watching.watcher", False),
        (f"{PRIVATE}.packing.share", False),
        (f"{PRIVATE}.packing.worker_state", False),
        (f"{PRIVATE}.starting.fork_server.current", False),
    ],
)
def test_calls_while_another_thread_imports(
    tmp_path: Path, name: str, is_warm: bool
) -> None:
    """Each call has its results, whether it needs that module or not."""
    source = PROGRAM.format(name=name, is_warm=is_warm)

    assert run_script(source, tmp_path) == "[0, 1, 4]\n" * 7
