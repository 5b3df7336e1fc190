"""Where the figures of a page stand: between two comments, one before and one after."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def fill(page: Path, begin: str, end: str, parts: Iterable[str]) -> None:
    """Put *parts*, with blank lines around them, between the marks of *page*.

    Raises:
        ValueError: The page has no such marks.
    """
    before, has_begin, rest = page.read_text("utf-8").partition(begin)
    _, has_end, after = rest.partition(end)
    if not (has_begin and has_end):
        raise ValueError(f"{page} has no line {begin!r} followed by {end!r}")
    body = "\n\n".join([begin, *parts, end])
    page.write_text(f"{before}{body}{after}", "utf-8")
