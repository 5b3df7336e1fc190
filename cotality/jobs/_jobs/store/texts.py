"""Text as every database takes it: without NUL, and in UTF-8."""

from __future__ import annotations

LONGEST_TEXT = 20_000  # characters of an error, a traceback or a message that are kept


def storable(text: str, *, end: bool = False) -> str:
    """*text*, cut if it is too long: to its start, or *end*, as of a traceback."""
    text = text.replace("\0", "\\0").encode("utf-8", "replace").decode()
    if len(text) <= LONGEST_TEXT:
        return text
    return "... " + text[-LONGEST_TEXT:] if end else text[:LONGEST_TEXT] + " ..."
