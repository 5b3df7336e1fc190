"""The identity of functions and classes of a script, the same in every process.

A class that a notebook has redefined has the same name as the new one, so a name does
not tell which of them is meant. A token does. The process that first sends a function
or class gives it a token, and every process that receives it remembers the token. So
what comes back is the very object that was sent, or nothing, and never another one of
the same name.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from cotality.core.utils._process.machine.this_process import after_fork


class Tokens:
    """The tokens of the objects that are alive in this process."""

    def __init__(self) -> None:
        self.by_id: dict[int, str] = {}
        self.made_here: set[str] = set()  # of these others may have forgotten the thing
        # What has no weak references is kept for good.
        self.by_token: dict[str, Callable[[], Any]] = {}  # Any: anybody's object

    def of(self, thing: object) -> str | None:
        token = self.by_id.get(id(thing))
        # An exception may have struck what forgets it. Then it is that of a thing which
        # is gone, and was at this place before.
        return None if token is None or self.get(token) is None else token

    def received(self, thing: object) -> str | None:
        """The token of *thing* if it has come from another process."""
        token = self.of(thing)
        return None if token in self.made_here else token

    def given_to(self, thing: object) -> str:
        """The token of *thing*, a new one if it has none."""
        token = self.of(thing)
        return self.new_one(thing) if token is None else token

    def new_one(self, thing: object) -> str:
        with giving:
            token = self.of(thing)
            if token is not None:
                return token  # from another thread, meanwhile
            token = os.urandom(12).hex()
            self.made_here.add(token)
            self.set(token, thing)
        return token

    def set(self, token: str, thing: object) -> None:
        key = id(thing)

        def forget(_: object) -> None:
            if self.by_id.get(key) == token:
                del self.by_id[key]
            if self.by_token.get(token) is reference:
                del self.by_token[token]
                self.made_here.discard(token)

        reference: Callable[[], Any]  # Any: as above
        try:
            reference = weakref.ref(thing, forget)
        except TypeError:
            reference = partial(itself, thing)

        self.by_token[token] = reference
        self.by_id[key] = token

    def get(self, token: str) -> Any:  # Any: as above
        """What has *token*; None if it is gone, or never was here."""
        reference = self.by_token.get(token)
        return None if reference is None else reference()


def itself(thing: object) -> object:
    return thing


giving = threading.RLock()  # a destructor may come in between
tokens = Tokens()


def forget_who_made_them() -> None:
    """In a forked child: what it has, it has from its parent."""
    global giving
    giving = threading.RLock()  # a destructor may come in between
    tokens.made_here = set()


after_fork(forget_who_made_them)
