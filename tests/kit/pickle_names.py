"""What pickles name of this package. Programs import it, so it imports little."""

from __future__ import annotations

import pickletools
from contextvars import ContextVar
from typing import Any

PLACED: ContextVar[int] = ContextVar("PLACED")


def names_in(data: bytes) -> set[tuple[str, str]]:
    """What the pickle *data*, and pickles among its bytes, name of this package."""
    found: set[tuple[str, str]] = set()
    memo: list[Any] = []
    last: list[Any] = []  # the texts before, of which a name is made
    for code, given, _ in pickletools.genops(data):
        if code.name == "GLOBAL":
            module, _, name = str(given).partition(" ")
            found.add((module, name))
        elif code.name == "STACK_GLOBAL":
            found.add((last[-2], last[-1]))
        elif "BINUNICODE" in code.name:
            last.append(given)
        elif code.name == "MEMOIZE":
            memo.append(last[-1] if last else None)
        elif code.name in ("BINGET", "LONG_BINGET"):
            last.append(memo[given])
        elif "BYTES" in code.name or "BYTEARRAY" in code.name:
            found |= names_in_bytes(bytes(given))
        if code.name in ("STACK_GLOBAL", "REDUCE", "NEWOBJ"):
            last.append(None)
    return {each for each in found if each[0].partition(".")[0] == "cotality"}


def names_in_bytes(data: bytes) -> set[tuple[str, str]]:
    """The same, of bytes that need not be a pickle."""
    try:
        return names_in(data)
    except (ValueError, IndexError):
        return set()


def names_in_file(data: bytes) -> set[tuple[str, str]]:
    """The names in pickles that follow one another."""
    found: set[tuple[str, str]] = set()
    for part in data.split(b"\x80\x05"):
        found |= names_in_bytes(b"\x80\x05" + part)
    return found
