"""Items and results as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TextIO

from cotality._kit.safe_text import class_and_text, shortened


class BadLineError(ValueError):
    """A line that is not JSON."""


def items_in(lines: TextIO, name: str) -> Iterator[Any]:  # Any: what JSON can hold
    """An item for each line that is not empty.

    Raises:
        BadLineError: One is not JSON.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except ValueError as error:
            raise BadLineError(
                f"line {number} of {name} is not valid JSON ({error}): "
                f"{shortened(line, 80)}"
            ) from error


def result_line(index: int, value: object) -> tuple[str, bool]:
    """A line with a result, or with why there is none; and whether there is one."""
    error = value if isinstance(value, Exception) else None
    try:
        if error is None:
            given = {"index": index, "result": value}
            return json.dumps(given, ensure_ascii=False), True
    except (TypeError, ValueError, RecursionError) as failure:
        error = failure
    given = {"index": index, "error": class_and_text(error)}
    return json.dumps(given, ensure_ascii=False), False
