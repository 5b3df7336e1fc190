"""A post for ten thousand followers, whose worker is killed half-way."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cotality.jobs.feeds import Feeds
from tests.jobs.pattern_jobs import PatternJobs, following
from tests.jobs.workers import WorkerProgram
from tests.kit.helpers import Gate, wait_until
from tests.kit.limits import LONG_S

pytest.importorskip("sqlalchemy", reason="the extra of jobs is not installed")
pytest.importorskip("cronsim", reason="the extra of jobs is not installed")


@pytest.mark.one_python
def test_each_follower_has_it_once(tmp_path: Path) -> None:
    """Another worker takes over the job, and begins anew what is partly done."""
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    feeds_url = f"sqlite:///{tmp_path / 'feeds.db'}"
    gate = Gate(tmp_path / "gate")
    target = "tests.jobs.pattern_jobs:jobs"
    shop = PatternJobs(url)
    first = WorkerProgram(url, tmp_path, target=target)
    with first:
        handle = shop.deliver_to_many.enqueue_sync(feeds_url, f"{gate.path}")
        wait_until(lambda: len(list(tmp_path.glob("gate.*.waits"))) == 1)
        first.kill()

    assert count_of(tmp_path / "feeds.db") == (5000, 5000)
    gate.open()
    with WorkerProgram(url, tmp_path, target=target):
        assert handle.result_sync(2 * LONG_S) == 10_000

    assert [each.outcome for each in handle.attempts_sync()] == ["lost", "succeeded"]
    shop.jobs.close()
    assert count_of(tmp_path / "feeds.db") == (10_000, 10_000)
    with Feeds(feeds_url, followers=str, following=following) as feeds:
        assert [post.id for post in feeds.read("u9999")] == ["p1"]


def count_of(file: Path) -> tuple[int, int]:
    """How many entries there are in all feeds, and in how many feeds."""
    with closing(sqlite3.connect(file)) as database:
        [found] = database.execute(
            "SELECT count(*), count(DISTINCT owner) FROM cotality_feed"
        )
    return found
