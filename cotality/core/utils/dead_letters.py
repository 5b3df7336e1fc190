"""Tasks that failed for good: ``python -m cotality.core.utils.dead_letters``.

* ``list FILE``: a line for each, the oldest first;
* ``show FILE KEY``: all that is known of one, with its traceback;
* ``retry FILE [KEY ...]``: run them again; what succeeds leaves the file;
* ``purge FILE [KEY ...]``: take them out, or ``--all``, or those ``--older-than`` so
  many days;
* ``debug FILE KEY``: run one in this process and show what it raises; with ``--pdb``
  under the debugger, from its first line to its exception.

The beginning of a key will do where it fits one letter only. Tasks are unpickled to be
run, which can run any code: use files that only you can write to.

Ends with 0 if all went well, 1 if a task has failed again, and 2 for what cannot be
done.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cotality._kit.safe_text import (
    class_and_text,
    on_one_line,
    printable,
    said_by_system,
    shortened,
)

from ._process.call.replay import chosen, replayed
from ._process.call.replay import replay as replay
from ._process.durable.dead_letters.as_text import as_json, in_full, one_line
from ._process.durable.dead_letters.dead_letters import DeadLetters as DeadLetters
from ._process.durable.dead_letters.letter import DeadLetter as DeadLetter
from ._process.durable.files.errors import DeadLetterError as DeadLetterError
from ._process.durable.files.errors import JournalError as JournalError
from ._process.tasks.outcome import Outcome

__all__ = [
    "DeadLetter",
    "DeadLetterError",
    "DeadLetters",
    "JournalError",
    "main",
    "replay",
]

DAY = 86_400  # s
SHOWN_ERROR = 100  # characters
SHOWN_VALUE = 500


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked for; the exit code."""
    given = parser().parse_args(arguments)
    do: Callable[[argparse.Namespace], int] = given.do
    try:
        given.file.stat()  # not to be taken for one without letters
        return do(given)
    except OSError as error:
        print(said_by_system(error), file=sys.stderr)
        return 2
    except (JournalError, NotOneLetterError) as error:
        print(printable(str(error), lines=True), file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cotality.core.utils.dead_letters",
        description="Look after tasks that have failed for good.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, do: Any, text: str, keys: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(do=do)
        added.add_argument("file", type=Path, metavar="FILE")
        if keys == "one":
            added.add_argument("key", metavar="KEY")
        elif keys == "any":
            added.add_argument("keys", nargs="*", metavar="KEY")
        return added

    command("list", list_them, "print a line for each", "none").add_argument(
        "--json", action="store_true", help="print JSON, with all that is known"
    )
    command("show", show, "print all that is known of one", "one")
    again = command("retry", retry, "run them again, all by default", "any")
    again.add_argument(
        "--processes", action="store_true", help="in processes instead of threads"
    )
    again.add_argument(
        "--workers", type=int, metavar="N", help="how many run at a time"
    )
    out = command("purge", purge, "take them out of the file", "any")
    out.add_argument("--all", action="store_true", help="all of them")
    out.add_argument(
        "--older-than", type=float, metavar="DAYS", help="those that failed before"
    )
    one = command("debug", debug, "run one in this process", "one")
    one.add_argument("--pdb", action="store_true", help="under the debugger")
    return parser


def list_them(given: argparse.Namespace) -> int:
    letters = DeadLetters(given.file).entries()
    print(as_json(letters) if given.json else "\n".join(map(one_line, letters)))
    return 0


def show(given: argparse.Namespace) -> int:
    print(in_full(letter_in(given.file, given.key)))
    return 0


def retry(given: argparse.Namespace) -> int:
    letters = DeadLetters(given.file)
    keys = [letter_in(given.file, key).key for key in given.keys] or None
    there = {letter.key for letter in letters.entries()}
    wanted = len(there) if keys is None else len(keys)
    ended = replayed(
        letters,
        lambda: chosen(letters, keys),
        given.workers,
        given.processes,
        {},
    )
    for letter, outcome in ended:
        print(printable(f"{letter.key}  {letter.call}: {what_became_of(outcome)}"))
    done = sum(outcome.ok for _, outcome in ended)
    print(f"{done} of {wanted} done, {wanted - len(ended)} could not be run")
    return int(done < wanted)


def what_became_of(outcome: Outcome[Any]) -> str:  # Any: of any result type
    if outcome.error is None:
        return "done"
    return f"failed again: {on_one_line(class_and_text(outcome.error), SHOWN_ERROR)}"


def purge(given: argparse.Namespace) -> int:
    letters = DeadLetters(given.file)
    keys = [letter_in(given.file, key).key for key in given.keys]
    if given.all:
        keys += [letter.key for letter in letters.entries()]
    if given.older_than is not None:
        keys += older_than(letters, given.older_than * DAY)
    elif not keys and not given.all:
        raise NotOneLetterError("say which: KEY ..., --all, or --older-than DAYS")
    removed = letters.purge(list(dict.fromkeys(keys)))
    print(f"{len(removed)} taken out, {len(letters.entries())} left")
    return 0


def older_than(letters: DeadLetters, seconds: float) -> list[str]:
    import time

    limit = time.time() - seconds
    return [each.key for each in letters.entries() if each.failed_at < limit]


def debug(given: argparse.Namespace) -> int:
    """Run one task here and now; it stays in the file whatever comes of it."""
    import traceback

    task = letter_in(given.file, given.key).task()
    call = task.callback_function
    try:
        if given.pdb:
            value = under_pdb(call, task.positional, task.arguments)
        else:
            value = call(*task.positional, **task.arguments)
    except Exception:
        print(printable(traceback.format_exc(), lines=True), end="", file=sys.stderr)
        return 1
    print(f"it returned {shortened(value, SHOWN_VALUE)}")
    return 0


def under_pdb(call: Any, positional: Any, arguments: Any) -> Any:  # Any: of any task
    """Stop at the first line of the function, and again where it raises."""
    import pdb

    try:
        return pdb.Pdb().runcall(call, *positional, **arguments)
    except Exception as error:
        print(printable(class_and_text(error), lines=True))
        pdb.post_mortem(error.__traceback__)
        raise


def letter_in(path: Path, key: str) -> DeadLetter:
    """The one letter whose key is, or begins with, *key*."""
    letters = DeadLetters(path).entries()
    found = [letter for letter in letters if letter.key == key]
    found = found or [letter for letter in letters if letter.key.startswith(key)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotOneLetterError(f"there is no {key!r} in {path}")
    fitting = ", ".join(printable(letter.key) for letter in found[:5])
    raise NotOneLetterError(f"{key!r} fits {len(found)} letters: {fitting}")


class NotOneLetterError(Exception):
    """What was asked for fits no letter, or several."""


if __name__ == "__main__":
    sys.exit(main())
