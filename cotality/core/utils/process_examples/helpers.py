"""Questions that can be answered before any work is done."""

from __future__ import annotations

import threading

from cotality.core.utils.process import (
    explain_unpicklable,
    is_picklable,
    should_use_processes,
)

from .output import say


class Settings:
    """Something with a lock in it, which no other process can use."""

    lock: threading.Lock

    def __init__(self) -> None:
        self.name = "settings"
        self.lock = threading.Lock()


def helpers(scale: float) -> None:  # there is nothing to scale
    """Ask whether work suits threads or processes, and what can travel.

    Two questions can be answered before any work is done, and a third function
    tells what is in the way and where. The standard pickle is for comparison.

        should_use_processes(kind)
        is_picklable(thing)
        explain_unpicklable(thing)
    """
    say(f"{'work':22} better on")
    for kind in ("cpu-bound", "calculation", "network", "database", "mixed"):
        advice = "processes" if should_use_processes(kind) else "threads"
        say(f"{kind!r:22} {advice}")
    say(f"\n   {'thing':22} travels  pickle  what is in the way", indent=0)
    things: list[tuple[str, object]] = [
        ("a list", [1, 2, 3]),
        ("a lambda", lambda: 42),
        ("a generator", (number for number in range(3))),
        ("{'config': Settings()}", {"config": Settings()}),
    ]
    for name, thing in things:
        goes, by_pickle = is_picklable(thing), is_picklable(thing, plain=True)
        why = explain_unpicklable(thing) or ""
        say(f"{name:22} {yes_no(goes):8} {yes_no(by_pickle):7} {why}".rstrip())


def yes_no(answer: bool) -> str:
    """For a column of answers."""
    return "yes" if answer else "no"
