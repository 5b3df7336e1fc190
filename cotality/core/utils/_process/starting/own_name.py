"""Handles a script that has the name of a module that we need.

``python html.py`` puts the folder of the script at the front of the import path. From
then on, importing `html` gets the script, executed a second time under another name,
with all the calls that it makes. We import much of the standard library only when it is
needed, in this program and in others that it starts, and what we depend on as well. So
we import the one module that the script hides first of all, ignoring the folder of the
script.

Only modules that every interpreter has loaded anyway are imported here.
"""

from __future__ import annotations

import os
import sys

# What we depend on, and import late. The front door has the same names.
NEEDED = ("cloudpickle", "tblib", "typing_extensions", "pybreaker", "rich")
PACKAGES = ("site-packages", "dist-packages")  # folders in which these are
# Nobody imports these for their contents, and one prints, and one opens a browser.
JOKES = ("this", "antigravity")


def hidden_module() -> str:
    """The module that we may need and the script hides; mostly empty.

    A process that was started by another one is told the arguments of the program.
    """
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    for path in (script, *getattr(sys, "argv", [])[:1]):
        name = os.path.basename(path).partition(".")[0] if path else ""
        if name in NEEDED:
            return name
        hidden = name in sys.stdlib_module_names and name not in JOKES
        if hidden and name not in sys.builtin_module_names:
            return name
    return ""


def path_of_imports() -> list[str]:
    """`sys.path` as texts, for another process: what else is in it, no import sees."""
    found: list[object] = list(sys.path)
    # A class that is made of a text may show itself in any way, or live in a script.
    return [str.__str__(entry) for entry in found if isinstance(entry, str)]


def path_without(name: str) -> list[str]:
    """The path of imports without the folders in which *name* is a script."""
    path = path_of_imports()
    files = [os.path.join(entry or os.curdir, f"{name}.py") for entry in path]
    standard = os.path.dirname(os.__file__)
    return [
        entry
        for entry, file in zip(path, files, strict=True)
        if os.path.dirname(file) == standard
        or os.path.basename(os.path.dirname(file)) in PACKAGES
        or not os.path.isfile(file)
    ]


def import_hidden_module() -> None:
    """Import what the script hides, unless it is there, or was found to be the script.

    Another thread that imports something at this very moment does not find what is in
    the folder of the script. That is once in a program, and before there are any.
    """
    name = hidden_module()
    if not name or name in sys.modules:
        return
    path = sys.path[:]
    sys.path[:] = path_without(name)
    try:
        __import__(name)
    except ImportError:
        pass  # not on this platform: then nobody needs it
    finally:
        sys.path[:] = path
