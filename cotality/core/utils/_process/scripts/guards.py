"""Whether a script has a main guard: ``if __name__ == "__main__":``."""

from __future__ import annotations

import ast
import functools

from cotality._kit.struck import is_of_a_signal

from .places import SCRIPT


@functools.lru_cache(maxsize=16)
def has_guard(path: str, changed: int) -> bool:
    """Whether the script at *path*, which was *changed* then, has one."""
    try:
        with open(path, "rb") as file:
            module = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError) as raised:
        if is_of_a_signal(raised):
            raise
        return False
    return any(
        isinstance(statement, ast.If) and is_guard(statement.test)
        for statement in module.body
    )


def is_guard(test: ast.expr) -> bool:
    """Whether it compares ``__name__`` with ``"__main__"``."""
    if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], ast.Eq):
        return False
    sides = [test.left, *test.comparators]
    names = [side.id for side in sides if isinstance(side, ast.Name)]
    texts = [side.value for side in sides if isinstance(side, ast.Constant)]
    return names == ["__name__"] and texts == [SCRIPT]
