"""What users read is what was posted: nothing is lost, and nothing comes twice."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cotality.jobs.feeds import Feeds, Post
from tests.kit.helpers import environment_of_scripts
from tests.kit.limits import LONG_S
from tests.kit.redis_server import redis_server

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
MakeFeeds = Callable[..., Feeds]


def post(number: int, author: str = "a", seconds: int | None = None) -> Post:
    at = NOON + timedelta(seconds=number if seconds is None else seconds)
    return Post(f"p{number}", author, at)


@pytest.fixture(scope="module", autouse=True)
def redis_here() -> Iterator[str | None]:
    """For all tests of this module, of which none leaves a process."""
    with redis_server() as url:
        yield url


@pytest.fixture
def redis_url(redis_here: str | None) -> str:
    if redis_here is None:
        pytest.skip("there is no redis-server here: apt-get install redis-server")
    pytest.importorskip("redis", reason="the client of Redis is not installed")
    return redis_here


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty store, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'feeds.db'}"
    return emptied(request.getfixturevalue("redis_url"))


def emptied(redis_url: str) -> str:
    import redis

    with closing(redis.Redis.from_url(redis_url)) as server:
        server.flushdb()
    return redis_url


class World:
    """Who follows whom."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self.pairs = set(pairs)  # user and author
        self.deleted = set[str]()
        self.counts = dict[str, int]()

    def followers(self, author: str) -> Iterator[str]:
        return (user for user, each in sorted(self.pairs) if each == author)

    def following(self, user: str) -> list[str]:
        return [author for each, author in sorted(self.pairs) if each == user]

    def count(self, author: str) -> int:
        return self.counts.get(author, 0)

    def existing(self, ids: list[str]) -> list[str]:
        return [each for each in ids if each not in self.deleted]

    def feeds(self, url: str, **more: Any) -> Feeds:
        return Feeds(url, followers=self.followers, following=self.following, **more)


def ids(posts: Iterable[Post]) -> list[str]:
    return [each.id for each in posts]


@pytest.mark.parametrize("strategy", ["push", "pull", "hybrid"])
def test_followers_read_what_was_posted(url: str, strategy: Any) -> None:
    """The latest first, whole posts, and nobody else reads them."""
    world = World(("u", "a"), ("u", "b"), ("v", "b"))
    with world.feeds(url, strategy=strategy) as feeds:
        for each in (post(3, "b"), post(1, "a"), post(2, "b")):
            feeds.deliver(each)

        assert feeds.read("u") == [post(3, "b"), post(2, "b"), post(1, "a")]
        assert ids(feeds.read("v")) == ["p3", "p2"]
        assert feeds.read("w") == []


def test_a_post_of_many_followers_is_held(url: str) -> None:
    """Above the threshold it is written once; up to it, to each of them."""
    world = World(*((f"u{n}", "few") for n in range(3)), ("u0", "many"))
    world.pairs |= {(f"u{n}", "many") for n in range(4)}
    with world.feeds(url, threshold=3) as feeds:
        assert feeds.deliver(post(1, "few")) == 3
        assert feeds.deliver(post(2, "many")) == 0
        assert ids(feeds.read("u0")) == ["p2", "p1"]

    world.counts = {"many": 4, "few": 3}
    with world.feeds(url, threshold=3, follower_count=world.count) as feeds:
        assert feeds.deliver(post(3, "few")) == 3
        assert feeds.deliver(post(4, "many")) == 0
        assert ids(feeds.read("u0")) == ["p4", "p3", "p2", "p1"]


def test_who_crosses_the_threshold(url: str) -> None:
    """Up and down again loses nothing and repeats nothing."""
    world = World(("u", "a"), ("v", "a"))
    with world.feeds(url, threshold=10, follower_count=world.count) as feeds:
        for number, count in enumerate([10, 11, 9, 9, 500, 10, 11, 1]):
            world.counts["a"] = count
            feeds.deliver(post(number))

            wanted = [f"p{n}" for n in range(number, -1, -1)]
            assert ids(feeds.read("u")) == ids(feeds.read("v")) == wanted

        # Delivered again, on the other side than the first time.
        world.counts["a"] = 11
        feeds.deliver(post(0))
        world.counts["a"] = 1
        feeds.deliver(post(1))
        assert ids(feeds.read("u")) == wanted


Move = tuple[str, str, str, int]
USERS, AUTHORS = ["u"], ["a", "b"]  # few, so that moves meet


class Model:
    """What feeds are about, without any store."""

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self.feeds = defaultdict[str, set[Post]](set)
        self.held = defaultdict[str, set[Post]](set)

    def deliver(self, each: Post, users: Iterable[str] | None) -> None:
        if users is None:
            self.held[each.author].add(each)
        for user in users or ():
            self.feeds[user].add(each)

    def latest(self, posts: set[Post]) -> list[Post]:
        return sorted(posts, key=lambda each: each.place, reverse=True)[: self.keep]

    def read(self, user: str, followed: list[str], deleted: set[str]) -> list[Post]:
        found = set(self.latest(self.feeds[user]))
        for author in followed:
            found |= set(self.latest(self.held[author]))
        found = {p for p in found if p.author in followed and p.id not in deleted}
        return sorted(found, key=lambda each: each.place, reverse=True)


moves = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["post", "post", "again", "delete"]),
            st.sampled_from(USERS),
            st.sampled_from(AUTHORS),
            st.integers(0, 6),
        ),
        st.tuples(
            st.sampled_from(["follow", "leave", "count"]),
            st.sampled_from(USERS),
            st.sampled_from(AUTHORS),
            st.integers(0, 4),
        ),
    ),
    min_size=10,
    max_size=40,
)


def check_against_model(url: str, moves: list[Move], keep: int, page: int) -> None:
    world, model, posts = World(("u", "a")), Model(keep), list[Post]()
    with world.feeds(
        url,
        threshold=2,
        keep=keep,
        follower_count=world.count,
        existing=world.existing,
    ) as feeds:
        for what, user, author, number in moves:
            if what == "follow":
                world.pairs.add((user, author))
            elif what == "leave":
                world.pairs.discard((user, author))
            elif what == "count":
                world.counts[author] = number
            elif what == "delete" and posts:
                world.deleted.add(posts[number % len(posts)].id)
            elif what == "post" or posts:
                if what == "post":
                    # Few moments, so that many posts are of the same one.
                    posts.append(post(len(posts), author, number))
                each = posts[-1] if what == "post" else posts[number % len(posts)]
                is_held = world.count(each.author) > 2
                users = None if is_held else list(world.followers(each.author))
                model.deliver(each, users)
                feeds.deliver(each)
        for user in USERS:
            followed = world.following(user)
            wanted = model.read(user, followed, world.deleted)
            assert feeds.read(user, 1000) == wanted
            assert feeds.read(user, page) == wanted[:page]
            assert list(in_pages(feeds, user, page)) == wanted


def in_pages(feeds: Feeds, user: str, size: int) -> Iterator[Post]:
    before = None
    while found := feeds.read(user, size, before):
        yield from found
        before = found[-1]


@pytest.mark.one_python
@given(moves=moves, keep=st.sampled_from([3, 1000]), page=st.integers(1, 3))
@settings(max_examples=40)
def test_it_is_what_a_plain_model_has_in_a_file(
    moves: list[Move], keep: int, page: int
) -> None:
    """Whoever follows, leaves, becomes known, is delivered again or deletes."""
    with TemporaryDirectory() as folder:
        check_against_model(f"sqlite:///{folder}/feeds.db", moves, keep, page)


@given(moves=moves, keep=st.sampled_from([3, 1000]), page=st.integers(1, 3))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_is_what_a_plain_model_has_on_a_server(
    redis_url: str, moves: list[Move], keep: int, page: int
) -> None:
    """The same."""
    check_against_model(emptied(redis_url), moves, keep, page)


def test_many_posts_of_one_moment(url: str) -> None:
    """Pages go through them, though their time does not tell them apart."""
    world = World(("u", "a"))
    with world.feeds(url) as feeds:
        for number in range(100):
            feeds.deliver(post(number, seconds=0))

        found = list(in_pages(feeds, "u", 3))

    assert ids(found) == sorted((f"p{n}" for n in range(100)), reverse=True)


@pytest.mark.parametrize("strategy", ["push", "pull"])
def test_the_latest_thousand_are_kept(url: str, strategy: Any) -> None:
    """Whatever order they come in; the others are not read and do not stay."""
    world = World(("u", "a"))
    with world.feeds(url, strategy=strategy) as feeds:
        for number in [*range(1000, 1700), *range(1000)]:
            feeds.deliver(post(number))
        found = feeds.read("u", 5000)

    assert ids(found) == [f"p{n}" for n in range(1699, 699, -1)]
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path)) as database:
            [(rows,)] = database.execute("SELECT count(*) FROM cotality_feed")
        assert 1000 <= rows < 1400


def test_deleted_posts_do_not_make_a_page_short(url: str) -> None:
    """What is left out is made up for by what is earlier."""
    world = World(("u", "a"))
    with world.feeds(url, existing=world.existing) as feeds:
        for number in range(100):
            feeds.deliver(post(number))
        world.deleted = {f"p{n}" for n in range(20, 99)}

        assert ids(feeds.read("u", 3)) == ["p99", "p19", "p18"]


DELIVERY = """
import os, signal, sys
from datetime import UTC, datetime
from cotality.jobs.feeds import Feeds, Post

url, kill_at = sys.argv[1], int(sys.argv[2])

def read_followers(author):
    for number in range(1750):
        if number == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        yield f"u{number}"

feeds = Feeds(
    url, followers=read_followers, following=str, follower_count=lambda author: 1750
)
print(feeds.deliver(Post("p", "a", datetime(2026, 11, 30, tzinfo=UTC))))
feeds.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signal")
@pytest.mark.one_python
def test_killed_half_way_and_repeated(url: str, tmp_path: Path) -> None:
    """Each follower has the post exactly once."""
    script = tmp_path / "delivery.py"
    script.write_text(DELIVERY, "utf-8")

    def deliver(kill_at: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, script, url, str(kill_at)],
            env=environment_of_scripts(),
            capture_output=True,
            encoding="utf-8",
            timeout=LONG_S,
        )

    with Feeds(url, followers=str, following=lambda _: ["a"]) as feeds:
        killed = deliver(1200)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        looked_at = [*range(0, 1750, 50), 999, 1000, 1499, 1500, 1749]
        have = {n: len(feeds.read(f"u{n}")) for n in looked_at}
        assert have == {n: int(n < 1000) for n in looked_at}

        assert deliver(-1).stdout == "1750\n"
        assert {len(feeds.read(f"u{n}")) for n in looked_at} == {1}


def test_delivered_by_many_at_once(url: str) -> None:
    """Threads that do the same, and others, get in nobody's way."""
    world = World(*((f"u{n}", "a") for n in range(50)))
    with world.feeds(url) as feeds:
        threads = [
            threading.Thread(target=feeds.deliver, args=[post(number % 4)])
            for number in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert all(
            ids(feeds.read(f"u{n}")) == ["p3", "p2", "p1", "p0"] for n in range(50)
        )


@pytest.mark.parametrize("strategy", ["push", "pull"])
def test_a_job_that_runs_twice_may_look_at_the_clock_twice(
    url: str, strategy: Any
) -> None:
    """Its post is there once, where it was at first."""
    world = World(("u", "a"))
    with world.feeds(url, strategy=strategy) as feeds:
        for seconds in (5, 9):
            feeds.deliver(post(1, seconds=seconds))
        feeds.deliver(post(2, seconds=7))

        assert feeds.read("u") == [post(2, seconds=7), post(1, seconds=5)]


def test_progress_is_told(url: str) -> None:
    """After each chunk of five hundred."""
    told = list[int]()
    world = World(*((f"u{n}", "a") for n in range(1200)))
    with world.feeds(url) as feeds:
        assert feeds.deliver(post(1), told.append) == 1200

    assert told == [500, 1000, 1200]


def test_a_failure_half_way_leaves_no_half_of_a_chunk(url: str) -> None:
    """A follower that is none ends it, and those before it have the post."""
    users: list[Any] = [f"u{n}" for n in range(700)] + [7]
    feeds = Feeds(url, followers=lambda _: users, following=lambda _: ["a"])
    with feeds:
        with pytest.raises(TypeError, match="a follower must be a text, got 7"):
            feeds.deliver(post(1))
        have = {n: len(feeds.read(f"u{n}")) for n in (0, 250, 499, 500, 699)}
    assert have == {0: 1, 250: 1, 499: 1, 500: 0, 699: 0}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_after_a_fork(tmp_path: Path) -> None:
    """The child has a connection of its own, and parent and child go on."""
    world = World(("u", "a"))
    with world.feeds(f"sqlite:///{tmp_path / 'feeds.db'}") as feeds:
        feeds.deliver(post(1))
        child = os.fork()
        if child == 0:
            feeds.deliver(post(2))
            is_right = ids(feeds.read("u")) == ["p2", "p1"]
            feeds.close()
            os._exit(0 if is_right else 1)
        _, status = os.waitpid(child, 0)

        assert os.waitstatus_to_exitcode(status) == 0
        feeds.deliver(post(3))
        assert ids(feeds.read("u")) == ["p3", "p2", "p1"]


def test_a_file_is_where_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for a process that goes to another folder before it is opened."""
    world = World(("u", "a"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    with world.feeds("sqlite:///feeds.db") as feeds:
        monkeypatch.chdir(elsewhere)
        feeds.deliver(post(1))
    with world.feeds(f"sqlite:///{tmp_path}/feeds.db") as feeds:
        assert ids(feeds.read("u")) == ["p1"]
    assert list(elsewhere.iterdir()) == []


def test_a_new_file_that_somebody_else_is_at(tmp_path: Path) -> None:
    """Is waited for: others make it at the same moment."""
    file = tmp_path / "feeds.db"
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("CREATE TABLE theirs (number)")
    other.execute("BEGIN IMMEDIATE")
    feeds = World(("u", "a")).feeds(f"sqlite:///{file}")
    delivered: list[int] = []
    thread = threading.Thread(target=lambda: delivered.append(feeds.deliver(post(1))))
    thread.start()
    thread.join(0.3)  # in which it has looked
    other.execute("COMMIT")
    other.close()
    thread.join(LONG_S)

    assert delivered == [1]
    feeds.close()


def test_closed_feeds_open_again(url: str) -> None:
    """To close them gives back what is open, no more."""
    world = World(("u", "a"))
    feeds = world.feeds(url)
    feeds.close()
    feeds.deliver(post(1))
    feeds.close()
    with feeds:
        assert ids(feeds.read("u")) == ["p1"]


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"url": "feeds.db"}, ValueError, "sqlite:///feeds.db' or 'redis"),
        ({"url": "sqlite:///"}, ValueError, "feeds are kept at"),
        ({"url": None}, ValueError, "feeds are kept at"),
        ({"strategy": "both"}, ValueError, "'hybrid', 'push' or 'pull', got 'both'"),
        ({"threshold": 0}, ValueError, "threshold must be at least 1, got 0"),
        ({"keep": True}, TypeError, "keep must be an integer, got True"),
    ],
)
def test_what_is_wrong_is_said(
    arguments: dict[str, Any], error: type[Exception], said: str
) -> None:
    """When feeds are made."""
    given = {"url": "sqlite:///no.db", **arguments}

    with pytest.raises(error, match=said):
        World().feeds(given.pop("url"), **given)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("", "a", NOON), ValueError),
        (("p\0", "a", NOON), ValueError),
        (("p" * 201, "a", NOON), ValueError),
        ((7, "a", NOON), TypeError),
        (("p", None, NOON), TypeError),
        (("p", "a", NOON.replace(tzinfo=None)), TypeError),
        (("p", "a", 7.0), TypeError),
        (("p", "a", NOON.replace(year=1969)), ValueError),
        (("p", "a", NOON.replace(year=2200)), ValueError),
    ],
)
def test_a_post_that_is_none(arguments: Any, error: type[Exception]) -> None:
    """Is refused before anybody has it."""
    with pytest.raises(error):
        Post(*arguments)


def test_no_negative_pages(url: str) -> None:
    """Nor users without a name."""
    with World().feeds(url) as feeds:
        with pytest.raises(ValueError, match="limit must be at least 1"):
            feeds.read("u", 0)
        with pytest.raises(TypeError, match="user must be a text"):
            feeds.read(7)  # type: ignore[arg-type]


def test_ids_that_are_numbers(url: str) -> None:
    """Are refused wherever they come from: no text would be equal to any of them."""

    def numbers(_: object) -> Any:
        return [7]

    with (
        Feeds(url, followers=str, following=numbers) as feeds,
        pytest.raises(TypeError, match="that is followed must be a text, got 7"),
    ):
        feeds.read("u")
    with World(("u", "a")).feeds(url, existing=numbers) as feeds:
        feeds.deliver(post(1))
        with pytest.raises(TypeError, match="that exists must be a text, got 7"):
            feeds.read("u")
