"""The last resort for a definition that cannot be pickled: run the script again.

A model of a database, a lock or a connection pool cannot be sent. If the script is a
file with a main guard, a worker runs the code outside the guard, once, as the workers
of `multiprocessing` do. It takes from there what could not be sent. Functions there
have the same globals as all other functions of the script.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping
from typing import Any

from .places import Home

is_running = False  # whether this process runs a script again right now


def can_be_run(home: Home) -> bool:
    """Whether the script can be run again without doing its work again."""
    path = home.names.get("__file__")
    if not isinstance(path, str) or not os.path.isfile(path):
        return False
    from .guards import has_guard  # which takes 3 ms, and few scripts come to this

    return has_guard(path, os.stat(path).st_mtime_ns)


def run_again(home: Home, path: str) -> set[str]:
    """Run the script at *path*; the names that it has bound in *home*.

    What *home* has already stays.

    Raises:
        Exception: What the script raised.
    """
    global is_running
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    before = dict(home.names)
    is_running = True
    try:
        exec(code, home.names, Through(home.names))
    finally:
        is_running = False
        # What a function declares as global is bound past the view.
        home.names.update(before)
    return home.names.keys() - before.keys()


class Through(MutableMapping[str, Any]):  # Any: globals of any kind
    """What a script binds while it is run again: new names, and no others.

    It is told another name than ``__main__``, so that its guard holds.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self.kept = set(names)

    def __getitem__(self, name: str) -> Any:
        if name == "__name__":
            return "__mp_main__"
        raise KeyError(name)  # then it is looked for in the globals

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in self.kept:
            self.names[name] = value

    def __delitem__(self, name: str) -> None:
        if name not in self.kept:
            del self.names[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def check_not_running() -> None:
    """Refuse to start a process while the script is run again: it would do so too."""
    if is_running:
        raise RuntimeError(
            "this script starts processes outside of its main guard, so it cannot be "
            "run again in a worker for what cannot be pickled. Put the calls under "
            'if __name__ == "__main__":'
        )
