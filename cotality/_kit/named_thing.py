"""What ``module:name`` stands for, as commands are given it."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from typing import Any


def thing_named(text: str, what: str, example: str) -> Any:  # Any: what a module has
    """The thing that ``module:name`` stands for; the module is imported.

    The current folder is looked in as well, as by ``python -m``.

    Args:
        text: As somebody wrote it.
        what: What it should be, for an error: ``a flow``.
        example: How one is written: ``service:flow``.

    Raises:
        ValueError: It names nothing; the text says what there is instead.
        Exception: What the module raises that is imported.
    """
    module_name, colon, path = text.partition(":")
    if not (module_name and colon and path):
        raise ValueError(
            f"{what} is given as module:name, such as {example}, got {text!r}"
            f"{meant(text)}"
        )
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # it is there, and something that it needs is not
        raise ValueError(f"{error}{where_it_was(module_name)}") from error
    for number, part in enumerate(parts := path.split(".")):
        if not hasattr(found, part):
            inside = ".".join([module_name, *parts[:number]])
            raise ValueError(f"{inside} has no {part!r}{like_it(part, found)}")
        found = getattr(found, part)
    return found


def meant(text: str) -> str:
    """What *text* may have been meant as, which has no colon."""
    module, dot, name = text.removesuffix(".py").rpartition(".")
    if not dot or text.endswith(".py") or os.sep in text:
        return ""
    return f": did you mean {module}:{name}?"


def where_it_was(module_name: str) -> str:
    """What to do where a file was meant."""
    if module_name.endswith(".py") or "/" in module_name:
        plain = module_name.removesuffix(".py").removeprefix("./").replace("/", ".")
        return f". A module is given by its name: {plain}"
    return f". It was looked for in {os.getcwd()} as well"


def like_it(name: str, thing: object) -> str:
    close = difflib.get_close_matches(name, dir(thing), n=1)
    return f": did you mean {close[0]!r}?" if close else ""
