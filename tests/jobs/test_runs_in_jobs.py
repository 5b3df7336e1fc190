"""A job whose body is a run of the core: how far it is, and where it goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.pattern_jobs import PatternJobs
from tests.jobs.workers import WorkerProgram, notes_in
from tests.kit.helpers import Gate, wait_until
from tests.kit.limits import LONG_S

pytest.importorskip("sqlalchemy", reason="the extra of jobs is not installed")
pytest.importorskip("cronsim", reason="the extra of jobs is not installed")

TARGET = "tests.jobs.pattern_jobs:jobs"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[PatternJobs]:
    made = PatternJobs(f"sqlite:///{tmp_path / 'jobs.db'}")
    yield made
    made.jobs.close()


@pytest.mark.one_python
def test_a_run_goes_on_where_its_worker_was_killed(
    shop: PatternJobs, tmp_path: Path
) -> None:
    """Its progress is that of the job; what its journal has is not run again."""
    handle = shop.compute.enqueue_sync(f"{tmp_path}", 20)

    def done() -> float:
        progress = handle.progress_sync()
        return 0 if progress is None else progress.done

    with WorkerProgram(shop.jobs.url, tmp_path, target=TARGET) as first:
        # Two are at the gate, and what came before them is in the journal.
        wait_until(lambda: len(runs(tmp_path)) == 7 and done() == 5)
        progress = handle.progress_sync()
        assert progress is not None
        assert (progress.total, progress.message) == (20, "squares")
        first.kill()
    Gate(tmp_path / "gate").open()
    with WorkerProgram(shop.jobs.url, tmp_path, target=TARGET):
        assert handle.result_sync(2 * LONG_S) == sum(n * n for n in range(20))

    assert [each.outcome for each in handle.attempts_sync()] == ["lost", "succeeded"]
    assert done() == 20
    again = {number for number, count in runs(tmp_path).items() if count > 1}
    assert again <= {5, 6}
    assert sorted(runs(tmp_path)) == [*range(20)]


def runs(folder: Path) -> Counter[int]:
    """How often each number was squared."""
    return Counter(int(line.split()[1]) for line in notes_in(folder))
