"""What a script defines and a task returns is the script's own."""

from __future__ import annotations

from pathlib import Path

from tests.kit.helpers import run_script

SCRIPT = """
import functools
from cotality.core.utils.process import Task, execute_tasks_in_parallel

def helper(x): return x
class Kind:
    def method(self): return 1
    @staticmethod
    def static(): return 2
@functools.lru_cache
def cached(): return 1
def marked(function):
    @functools.wraps(function)
    def wrapper(): return function()
    return wrapper
@marked
def wrapped(): return 3
unnamed = lambda: 1

def itself(): return itself
def give(): return [helper, Kind, Kind.method, Kind.static, cached, wrapped, unnamed]
def give_deep(): return {"a": [(helper, Kind), functools.partial(helper, 1)]}
def echo(thing): return thing

run = functools.partial(execute_tasks_in_parallel, max_workers=2, use_processes=True)
for _ in range(2):  # also by workers that know the script already
    same, given, deep, one = run([
        Task(itself), Task(give), Task(give_deep), Task(echo, positional=(helper,))
    ])
    print(same is itself, [a is b for a, b in zip(given, give(), strict=True)])
    (function, kind), partial = deep["a"]
    print(function is helper, kind is Kind, partial.func is helper)
    print(one is helper)
"""


def test_a_function_that_a_task_returns_is_the_one_of_the_script(
    tmp_path: Path,
) -> None:
    """Not a copy of it: also a class, a method, a cache, and deep in a result."""
    printed = run_script(SCRIPT, tmp_path)

    assert "False" not in printed
    assert printed.count("True") == 2 * (1 + 7 + 3 + 1)
