"""The parts of an item are real, and the same items come to the same values."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotality.web._web.parts import cache, checksum, filling, items
from cotality.web._web.parts.cache import CATEGORIES, LocalCache, RedisCache, factor_of
from cotality.web._web.parts.database import SENSORS, Measurements
from cotality.web._web.parts.items import close_parts, do_item
from cotality.web._web.parts.recipe import Recipe
from cotality.web._web.parts.waiting import Fetched, finished, waits_at_all, waits_for
from tests.kit.postgres import postgres_server
from tests.kit.redis_server import RedisServer, redis_to_kill

pytestmark = pytest.mark.one_python

SOME = [0, 1, 99, 100, 1234]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    made = f"sqlite:///{tmp_path / 'a folder'}/measure ments%.db"
    filling.prepare(made)
    yield made
    close_parts()


@pytest.fixture
def recipe(url: str) -> Recipe:
    return Recipe(url)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_to_kill() as server:
        if server is None:
            pytest.skip("there is no redis-server here")
        yield server
        close_parts()


# The database.


def test_a_file_is_filled_once_and_only_read(url: str, tmp_path: Path) -> None:
    """Whoever prepares it again finds it as it is; its readers cannot write."""
    measurements = Measurements(url)
    before = [measurements.total(index) for index in SOME]
    file = next(tmp_path.rglob("*.db"))
    with sqlite3.connect(file) as writer:
        writer.execute("UPDATE cotality_measurements SET reading = reading + 1")
    writer.close()

    filling.prepare(url)

    after = [measurements.total(index) for index in SOME]
    assert after == [each + filling.READINGS for each in before]
    connection = measurements.asked.free[0]  # type: ignore[attr-defined]  # of a file
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM cotality_measurements")
    measurements.close()


def test_several_fill_a_database_at_once(tmp_path: Path) -> None:
    """It has the rows of one of them."""
    url = f"sqlite:///{tmp_path}/new.db"

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(filling.prepare, [url] * 4))

    with sqlite3.connect(tmp_path / "new.db") as reader:
        query = "SELECT COUNT(*) FROM cotality_measurements"
        assert reader.execute(query).fetchone() == (SENSORS * filling.READINGS,)
    reader.close()


def test_threads_have_connections_of_their_own(recipe: Recipe) -> None:
    """As many as ask at a time, and no more."""
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda index: do_item(recipe, index), range(40)))

    assert found == [do_item(recipe, index) for index in range(40)]
    asked: Any = items.parts_for(recipe).measurements.asked
    assert 1 <= len(asked.free) <= 4


def test_a_sensor_without_a_row_is_told(url: str, tmp_path: Path) -> None:
    """By its number; the others are asked as before."""
    with sqlite3.connect(next(tmp_path.rglob("*.db"))) as writer:
        writer.execute("DELETE FROM cotality_measurements WHERE sensor = 7")
    writer.close()
    measurements = Measurements(url)

    with pytest.raises(LookupError, match="sensor 7 has no measurement"):
        measurements.total(1007)

    assert measurements.total(8) >= 0
    measurements.close()


def test_a_server_gives_the_same_values_and_may_be_away(recipe: Recipe) -> None:
    """Its connections only read; one that has ended is made anew."""
    expected = [do_item(recipe, index) for index in SOME]
    with postgres_server() as server:
        filling.prepare(server.url)
        filling.prepare(server.url)
        at_server = Recipe(server.url)
        assert [do_item(at_server, index) for index in SOME] == expected
        assert [in_loop(at_server, index) for index in SOME] == expected

        asked: Any = items.parts_for(at_server).measurements.asked
        with pytest.raises(Exception, match="read-only transaction"):
            asked.free[0].exec_driver_sql("DELETE FROM cotality_measurements")

        server.stop()
        with pytest.raises(Exception, match="connection"):
            do_item(at_server, 0)
        server.start()
        assert do_item(at_server, 0) == expected[0]
        close_parts()


# The cache.


def test_a_local_cache_forgets_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """And computes again what it has forgotten."""
    computed: list[int] = []

    def factor(category: int) -> int:
        computed.append(category)
        return factor_of(category)

    monkeypatch.setattr(cache, "factor_of", factor)
    kept, forgotten = LocalCache(), LocalCache(kept_s=-1)

    for each in (kept, kept, forgotten, forgotten):
        assert each.factor(CATEGORIES + 5) == factor_of(5)

    assert computed == [5, 5, 5]


def test_a_server_is_asked_and_told(redis: RedisServer) -> None:
    """What one process has computed another one finds; nonsense counts as nothing."""
    one, other = RedisCache(redis.url), RedisCache(redis.url)
    one.server.set(f"{cache.PREFIX}7", 4711)
    one.server.set(f"{cache.PREFIX}8", "nonsense")

    assert one.factor(7) == 4711
    assert one.factor(8) == factor_of(8)
    assert other.server.get(f"{cache.PREFIX}8") == b"%d" % factor_of(8)
    assert 0 < other.server.ttl(f"{cache.PREFIX}8") <= cache.KEPT_S
    one.close()
    other.close()


def test_a_server_that_is_killed_costs_no_item(
    redis: RedisServer,
    url: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All values are the same, it is told once, and used again when it is back."""
    recipe, plain = Recipe(url, redis.url), Recipe(url)
    expected = [do_item(plain, index) for index in range(20)]
    assert [do_item(recipe, index) for index in range(10)] == expected[:10]

    redis.kill()

    assert [do_item(recipe, index) for index in range(20)] == expected
    assert [in_loop(recipe, index) for index in range(20)] == expected
    here = [each for each in caplog.messages if "the cache is gone" in each]
    assert len(here) == 1 + 20  # each loop is a process of its own, as it were
    redis.start()
    used = items.parts_for(recipe).cache
    assert isinstance(used, RedisCache)
    monkeypatch.setattr(used.away, "until", 0.0)
    assert do_item(recipe, 11) == expected[11]
    assert used.server.exists(f"{cache.PREFIX}11")


# An item as a whole.


def in_loop(recipe: Recipe, index: int) -> int:
    """The value of an item whose waits are an event loop's."""

    async def wait_and_compute() -> int:
        async with waits_for(recipe) as waits:
            return finished(recipe, await waits.fetch(index))

    return asyncio.run(wait_and_compute())


def test_an_item_has_one_value(recipe: Recipe) -> None:
    """However it waits, and whether it does; different ones have different values."""
    slow = Recipe(recipe.database, db_delay_s=0.001, lookup_delay_s=None)

    values = {index: do_item(recipe, index) for index in SOME}

    assert len(set(values.values())) == len(SOME)
    for index, value in values.items():
        assert in_loop(recipe, index) == value
        assert do_item(slow, index) == value
        assert in_loop(slow, index) == value


def test_what_waits_is_fetched_and_what_computes_is_not(recipe: Recipe) -> None:
    """A file and a map in the process are no waits."""

    async def fetch(each: Recipe) -> Fetched:
        async with waits_for(each) as waits:
            return await waits.fetch(3)

    assert asyncio.run(fetch(recipe)) == Fetched(3, None, None)
    assert not waits_at_all(recipe)
    assert waits_at_all(Recipe(recipe.database, lookup_delay_s=None))
    assert waits_at_all(Recipe(recipe.database, "redis://nowhere"))


def test_delays_are_waited_for(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a query as it is said, that of a look-up as its item says."""
    waited: list[float] = []
    monkeypatch.setattr(items.time, "sleep", waited.append)
    slow = Recipe(recipe.database, db_delay_s=1.5, lookup_delay_s=None)

    for index in (3, 3, 4):
        do_item(slow, index)
    do_item(recipe, 3)

    assert waited[0::2] == [1.5] * 3
    assert waited[1] == waited[3] != waited[5]
    assert all(0.001 <= each <= 0.010 for each in waited[1::2])


def test_the_mean_of_look_ups_is_known(recipe: Recipe) -> None:
    """It is what they take over many items."""
    slow = Recipe(recipe.database, db_delay_s=1.0, lookup_delay_s=None)
    drawn = [slow.lookup_delay(index) for index in range(2000)]

    assert slow.usual_lookup_delay == pytest.approx(sum(drawn) / 2000, rel=0.05)
    assert slow.delay == 1.0 + slow.usual_lookup_delay
    assert recipe.delay == 0


VALUES = st.lists(st.one_of(st.none(), st.integers(0, items.VALUES - 1)), min_size=1)


@given(VALUES, st.randoms(use_true_random=False), st.data())
def test_a_checksum_is_the_same_in_any_order(
    values: list[int | None], order: random.Random, data: st.DataObject
) -> None:
    """And in any portions; another value, or a failure, makes another one."""
    numbered = list(enumerate(values))
    whole = checksum.added(checksum.sum_of(*each) for each in numbered)
    order.shuffle(numbered)
    cut = data.draw(st.integers(0, len(numbered)))

    parts = [
        checksum.added(checksum.sum_of(*each) for each in part)
        for part in (numbered[:cut], numbered[cut:])
    ]

    assert checksum.added(parts) == whole
    assert checksum.from_text(checksum.as_text(whole)) == whole
    index, value = data.draw(st.sampled_from(numbered))
    other = None if value is not None else 0
    changed = [each for each in numbered if each[0] != index] + [(index, other)]
    assert checksum.added(checksum.sum_of(*each) for each in changed) != whole
