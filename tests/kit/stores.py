"""A store of either kind, for what has to hold for both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kit.postgres import postgres

KINDS = ["sqlite", "postgres"]


@contextmanager
def store_of(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty store of that *kind*, which is there meanwhile.

    Args:
        folder: Where its file is to be, if it has one.
    """
    if kind == "sqlite":
        yield f"sqlite:///{folder}/jobs.db"
        return
    with postgres() as url:
        yield url
