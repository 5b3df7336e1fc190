"""What a journal says: ``python -m cotality.core.utils.journal FILE``.

Prints how many tasks have finished, failed, and are running, with which errors and for
how long. It may be asked at any time, also while a run is writing to the journal.
``--failed`` prints the key of each task that has failed, one a line, and behind a tab
each the error and the call; ``--json`` prints either as JSON.

Ends with 0 if nothing has failed, 1 if something has or a line cannot be read, and 2
if there is no such journal.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from cotality._kit.safe_text import printable, said_by_system

from ._process.durable.files.errors import JournalError as JournalError
from ._process.durable.files.errors import JournalInUseError as JournalInUseError
from ._process.durable.journal.journal import Journal as Journal
from ._process.durable.journal.skipped import Skipped as Skipped
from ._process.durable.journal.summary import Summary

__all__ = ["Journal", "JournalError", "JournalInUseError", "Skipped", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was asked for; the exit code."""
    given = parser().parse_args(arguments)
    try:
        summary = Summary.of(given.file)
    except (OSError, JournalError) as error:
        print(words_of(error), file=sys.stderr)
        return 2
    if given.failed:
        print_failed(summary, as_json=given.json)
    elif given.json:
        print(json.dumps(summary.as_json(), indent=2))
    else:
        print(summary.as_text())
    return int(bool(summary.failed or summary.damages))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cotality.core.utils.journal",
        description="Sum up the journal of a run, also while it goes on.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the journal")
    parser.add_argument(
        "--failed",
        action="store_true",
        help="print the key, the error and the call of each failed task, with tabs",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def print_failed(summary: Summary, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(list(summary.failed.values()), indent=2))
        return
    for key, fields in summary.failed.items():
        message = " ".join(str(fields["message"]).split())
        error = printable(f"{fields['error']}: {message}")
        call = printable(str(fields.get("call", "")))
        print(f"{json.dumps(key)[1:-1]}\t{error}\t{call}")


def words_of(error: Exception) -> str:
    """What went wrong, and with which file."""
    if isinstance(error, OSError):
        return said_by_system(error)
    return printable(str(error), lines=True)


if __name__ == "__main__":
    sys.exit(main())
