"""Feeds on a Redis server: a sorted set for each, many commands in one message.

The order is that of the time, and of the id where times are equal. So a member begins
with the id of its post.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cotality.jobs._jobs.feeds.post import Place, Post

USER, AUTHOR, AUTHORS = "cotality:feed:", "cotality:held:", "cotality:holding"
BETWEEN = "\0"  # id and author in a member; in no id, and less than all that is
MORE = 16  # entries that are read beyond the limit, for those of the same moment


class RedisFeeds:
    """Feeds on the server at *url*, of which *keep* entries each are kept."""

    def __init__(self, url: str, keep: int) -> None:
        try:
            import redis
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "feeds on a Redis server need its client: pip install "
                "'cotality[jobs-redis]'"
            ) from error
        self.keep = keep
        # Any: its commands give what is there at once or later, says their type.
        client: Any = redis.Redis
        self.server: Any = client.from_url(url, decode_responses=True)

    def push(self, post: Post, users: Sequence[str]) -> None:
        # "All or none" needs no transaction: who is killed half-way begins again, and
        # what is there already is left as it is.
        with self.server.pipeline(transaction=False) as together:
            for user in users:
                self.add(together, USER + user, post)
            together.execute()

    def hold(self, post: Post) -> None:
        with self.server.pipeline(transaction=True) as together:
            self.add(together, AUTHOR + post.author, post)
            together.sadd(AUTHORS, post.author)
            together.execute()

    def add(self, together: Any, key: str, post: Post) -> None:  # Any: a pipeline
        at, name = post.place
        together.zadd(key, {f"{name}{BETWEEN}{post.author}": at}, nx=True)
        together.zremrangebyrank(key, 0, -self.keep - 1)

    def pushed(self, user: str, limit: int, before: Place | None) -> list[Post]:
        return self.latest([USER + user], limit, before)

    def held(
        self, authors: Iterable[str], limit: int, before: Place | None
    ) -> list[Post]:
        asked = list(authors)
        if not asked:
            return []
        holding = self.server.smismember(AUTHORS, asked)
        known = [each for each, has in zip(asked, holding, strict=True) if has]
        return self.latest([AUTHOR + each for each in known], limit, before)

    def latest(self, keys: list[str], limit: int, before: Place | None) -> list[Post]:
        """The latest of each of *keys*."""
        found: list[Post] = []
        count = limit + MORE
        while keys:
            with self.server.pipeline(transaction=False) as together:
                for key in keys:
                    highest = "+inf" if before is None else before[0]
                    together.zrevrangebyscore(
                        key, highest, "-inf", 0, count, withscores=True
                    )
                answers = dict(zip(keys, together.execute(), strict=True))
            keys = []
            for key, rows in answers.items():
                posts = [post_of(*row) for row in rows]
                earlier = [p for p in posts if before is None or p.place < before]
                if len(earlier) < limit and len(rows) == count:
                    keys.append(key)  # that many of one moment
                else:
                    found += earlier[:limit]
            count *= 4
        return found

    def close(self) -> None:
        self.server.close()


def post_of(member: str, score: float) -> Post:
    name, _, author = member.partition(BETWEEN)
    return Post.placed(int(score), name, author)
