"""A post, as far as feeds know it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from cotality._kit.public import public_in

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
END = datetime(2200, 1, 1, tzinfo=UTC)  # later times a Redis server would round
LONGEST_ID = 200

Place: TypeAlias = "tuple[int, str]"  # of a post in the order of all feeds


@public_in("cotality.jobs.feeds")
@dataclass(frozen=True, slots=True)
class Post:
    """A post, without its text, which your program keeps.

    Args:
        id: Its id, a text.
        author: The id of its author.
        at: When it was made, with a time zone. Feeds are in this order. Take the time
            when the post is made, not in the job that delivers it, which may run twice.

    Raises:
        TypeError: An id is not a text, or the time has no zone.
        ValueError: An id is empty, too long or not printable.
    """

    id: str
    author: str
    at: datetime

    def __post_init__(self) -> None:
        check_id("id", self.id)
        check_id("author", self.author)
        at: object = self.at
        if not isinstance(at, datetime) or at.tzinfo is None:
            raise TypeError(
                f"at must be a datetime with a time zone, got {at!r}: "
                f"datetime.now(UTC)?"
            )
        if not EPOCH <= at < END:
            raise ValueError(f"at must be between 1970 and 2200, got {at}")

    @property
    def place(self) -> Place:
        """Where it stands: the larger, the later."""
        return (self.at - EPOCH) // MICROSECOND, self.id

    @classmethod
    def placed(cls, microseconds: int, id: str, author: str) -> Post:
        return cls(id, author, EPOCH + microseconds * MICROSECOND)


def check_id(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(
            f"{name} must be a text, got {value!r}. Feeds keep ids as texts: str(...)"
        )
    if not 0 < len(value) <= LONGEST_ID or not value.isprintable():
        raise ValueError(
            f"{name} must have 1 to {LONGEST_ID} printable characters, got {value!r}"
        )
