"""Who gets which post, and what a user reads.

Most authors have few followers: their posts are written into the feed of each follower,
and reading is one query. The posts of an author with very many followers are stored
with the author, and looked up at each read. This is decided for each post when it is
delivered, and a read looks in both places. So a read does not depend on how many
followers an author has by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from types import TracebackType
from typing import Literal, TypeAlias, get_args

from cotality._kit.public import public_in
from cotality.jobs._jobs.feeds.feed_store import FeedStore
from cotality.jobs._jobs.feeds.post import Post, check_id
from cotality.jobs._jobs.feeds.sqlite_feeds import SqliteFeeds

Strategy: TypeAlias = Literal["hybrid", "push", "pull"]

THRESHOLD = 10_000  # followers; the document's number
KEEP = 1_000  # entries of each feed; likewise
CHUNK = 500  # followers whose feeds are written to together


@public_in("cotality.jobs.feeds")
class Feeds:
    """The feeds of all users.

    Args:
        url: Where they are kept: ``"sqlite:///feeds.db"`` or a ``redis://`` server.
        followers: A function that returns the ids of an author's followers, in any
            order. It may return an iterator, which is read in chunks.
        following: A function that returns the ids of the authors whom a user follows.
        follower_count: A function that returns how many followers an author has.
            Without it, as many followers are read as *threshold* says.
        existing: A function that returns which of some posts still exist. It is called
            at each `read`; without it, deleted posts stay in feeds.
        strategy: ``"push"`` writes each post into the feeds of all followers,
            ``"pull"`` into none; ``"hybrid"`` does so for authors with at most
            *threshold* followers.
        threshold: For ``"hybrid"``: the most followers of an author whose posts are
            pushed.
        keep: How many entries each feed keeps, and each author's store.

    Raises:
        ValueError: An unknown kind of store or of strategy, or a number out of range.
        ModuleNotFoundError: The client of Redis is not installed.
    """

    threshold: int
    store: FeedStore

    def __init__(
        self,
        url: str,
        *,
        followers: Callable[[str], Iterable[str]],
        following: Callable[[str], Iterable[str]],
        follower_count: Callable[[str], int] | None = None,
        existing: Callable[[list[str]], Iterable[str]] | None = None,
        strategy: Strategy = "hybrid",
        threshold: int = THRESHOLD,
        keep: int = KEEP,
    ) -> None:
        if strategy not in get_args(Strategy):
            raise ValueError(
                f"strategy must be 'hybrid', 'push' or 'pull', got {strategy!r}"
            )
        self.followers = followers
        self.following = following
        self.follower_count = follower_count
        self.existing = existing
        self.strategy = strategy
        self.threshold = checked_number("threshold", threshold)
        self.store = store_at(url, checked_number("keep", keep))

    def deliver(self, post: Post, told: Callable[[int], object] | None = None) -> int:
        """Bring *post* to the followers of its author: in a job, not in a request.

        If it was killed half-way, call it again: each follower gets the post once.

        Args:
            post: What was posted.
            told: A function that gets the number of followers reached, after each
                chunk.

        Returns:
            Into how many feeds it was written; 0 if it was stored with its author.
        """
        users = self.those_to_push_to(post.author)
        if users is None:
            self.store.hold(post)
            return 0
        done = 0
        for chunk in chunks_of(users, CHUNK):
            self.store.push(post, chunk)
            done += len(chunk)
            if told is not None:
                told(done)
        return done

    def those_to_push_to(self, author: str) -> Iterable[str] | None:
        """The followers of *author*; None if they are too many."""
        if self.strategy == "pull":
            return None
        if self.strategy == "push":
            return self.followers(author)
        if self.follower_count is not None:
            is_many = self.follower_count(author) > self.threshold
            return None if is_many else self.followers(author)
        users = iter(self.followers(author))
        first = list(islice(users, self.threshold + 1))
        return None if len(first) > self.threshold else chain(first, users)

    def read(
        self, user: str, limit: int = 50, before: Post | None = None
    ) -> list[Post]:
        """Return what *user* sees: posts of authors followed now, the latest first.

        Args:
            user: Whose feed.
            limit: How many posts at most.
            before: Only posts that are earlier than this one, the last of the page
                before.
        """
        check_id("user", user)
        checked_number("limit", limit)
        followed = list(dict.fromkeys(self.following(user)))
        for each in followed:
            check_id("an author that is followed", each)
        found: list[Post] = []
        while len(found) < limit:
            page = self.page(user, followed, limit, before)
            if not page:
                break
            before = page[-1]
            found += self.still_there(page, set(followed))
        return found[:limit]

    def page(
        self, user: str, followed: list[str], limit: int, before: Post | None
    ) -> list[Post]:
        """The *limit* latest before *before*, from wherever they are, each once."""
        place = None if before is None else before.place
        pushed = self.store.pushed(user, limit, place)
        held = self.store.held(followed, limit, place)
        each_once = {post.place: post for post in chain(pushed, held)}
        return [each_once[place] for place in sorted(each_once, reverse=True)[:limit]]

    def still_there(self, posts: list[Post], followed: set[str]) -> list[Post]:
        """Those of *posts* that exist, of authors that are still followed."""
        posts = [post for post in posts if post.author in followed]
        if self.existing is None or not posts:
            return posts
        there = set(self.existing([post.id for post in posts]))
        for each in there:
            check_id("a post that exists", each)
        return [post for post in posts if post.id in there]

    def close(self) -> None:
        """Close the file, or the connections; used again, it opens them again."""
        self.store.close()

    def __enter__(self) -> Feeds:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self.close()


def store_at(url: object, keep: int) -> FeedStore:
    if isinstance(url, str) and url.startswith("sqlite:///") and len(url) > 10:
        return SqliteFeeds(url.removeprefix("sqlite:///"), keep)
    if isinstance(url, str) and url.startswith(("redis://", "rediss://", "unix://")):
        from cotality.jobs._jobs.feeds.redis_feeds import RedisFeeds

        return RedisFeeds(url, keep)
    raise ValueError(
        f"feeds are kept at 'sqlite:///feeds.db' or 'redis://host:6379/0', got {url!r}"
    )


def checked_number(name: str, number: object) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{name} must be an integer, got {number!r}")
    if number < 1:
        raise ValueError(f"{name} must be at least 1, got {number!r}")
    return number


def chunks_of(users: Iterable[str], size: int) -> Iterator[Sequence[str]]:
    rest = iter(users)
    while chunk := list(islice(rest, size)):
        for user in chunk:
            check_id("a follower", user)
        yield chunk
