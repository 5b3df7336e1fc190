"""Where the entries of feeds are kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from cotality.jobs._jobs.feeds.post import Place, Post


class FeedStore(Protocol):
    """A feed for each user, and for each author the posts that were not handed out.

    Of each of them the latest are kept. To add a post again changes nothing.
    """

    def push(self, post: Post, users: Sequence[str]) -> None:
        """Put *post* into the feeds of *users*, into all of them or into none."""
        ...

    def hold(self, post: Post) -> None:
        """Keep *post* with its author, for readers to fetch."""
        ...

    def pushed(self, user: str, limit: int, before: Place | None) -> list[Post]:
        """The latest in the feed of *user*, the latest first."""
        ...

    def held(
        self, authors: Iterable[str], limit: int, before: Place | None
    ) -> list[Post]:
        """The latest that are held with each of *authors*, in any order."""
        ...

    def close(self) -> None:
        """Close what is open; it is opened again when it is needed."""
        ...
