"""Dead letters as text for people."""

from __future__ import annotations

import json
from collections.abc import Sequence

from cotality._kit import units
from cotality._kit.safe_text import printable

from .letter import DeadLetter

SHOWN_ERROR = 100  # characters


def one_line(letter: DeadLetter) -> str:
    """Key, when and how often, the error and the call."""
    message = " ".join(letter.message.split())
    shown = ": ".join(filter(None, (letter.error, message)))[:SHOWN_ERROR]
    often = f", {letter.times} times" if letter.times > 1 else ""
    return (
        f"{printable(letter.key)}  {units.moment(letter.failed_at)}{often}  "
        f"{printable(shown)}  {printable(letter.call)}"
    )


def in_full(letter: DeadLetter) -> str:
    rows = [
        ("key", letter.key),
        ("call", letter.call),
        *((f"  {name}", value) for name, value in letter.arguments.items()),
        (
            "failed",
            f"{units.moment(letter.failed_at)}, {units.number(letter.times, 'time')}",
        ),
        ("at first", units.moment(letter.first_failed_at)),
        ("attempts", str(letter.attempts)),
        ("retried", units.number(letter.retries, "time")),
        ("worker", letter.worker or "none"),
        ("Python", letter.python),
        *((f"about {name}", said(value)) for name, value in letter.metadata.items()),
    ]
    if letter.unpicklable:
        rows.append(("not kept", f"it cannot be run again: {letter.unpicklable}"))
    if letter.needs_function:
        rows.append(("function", "not known: give it to the queue, retry(function)"))
    width = max(len(name) for name, _ in rows)
    table = "\n".join(printable(f"{name:<{width}}  {value}") for name, value in rows)
    error = letter.traceback.rstrip() or letter.message
    return f"{table}\n\n{printable(error, lines=True)}"


def said(value: object) -> str:
    """*value*, which JSON can hold, on one line."""
    return value if isinstance(value, str) else json.dumps(value)


def as_json(letters: Sequence[DeadLetter]) -> str:
    """All but the pickled tasks."""
    shown = [letter.fields() for letter in letters]
    for fields in shown:
        del fields["packed"], fields["digest"]
    return json.dumps(shown, indent=2)
