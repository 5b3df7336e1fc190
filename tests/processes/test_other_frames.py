"""Frames of polars, tables of Arrow, data sets of xarray, where they are installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from cotality.core.utils._process.packing.frames import polars_frames
from cotality.core.utils.process import (
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    split,
)
from tests.kit.sent import Sent

# They ask what calls give, whichever workers do it.
pytestmark = [pytest.mark.one_python, pytest.mark.warm]

ROWS = 60_000
TURN = object()


@pytest.fixture(scope="module", autouse=True)
def threads_of_polars() -> None:
    """It has threads of its own, and what they wait with, from its first query on."""
    if importlib.util.find_spec("polars") is not None:
        importlib.import_module("polars").DataFrame({"a": [1]}).lazy().collect()


@pytest.fixture
def polars() -> Any:
    return pytest.importorskip("polars")


@pytest.fixture(params=["with Arrow", "without"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether frames of polars travel as tables of Arrow."""
    if request.param == "with Arrow":
        pytest.importorskip("pyarrow")
    else:
        monkeypatch.setattr(polars_frames, "arrow_table", lambda frame, size: None)
    return str(request.param)


def frame_of(polars: Any, kind: str) -> Any:
    columns: dict[str, Any] = {"a": np.arange(float(ROWS)), "b": np.arange(ROWS)}
    if kind == "texts":
        columns["s"] = [f"text {number % 9}" for number in range(ROWS)]
        columns["n"] = [None, True] * (ROWS // 2)
    if kind == "lists":
        columns["l"] = [[number] for number in range(ROWS)]
    frame = polars.DataFrame(columns)
    if kind == "times":
        day = polars.datetime(2020, 1, 1)
        frame = frame.with_columns(t=day + polars.duration(seconds="b"))
    if kind == "categories":
        texts = polars.Series([f"{number % 9}" for number in range(ROWS)])
        frame = frame.with_columns(c=texts.cast(polars.Categorical))
    if kind == "ordered":
        frame = frame.with_columns(polars.col("b").set_sorted())
    return frame["a"] if kind == "series" else frame


KINDS = ["numbers", "texts", "times", "lists", "categories", "ordered", "series"]


def content(thing: Any) -> tuple[str, list[Any]]:
    """All that is in *thing*, which is changed afterwards."""
    if isinstance(thing, dict):
        thing = thing["frame"]
    if hasattr(thing, "columns"):
        found = f"{thing.schema} {thing.flags}", thing.rows()[::97]
        thing[0, "a"] = -1.0
    else:
        found = f"{thing.dtype} {thing.flags}", thing.to_list()[::97]
        thing[0] = -1.0
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_each_task_has_a_frame_of_its_own(polars: Any, way: str, kind: str) -> None:
    """It arrives as it is, also in a dictionary, and may be changed."""
    frame = frame_of(polars, kind)
    expected = content(frame.clone())
    tasks = [Task.of(content, frame)] * 6
    tasks += [Task.of(content, {"frame": frame, "n": n}) for n in range(6)]

    assert execute_tasks_in_parallel(tasks, 2, True) == [expected] * 12
    assert content(frame.clone()) == expected


@pytest.mark.parametrize("kind", ["numbers", "texts", "times", "ordered", "series"])
def test_a_frame_of_polars_is_sent_once(polars: Any, way: str, kind: str) -> None:
    """For each of the call's tasks, in whatever it is."""
    frame = frame_of(polars, kind)
    size = frame.estimated_size()
    sent = Sent()

    tasks = [Task.of(content, {"frame": frame, "n": n}) for n in range(12)]
    once = sent.bytes_for(tasks, TURN)

    assert 0.9 * size < once < 1.6 * size
    assert sent.through_the_link < 0.05 * size * len(tasks)
    assert sent.bytes_for(tasks, TURN) == 0
    assert sent.bytes_for(tasks, object()) < 0.1 * size


def test_a_frame_that_is_changed_between_tasks(polars: Any, way: str) -> None:
    """Each task has it as it was when the task was handed out."""
    frame = frame_of(polars, "numbers")

    def tasks() -> Iterator[Task[float]]:
        for number in range(8):
            frame[0, "a"] = float(number)
            yield Task(first_of, {"job": {"frame": frame}})

    stream = execute_tasks_in_parallel_streaming(tasks(), 2, True, chunksize=1)

    assert [value for _, value in stream] == [float(number) for number in range(8)]


def first_of(job: dict[str, Any]) -> float:
    return float(job["frame"][0, "a"])


def test_columns_of_python_objects_are_refused_as_ever(polars: Any, way: str) -> None:
    """Polars cannot pickle them; that is said of the task."""
    frame = polars.DataFrame({"o": [object()] * ROWS}, schema={"o": polars.Object})

    (error,) = execute_tasks_in_parallel([Task.of(len, frame)], 1, True, True)

    assert isinstance(error, Exception)


def test_blocks_of_a_frame_of_polars(polars: Any, way: str) -> None:
    """Are frames, and put together they are what was cut."""
    frame = frame_of(polars, "texts")
    blocks = split(frame, 7)

    assert polars.concat(blocks).equals(frame)
    tasks = [Task.of(len, block) for block in blocks]
    assert sum(execute_tasks_in_parallel(tasks, 2, True)) == ROWS


def test_a_table_of_arrow_is_sent_once() -> None:
    """And all blocks of it have its memory."""
    arrow = pytest.importorskip("pyarrow")
    texts = [f"text {number % 9}" for number in range(ROWS)]
    table = arrow.table({"a": np.arange(float(ROWS)), "s": texts})
    sent = Sent()

    assert sent.bytes_for([Task.of(total, table)] * 12, TURN) < 1.1 * table.nbytes
    before = sent.written
    sent.bytes_for([Task.of(total, each) for each in split(table, 5)], TURN)
    assert sent.written - before < 0.1 * table.nbytes

    tasks = [Task.of(total, each) for each in split(table, 5)]
    found = execute_tasks_in_parallel(tasks, 2, True)
    assert sum(found) == sum(range(ROWS))


def total(table: Any) -> float:
    return float(table["a"].to_numpy().sum())


def test_a_data_set_of_xarray_is_sent_once() -> None:
    """With its times."""
    xarray = pytest.importorskip("xarray")
    pandas = pytest.importorskip("pandas")
    days = pandas.date_range("2020", periods=ROWS, freq="s")
    values = xarray.DataArray(
        np.ones((ROWS, 2)), dims=("t", "x"), coords={"t": days}, name="v"
    )
    found = xarray.Dataset({"v": values})
    sent = Sent()
    tasks = [Task.of(sum_of, found)] * 12

    assert sent.bytes_for(tasks, TURN) < 2.5 * values.nbytes
    assert sent.bytes_for(tasks, TURN) == 0
    assert execute_tasks_in_parallel(tasks, 2, True) == [2.0 * ROWS] * 12
    assert [len(block) for block in split(values, 4)] == [ROWS // 4] * 4


def sum_of(found: Any) -> float:
    total = float(found["v"].sum())
    found["v"][:] = 0.0
    return total
