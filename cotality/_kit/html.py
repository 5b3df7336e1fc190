"""What a notebook shows of an object: small tables that need no style of ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

CELL = "text-align:left;vertical-align:top;padding:0.1em 0.6em"


def table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """A table with a title, and a name and a text in each row."""
    lines = [
        f'<tr><th style="{CELL}">{escape(name)}</th>'
        f'<td style="{CELL}">{escape(text)}</td></tr>'
        for name, text in rows
    ]
    return f"<div><strong>{escape(title)}</strong><table>{''.join(lines)}</table></div>"


def paragraphs(texts: Iterable[str]) -> str:
    """A list with a text in each item."""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul>{items}</ul>" if items else ""


def grid(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a row of heads; empty without rows."""
    cells = [[f'<td style="{CELL}">{escape(one)}</td>' for one in row] for row in rows]
    if not cells:
        return ""
    first = "".join(f'<th style="{CELL}">{escape(head)}</th>' for head in heads)
    rest = "".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    return f"<table><tr>{first}</tr>{rest}</table>"
