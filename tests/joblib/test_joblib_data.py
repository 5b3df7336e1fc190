"""Large arrays in calls of joblib: sent once, and each task may write to its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cotality.core.pools import Crew
from cotality.joblib import register
from tests.joblib.work import fill_in, halve_first, seen, sum_of

pytestmark = pytest.mark.one_python

joblib = pytest.importorskip("joblib")
Parallel, delayed = joblib.Parallel, joblib.delayed


@pytest.fixture(autouse=True)
def ours() -> Iterator[None]:
    register()
    with joblib.parallel_config("cotality", n_jobs=2):
        yield


def test_a_task_may_write_to_what_it_gets() -> None:
    """Which nobody else sees; other backends give it what is read-only, if large."""
    for size in (10, 1_000_000):
        array = np.full(size, 8.0)

        found = Parallel()(delayed(halve_first)(array) for _ in range(6))

        assert found == [4.0] * 6
        assert array[0] == 8.0


def test_a_large_array_is_sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tasks have it."""
    array = np.ones(1_000_000)
    sent: list[int] = []
    hand_over = Crew.hand_over

    def noting(self: Crew, *given: Any) -> Any:
        portion, future = hand_over(self, *given)
        sent.append(portion.sent_bytes)
        return portion, future

    monkeypatch.setattr(Crew, "hand_over", noting)

    assert Parallel()(delayed(sum_of)(array) for _ in range(12)) == [1_000_000.0] * 12
    assert array.nbytes <= sum(sent) < 1.1 * array.nbytes


def test_nothing_is_put_into_folders(tmp_path: Path) -> None:
    """As joblib's own workers have it, which map files of the folder."""
    array = np.ones(1_000_000)
    folders = [Path(tempfile.gettempdir()), Path("/dev/shm"), tmp_path]
    before = [set(os.listdir(each)) for each in folders if each.is_dir()]

    Parallel(temp_folder=f"{tmp_path}")(delayed(sum_of)(array) for _ in range(4))

    after = [set(os.listdir(each)) for each in folders if each.is_dir()]
    for old, new in zip(before, after, strict=True):
        assert not {each for each in new - old if "joblib" in each}


# Arrays that are a file.


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "numbers"
    np.arange(120_000.0).tofile(path)
    return path


def test_tasks_fill_in_one_file_together(tmp_path: Path) -> None:
    """An array that is opened to be written to is the same for all."""
    output = np.memmap(tmp_path / "output", "f8", mode="w+", shape=(20,))

    found = Parallel()(delayed(fill_in)(output, place) for place in range(20))

    assert all(found)
    assert output.tolist() == [place + 1 for place in range(20)]


def test_a_file_is_not_copied(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large as it may be."""
    array = np.memmap(file, "f8", mode="r")
    sent: list[int] = []
    hand_over = Crew.hand_over

    def noting(self: Crew, *given: Any) -> Any:
        portion, future = hand_over(self, *given)
        sent.append(portion.sent_bytes)
        return portion, future

    monkeypatch.setattr(Crew, "hand_over", noting)

    assert len(set(Parallel()(delayed(sum_of)(array=array) for _ in range(4)))) == 1
    assert sum(sent) < array.nbytes / 10


PARTS = {
    "whole": lambda a: a,
    "part": lambda a: a[1000:50_000],
    "steps": lambda a: a[7::3],
    "backwards": lambda a: a[::-1],
    "rows": lambda a: a.reshape(300, 400)[5:9],
    "columns": lambda a: a.reshape(300, 400)[:, 3:17:2],
    "turned": lambda a: a.reshape(300, 400).T,
    "bytes": lambda a: a.view("u1")[3:],
    "nothing": lambda a: a[:0],
    "one": lambda a: a.reshape(300, 400)[2, 3:4],
    "plain": lambda a: np.asarray(a)[10:],
    "copied": lambda a: a * 2,
}


@pytest.mark.warm
@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_any_part_of_a_file_arrives_as_it_is(part: Any, file: Path) -> None:
    """And one that was opened to be read cannot be written to."""
    array = part(np.memmap(file, "f8", mode="r"))

    ((writeable, _, total),) = Parallel(n_jobs=2)([delayed(seen)(array)])

    assert total == float(array.sum())
    assert writeable == array.flags.writeable


def test_a_file_of_ones_own_pages_is_sent_as_it_is_here(file: Path) -> None:
    """What was changed there is in no file."""
    array = np.memmap(file, "f8", mode="c")
    array[:] = 1.0

    assert Parallel()([delayed(sum_of)(array), delayed(sum_of)(array)]) == [120_000] * 2


def test_a_file_that_is_gone_is_sent_as_it_is_here(file: Path) -> None:
    """It is still mapped here."""
    array = np.memmap(file, "f8", mode="r")
    file.unlink()

    assert Parallel()([delayed(sum_of)(array)]) == [float(array.sum())]
