"""Rows of text in columns that stand below each other."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

Row = Sequence[str]


def widths_of(rows: Iterable[Row]) -> list[int]:
    """How wide each column of *rows* is; all rows have the same number of cells."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def aligned(
    rows: Sequence[Row],
    *,
    right: Container[int] = (),
    widths: Sequence[int] | None = None,
) -> list[str]:
    """*rows* as lines, two spaces between columns.

    Args:
        rows: Each cell has to be on one line, and printable.
        right: The numbers of the columns, from 0, that stand at their right end.
        widths: How wide the columns are; None for as wide as they need to be.
    """
    wide = widths_of(rows) if widths is None else widths
    return ["  ".join(cells_of(row, wide, right)).rstrip() for row in rows]


def cells_of(row: Row, widths: Sequence[int], right: Container[int]) -> list[str]:
    return [
        cell.rjust(width) if place in right else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
