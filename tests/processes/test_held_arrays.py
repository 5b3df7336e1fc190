"""What holds arrays is sent once, and each task gets what a pickle of its own has."""

from __future__ import annotations

import gc
import hashlib
import logging
import pickle
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest

from cotality.core.utils._process.channel import segments
from cotality.core.utils._process.machine.object_size import LARGE
from cotality.core.utils._process.packing import heavy
from cotality.core.utils._process.packing.heavy import MANY_COPIES
from cotality.core.utils._process.packing.large_buffers import (
    KEPT,
    MOST_SEGMENTS,
    LargeBuffers,
)
from cotality.core.utils.process import (
    Progress,
    Task,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    share,
    split,
)
from tests.kit.given import HealthCheck, given, settings, st
from tests.kit.holders import (
    MAKERS,
    ROWS,
    Dropping,
    Job,
    Model,
    Stamping,
    StampingItems,
    Tickets,
    array,
    change,
    first,
    first_of,
    frame,
    objects,
    seen,
    texts,
    times,
    with_data,
)
from tests.kit.sent import Sent

# They ask what calls give, whichever workers do it.
pytestmark = [pytest.mark.one_python, pytest.mark.warm]

some = settings(
    max_examples=12,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
MILLION = 1_000_000


# The meaning: that of a loop over pickles.


def in_one_piece(task: Task[str]) -> str:
    """What *task* gives for what it holds now, if all of it is in one pickle."""
    whole = task.callback_function, task.positional, dict(task.arguments)
    function, positional, named = pickle.loads(cloudpickle.dumps(whole))
    result: str = function(*positional, **named)
    return result


def task_over(random: Random, things: list[Any], models: list[Model]) -> Task[str]:
    thing, other = random.choice(things), random.choice(things)
    forms: list[Callable[[], Task[str]]] = [
        lambda: Task(seen, positional=([thing],)),
        lambda: Task(seen, {"job": (thing, random.randrange(9))}),
        lambda: Task(seen, {"job": {"a": thing, "b": other}}),
        lambda: Task(seen, {"one": Job(thing), "other": [other]}),
        lambda: Task(random.choice(models).seen, positional=([other],)),
        lambda: Task(random.choice(models).seen, positional=(3,)),
        lambda: Task(with_data(thing), {"more": 1}),
        lambda: Task(lambda: seen(thing, other)),
    ]
    return random.choice(forms)()


@some
@given(seed=st.integers(0, 2**32))
def test_each_task_gets_what_its_own_pickle_would_hold(seed: int) -> None:
    """Whatever code of the caller's has changed before, and tasks with their copies.

    Without what writes when it is pickled: here it is pickled once more, to compare.
    """
    random = Random(seed)
    kinds = [each for name, each in MAKERS.items() if " when " not in name]
    kinds.remove(MAKERS["new each time"])
    things = [random.choice(kinds)(random) for _ in range(random.randint(1, 3))]
    models = [Model(thing) for thing in things]
    expected: list[str] = []

    def tasks() -> Iterator[Task[str]]:
        for _ in range(random.randint(3, 9)):
            if random.random() < 0.6:
                change(random, random.choice(things))
            task = task_over(random, things, models)
            expected.append(in_one_piece(task))
            yield task

    workers = random.randint(1, 2)
    stream = execute_tasks_in_parallel_streaming(tasks(), workers, True, chunksize=1)

    assert [value for _, value in stream] == expected


@pytest.mark.parametrize("kind", MAKERS)
def test_no_task_sees_what_another_did_to_its_copy(kind: str) -> None:
    """Nor does the caller, in whatever order and portions tasks run."""
    thing = MAKERS[kind](Random(1))
    expected = in_one_piece(Task(seen, {"thing": [thing]}))
    tasks = [Task(seen, {"thing": [thing]}) for _ in range(12)]

    found = execute_tasks_in_parallel(tasks, 2, True)

    if kind in ("new each time", "writes when pickled"):
        assert len(set(found)) == 12  # and none of them is that of another
    else:
        assert set(found) == {expected}
        assert in_one_piece(Task(seen, {"thing": [thing]})) == expected


def read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


ARRAYS: dict[str, Callable[[Path], Any]] = {
    "read-only": lambda _: read_only(np.arange(float(ROWS))),
    "of bytes": lambda _: np.frombuffer(bytes(8 * ROWS)),
    "not in one piece": lambda _: np.arange(2.0 * ROWS)[::-2],
    "of three dimensions": lambda _: np.zeros((100, 4, 50)).transpose(1, 0, 2),
    "repeated": lambda _: np.broadcast_to(np.arange(3.0), (ROWS, 3)),
    "structured": lambda _: np.zeros(ROWS, [("a", "f8"), ("b", "i4")]),
    "other order of bytes": lambda _: np.arange(ROWS, dtype=">f8"),
    "masked": lambda _: np.ma.masked_array(np.ones(ROWS), np.arange(ROWS) % 2 == 0),
    "nothing in it": lambda _: np.zeros((0, 5)),
    "times": lambda _: np.arange(ROWS).astype("M8[ms]"),
    "read-only times": lambda _: read_only(np.arange(ROWS).astype("M8[ns]")),
    "times in columns": lambda _: np.zeros((4, ROWS), "m8[s]").T,
    "a file": lambda path: in_file(path, "r+"),
    "a file to read": lambda path: in_file(path, "r"),
    "part of a file": lambda path: in_file(path, "c")[5:-5],
    "read-only objects": lambda _: read_only(np.array(texts(), object)),
    "objects in columns": lambda _: np.array(texts(), object).reshape(4, -1).T,
    "objects of many kinds": lambda _: np.array([1, "a", None, [2]] * ROWS, object),
}


def in_file(path: Path, mode: Any) -> Any:
    np.arange(float(ROWS)).tofile(path / "numbers")
    return np.memmap(path / "numbers", float, mode)


def array_seen(array: Any) -> str:
    """What *array* is, and what is in it; then that is changed, if it may be."""
    flags = array.flags
    layout = flags.c_contiguous, flags.f_contiguous, flags.aligned, flags.writeable
    parts = (array.data, array.mask) if hasattr(array, "mask") else (array,)
    content = [np.asarray(part).tolist() for part in parts]
    found = f"{type(array)} {array.dtype} {array.shape} {layout} {content}"
    if flags.writeable:
        array[:2] = array[-1:]
    return hashlib.md5(found.encode()).hexdigest()


@pytest.mark.parametrize("kind", ARRAYS)
def test_an_array_is_of_the_same_kind_in_a_task(kind: str, tmp_path: Path) -> None:
    """Of the type, the layout, and with the flags that a pickle of it gives."""
    array = ARRAYS[kind](tmp_path)
    expected = array_seen(pickle.loads(pickle.dumps(array, 5)))
    tasks = [Task.of(array_seen, array) for _ in range(4)]
    tasks += [Task.of(held_array_seen, {"array": array, "n": n}) for n in range(4)]

    assert execute_tasks_in_parallel(tasks, 2, True) == [expected] * 8
    assert array_seen(pickle.loads(pickle.dumps(array, 5))) == expected


def held_array_seen(holder: dict[str, Any]) -> str:
    return array_seen(holder["array"])


def held_by(data: Any) -> dict[str, Callable[[int], Task[float]]]:
    """How a task may hold *data*, an array that is changed meanwhile."""
    model, job = Model(data), Job(data)
    return {
        "dictionary": lambda n: Task(first_of, {"holder": {"data": data}}),
        "the same dictionary": lambda n, d={"data": data}: Task(  # type: ignore[misc]  # a default
            first_of, {"holder": d}
        ),
        "tuple": lambda n: Task(first_of, {"holder": (data, n)}),
        "object": lambda n: Task(first_of, {"holder": job}),
        "object with a state of its own": lambda n: Task(
            first_of, {"holder": Dropping(data)}
        ),
        "frame": lambda n: Task(first_of, {"holder": pd.DataFrame(data, copy=False)}),
        "method": lambda n: Task.of(first_alone, model, n),
        "partial": lambda n: Task(partial(first_of, {"data": data})),
    }


def first_alone(model: Model, number: int) -> float:
    return model.first(number)[1]


HOLDERS = list(held_by(np.zeros(1)))


@pytest.mark.parametrize("kind", HOLDERS)
def test_an_array_that_is_used_again_for_each_task(kind: str) -> None:
    """A generator may fill one array anew: each task has what was in it."""
    data = np.zeros((ROWS, 1))
    make = held_by(data)[kind]

    def tasks() -> Iterator[Task[float]]:
        for number in range(12):
            data[:] = number
            yield make(number)

    stream = execute_tasks_in_parallel_streaming(tasks(), 2, True, chunksize=1)

    assert [value for _, value in stream] == list(range(12))


@pytest.mark.parametrize("kind", HOLDERS)
def test_what_the_body_of_a_loop_has_changed(kind: str) -> None:
    """Tasks of a list that are handed out later see what a stream's reader did."""
    data = np.zeros((ROWS, 1))
    make = held_by(data)[kind]
    tasks = [make(number) for number in range(40)]
    found: list[float] = []

    stream = execute_tasks_in_parallel_streaming(tasks, 1, True, chunksize=1)
    for number, value in stream:
        found.append(value)
        data[:] = number + 1

    assert found == sorted(found)
    assert all(value <= number for number, value in enumerate(found))
    assert found[-1] > 0


def test_what_a_function_that_watches_has_changed() -> None:
    """Also in a call that gives a list."""
    data = np.zeros(ROWS)
    calls = 0

    def watch(progress: Progress) -> None:
        nonlocal calls
        calls += 1
        data[:] = calls

    tasks = [Task(slow_first, {"holder": {"data": data}}) for _ in range(8)]
    found = execute_tasks_in_parallel(tasks, 1, True, progress=watch, chunksize=1)

    assert found == sorted(found)
    assert found[-1] > found[0]


def slow_first(holder: dict[str, Any]) -> float:
    import time

    time.sleep(0.06)  # a watcher is called once in 0.05 s
    return first_of(holder)


def test_what_is_new_each_time_it_is_pickled_is_new_in_each_task() -> None:
    """Its array is sent once, and each task has a number of its own."""
    tickets = Tickets(array(Random(1)))

    found = execute_tasks_in_parallel([Task(drawn, {"ticket": tickets})] * 20, 2, True)

    assert len(set(found)) == 20
    assert max(found) <= tickets.drawn


def drawn(ticket: Tickets) -> int:
    return ticket.drawn


@pytest.mark.parametrize("kind", [Stamping, StampingItems])
def test_what_writes_into_its_array_when_it_is_pickled(kind: Any) -> None:
    """Each task has the array as it was when that was done for it."""
    data = np.zeros(ROWS)
    stamping = StampingItems(data=data) if kind is StampingItems else Stamping(data)
    tasks = [Task(first_of, {"holder": stamping}) for _ in range(20)]

    found = execute_tasks_in_parallel(tasks, 2, True)

    assert len(set(found)) == 20
    assert max(found) <= data[0]


# What is sent.


TURN = object()
COUNT = 12


def holding(data: Any) -> dict[str, tuple[Callable[..., Task[Any]], int]]:
    """Tasks that hold *data*, an array of 8 MB, and how often they hold it."""
    model = Model(data)
    nested = {"x": data, "y": [data[: len(data) // 2]]}
    of_frame = pd.DataFrame({"a": data, "b": data})
    index = pd.Index(data)
    categories = pd.Categorical.from_codes(data.astype("i4") % 9, range(9))
    mixed = of_frame.assign(t=pd.date_range("2020", periods=len(data), freq="s"))
    return {
        "dictionary": (lambda n: Task(seen, {"d": nested}), 2),
        "new dictionary": (lambda n: Task(seen, {"d": {"x": data, "n": n}}), 1),
        "tuple": (lambda n: Task(seen, positional=((data, n),)), 1),
        "dataclass": (lambda n: Task(seen, {"d": Job(data, n)}), 1),
        "own state": (lambda n: Task(seen, {"d": Dropping(data)}), 1),
        "method": (lambda n: Task.of(model.first, n), 1),
        "method with a list": (lambda n: Task.of(model.seen, [n]), 1),
        "partial": (lambda n: Task(partial(seen, data, n)), 1),
        "closure": (lambda n: Task(lambda: first(data) + n), 1),
        "frame": (lambda n: Task.of(seen, of_frame), 2),
        "frame with times": (lambda n: Task.of(seen, mixed), 3),
        "part of a frame": (lambda n: Task.of(seen, of_frame[["b"]]), 1),
        "index": (lambda n: Task.of(seen, [index]), 1),
        "categories": (lambda n: Task.of(seen, [categories]), 1),
    }


@pytest.mark.parametrize("kind", list(holding(np.zeros(1))))
def test_an_array_is_sent_once_whoever_holds_it(kind: str) -> None:
    """In each turn of the caller nothing is written that has been written before."""
    data = np.arange(float(MILLION))
    make, times_held = holding(data)[kind]
    sent = Sent()
    tasks = [make(number) for number in range(COUNT)]

    first_time = sent.bytes_for(tasks, TURN)

    assert first_time <= 1.1 * times_held * data.nbytes
    assert sent.through_the_link < 200_000
    again = sent.bytes_for([make(number) for number in range(COUNT)], object())
    assert again < 0.1 * data.nbytes


def test_what_has_changed_is_sent_again() -> None:
    """And of what is held only that."""
    data, other = np.arange(float(MILLION)), np.arange(2.0 * MILLION)
    task = Task(seen, {"d": {"data": data, "other": other}})
    sent = Sent()
    sent.bytes_for([task], object())
    assert sent.bytes_for([task], object()) == 0
    data[7] = -1

    again = sent.bytes_for([task] * 5, object())

    assert 0.9 * data.nbytes < again < 1.1 * data.nbytes


@pytest.mark.parametrize("dtype", ["str", object], ids=str)
def test_a_column_of_texts_is_packed_once(dtype: Any) -> None:
    """A column is known by the objects in it, also when its frame is another one."""
    frame = pd.DataFrame({"s": pd.Series(texts() * 10, dtype=dtype)})
    sent = Sent()
    once = sent.bytes_for([Task(seen, {"f": frame})], TURN)

    again = sent.bytes_for([Task(seen, {"f": frame.copy(deep=False)})] * 9, TURN)
    changed = frame.copy()
    changed.loc[5, "s"] = "another"
    anew = sent.bytes_for([Task(seen, {"f": changed})], TURN)

    assert once > 100_000
    assert again == 0
    assert anew > 0.9 * once


def test_what_has_no_buffers_is_packed_once_in_a_turn() -> None:
    """A dictionary that holds a long list is captured when it comes again."""
    records = {"records": [{"n": n, "text": f"{n}"} for n in range(20_000)], "n": 1}
    sent = Sent()
    tasks: list[Task[Any]] = [Task(seen, {"r": records})] * COUNT
    size = len(pickle.dumps(records, 5))

    assert sent.bytes_for(tasks, TURN) < 2.2 * size
    assert sent.bytes_for(tasks, TURN) == 0
    assert sent.bytes_for(tasks, object()) == 0  # looked at, and it is the same
    records["n"] = 2
    assert 0.9 * size < sent.bytes_for(tasks, object()) < 1.2 * size


def test_arrays_of_one_memory_are_two_in_the_task() -> None:
    """As in a pickle: what is written to one is not seen in the other."""
    whole = np.zeros(ROWS)
    views = {"one": whole[:], "other": whole[:]}
    tasks = [Task(write_to_one, {"views": views})] * 3

    assert execute_tasks_in_parallel(tasks, 1, True) == [(1.0, 0.0)] * 3


def write_to_one(views: dict[str, Any]) -> tuple[float, float]:
    views["one"][0] = 1
    return float(views["one"][0]), float(views["other"][0])


def test_a_task_may_hold_more_arrays_than_a_message_has_descriptors() -> None:
    """Each of them was sent by itself, with an earlier task."""
    arrays = [np.full(ROWS, float(number)) for number in range(MOST_SEGMENTS * 5)]
    tasks: list[Task[Any]] = [Task(first_of, {"holder": [each]}) for each in arrays]
    tasks.append(Task(firsts, {"holder": {"all": arrays}}))

    *found, of_all = execute_tasks_in_parallel(tasks * 2, 2, True)[: len(tasks)]

    assert found == list(range(len(arrays)))
    assert of_all == found


def firsts(holder: dict[str, list[Any]]) -> list[float]:
    return [first(each) for each in holder["all"]]


def test_without_segments_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no descriptors can be sent, all of it goes through the link."""
    monkeypatch.setattr(segments, "ARE_AVAILABLE", False)
    thing = {"frame": frame(Random(1), s=texts(), t=times()), "n": 1}
    tasks = [Task(seen, {"thing": thing}) for _ in range(5)]

    assert set(execute_tasks_in_parallel(tasks, 2, True)) == {in_one_piece(tasks[0])}


# What is kept.


def test_nothing_is_held_after_a_call() -> None:
    """Arrays, columns and what was captured go when the caller lets go of them."""
    data = array(Random(1))
    thing = {"data": data, "texts": objects(texts()).to_numpy(), "n": [*range(50_000)]}
    tasks = [Task(seen, {"thing": thing})] * 5
    execute_tasks_in_parallel(tasks, 2, True)
    gone = [weakref.ref(data), weakref.ref(thing["texts"])]

    del data, thing, tasks
    gc.collect()

    assert [each() for each in gone] == [None, None]


def test_what_is_made_for_one_task_each_does_not_pile_up() -> None:
    """A stream of frames lets go of them."""
    alive: list[weakref.ref[Any]] = []
    most = 0

    def tasks() -> Iterator[Task[float]]:
        nonlocal most
        for number in range(60):
            data = np.full(MILLION, float(number))
            alive.append(weakref.ref(data))
            most = max(most, sum(each() is not None for each in alive))
            yield Task(first_of, {"holder": {"data": data}})

    stream = execute_tasks_in_parallel_streaming(tasks(), 2, True)

    assert [value for _, value in stream] == list(range(60))
    assert most < 40


def test_what_is_not_known_again_is_not_held() -> None:
    """A buffer of which nobody can tell where it is may be resized during the call."""

    class Raw:
        def __init__(self) -> None:
            self.data = bytearray(100_000)

        def __reduce_ex__(self, protocol: Any) -> Any:
            return bytes, (pickle.PickleBuffer(self.data),)

    sent, raw = Sent(), Raw()
    assert sent.bytes_for([Task(seen, {"raw": raw})], TURN) >= 100_000
    raw.data.extend(b"more")
    assert sent.bytes_for([Task(seen, {"raw": raw})], TURN) >= 100_004


def buffers_of(*things: Any) -> list[pickle.PickleBuffer]:
    found: list[pickle.PickleBuffer] = []
    pickle.dumps(things, 5, buffer_callback=found.append)
    return found


def test_of_many_buffers_the_last_ones_are_kept() -> None:
    """What cannot come again goes first, then what was not used for longest."""
    store = LargeBuffers()
    held = [np.zeros(ROWS) for _ in range(KEPT // 2)]
    for data in held:
        store.placed(buffers_of(data), TURN)
    for _ in range(KEPT):
        store.placed(buffers_of(np.zeros(ROWS)), TURN)
    before = store.written

    store.placed(buffers_of(*held[-MOST_SEGMENTS + 1 :]), TURN)

    assert store.written == before
    assert len(store.kept) <= KEPT
    assert len(store.bundles) == len(store.kept)
    assert len(store.places) <= 4 * KEPT


def test_the_place_of_a_buffer_is_never_that_of_another() -> None:
    """Thousands come and go, and each is sent as what it is."""
    store = LargeBuffers()
    for number in range(1000):
        ((segment, begin, size),) = store.placed(
            buffers_of(np.full(ROWS, float(number))), TURN
        )
        content = memoryview(segment.memory())[begin : begin + size]
        assert np.frombuffer(content)[0] == number


# What is said.


def long_list() -> dict[str, Any]:
    return {"numbers": [*range(MILLION, 4 * MILLION)]}


def length(records: Any, number: int = 0) -> int:
    records = records[0] if isinstance(records, tuple) else records
    return len(records["numbers"])


def warned(caplog: pytest.LogCaptureFixture, tasks: Any) -> list[str]:
    with caplog.at_level(logging.WARNING, "cotality"):
        execute_tasks_in_parallel(tasks, 2, True)
    return [record.getMessage() for record in caplog.records]


def test_what_is_pickled_for_each_task_is_named_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With its argument, its size, and `share`."""
    records = long_list()

    said = warned(caplog, (Task.of(length, records, n) for n in range(8)))

    assert len(said) == 1
    assert "argument 'records' of length, a dict," in said[0]
    assert "MB" in said[0]
    assert "share(" in said[0]


def test_what_is_inside_of_new_arguments_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It cannot be captured, because each task has another argument."""
    records = long_list()

    said = warned(caplog, [Task(length, {"records": (records, n)}) for n in range(8)])

    assert len(said) == 1
    assert "an item of argument 'records' of length, a dict," in said[0]


@pytest.mark.parametrize("how", ["method", "closure"])
def test_a_function_that_holds_much_is_named(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """If it is another one for each task; once, and with `share`."""
    model, records = Model(long_list()), long_list()
    tasks: dict[str, Callable[[int], Task[int]]] = {
        "method": lambda n: Task.of(model.number, n),
        "closure": lambda n: Task(lambda: length(records, n)),
    }

    said = warned(caplog, (tasks[how](n) for n in range(8)))

    assert len(said) == 1
    assert ("Model.number" if how == "method" else "<lambda>") in said[0]
    assert "share()" in said[0]


@pytest.mark.parametrize("how", ["list", "shared", "array", "own", "method"])
def test_what_is_sent_once_is_not_named(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor what each task has for itself alone."""
    records = long_list()
    model = Model(records)
    tasks: dict[str, Callable[[], Any]] = {
        "list": lambda: [Task.of(length, records, n) for n in range(8)],
        "shared": lambda: (Task.of(length, share(records), n) for n in range(8)),
        "array": lambda: (
            Task(first_of, {"holder": {"data": d}}) for d in [np.ones(2 * MILLION)] * 8
        ),
        "own": lambda: (Task.of(length, long_list(), n) for n in range(4)),
        "method": lambda: [Task.of(model.number, n) for n in range(8)],
    }

    assert warned(caplog, tasks[how]()) == []


def rows(count: int) -> list[list[int]]:
    return [[number] for number in range(count)]


def rows_of(rows: Any, number: int = 0) -> int:
    return len(rows) + number


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies are worth a word as soon as there are many."""
    monkeypatch.setattr(heavy, "WORTH_SHARING", LARGE)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("how", ["argument", "method"])
def test_what_workers_copy_for_each_task_is_named(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Packed once, but loaded for each of many tasks: slow, though it need not be."""
    records = rows(LARGE)
    model = Model({"rows": records})
    tasks: dict[str, Callable[[int], Task[int]]] = {
        "argument": lambda n: Task.of(rows_of, records, n),
        "method": lambda n: Task.of(model.number, n),
    }

    said = warned(caplog, [tasks[how](n) for n in range(2 * MANY_COPIES)])

    assert len(said) == 1
    named = {
        "argument": "argument 'rows' of rows_of, a list, is copied for each task",
        "method": "Model.number holds much, and each task gets a copy of that",
    }
    assert named[how] in said[0]
    assert "share(" in said[0]


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("how", ["shared", "numbers", "array", "few", "method"])
def test_copies_that_cost_little_are_not_named(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor those for a few tasks: they may take long themselves."""
    records, numbers, data = rows(LARGE), [*range(LARGE)], np.ones(LARGE)
    shared, model = share(records), Model(data)
    tasks: dict[str, Callable[[int], Task[Any]]] = {
        "shared": lambda n: Task.of(rows_of, shared, n),
        "numbers": lambda n: Task.of(rows_of, numbers, n),
        "array": lambda n: Task.of(rows_of, data, n),
        "few": lambda n: Task.of(rows_of, records, n),
        "method": lambda n: Task.of(model.number, n),
    }
    count = MANY_COPIES - 1 if how == "few" else 2 * MANY_COPIES

    assert warned(caplog, [tasks[how](n) for n in range(count)]) == []


# Results.


def a_frame(rows: int) -> Any:
    return pd.DataFrame({"a": np.arange(float(rows)), "s": ["x"] * rows})


@pytest.mark.parametrize("rows", [10, MILLION // 2])
def test_a_frame_that_comes_back_is_the_callers_own(rows: int) -> None:
    """It may be written to, and its memory is gone when it is dropped."""
    one, other = execute_tasks_in_parallel([Task.of(a_frame, rows)] * 2, 2, True)
    before = len(segments.mappings)
    one.loc[0, "a"] = 5.0
    one["new"] = one["a"].to_numpy()

    assert (one.loc[0, "a"], other.loc[0, "a"]) == (5.0, 0.0)
    pd.testing.assert_frame_equal(other, a_frame(rows))
    del one, other
    gc.collect()
    assert len(segments.mappings) < before or rows == 10


# Blocks of rows.

BLOCKED: dict[str, Callable[[], Any]] = {
    "frame": lambda: pd.DataFrame(np.arange(40_000.0).reshape(-1, 4)),
    "mixed frame": lambda: frame(Random(1), s=texts(), t=times(), o=objects(texts())),
    "series": lambda: pd.Series(np.arange(40_000.0)),
    "array": lambda: np.arange(80_000.0).reshape(-1, 4),
    "fortran": lambda: np.asfortranarray(np.arange(80_000.0).reshape(-1, 4)),
    "times": lambda: times().to_numpy().reshape(-1, 2).copy("F"),
    "index": lambda: pd.Index(np.arange(40_000)),
    "list": lambda: [*range(1000)],
    "text": lambda: "abcdefghij",
}


@pytest.mark.parametrize("blocks", [1, 3, 8])
@pytest.mark.parametrize("kind", BLOCKED)
def test_blocks_are_the_rows_in_their_order(kind: str, blocks: int) -> None:
    """In the caller, and in tasks on processes, which may write to them."""
    data = BLOCKED[kind]()
    found = split(data, blocks)
    sizes = [len(each) for each in found]

    assert len(found) == blocks
    assert sum(sizes) == len(data)
    assert max(sizes) - min(sizes) <= 1
    assert {type(each) for each in found} == {type(data)}
    expected = [in_one_piece(Task(rows_seen, {"block": each})) for each in found]
    tasks = [Task(rows_seen, {"block": each}) for each in found] * 2
    assert execute_tasks_in_parallel(tasks, 2, True) == expected * 2
    assert [rows_seen(each) for each in split(BLOCKED[kind](), blocks)] == expected


def rows_seen(block: Any) -> str:
    """What is in *block*, whatever its layout in memory."""
    found = repr(block.tolist() if hasattr(block, "tolist") else None)
    if hasattr(block, "columns"):
        found = repr([block[column].tolist() for column in block.columns])
        block.iloc[:5, 0] = -1.0
    elif isinstance(block, np.ndarray):
        block[:2] = block[2:3]
    elif isinstance(block, list | str):
        found = repr(block)
    return found


@pytest.mark.parametrize("kind", ["frame", "array", "fortran", "times"])
def test_the_memory_of_blocks_is_sent_once(kind: str) -> None:
    """However many blocks, and however often."""
    data = BLOCKED[kind]()
    if kind == "times":
        data = np.repeat(data, 50, axis=0)
    else:
        data = (
            pd.concat([data] * 20, ignore_index=True)
            if kind == "frame"
            else np.tile(data, (20, 1))
        )
    if kind in ("fortran", "times"):
        data = np.asfortranarray(data)
    size = data.nbytes if kind != "frame" else int(data.memory_usage(index=False).sum())
    sent = Sent()
    tasks: list[Task[Any]] = [
        Task(rows_seen, {"block": each}) for each in split(data, 8)
    ]

    assert sent.bytes_for(tasks * 3, TURN) < 1.2 * size + 300_000
    assert sent.through_the_link < 200_000


def test_there_are_no_empty_blocks_but_of_nothing() -> None:
    """So what puts results together always has at least one."""
    assert split([1, 2], 8) == [[1], [2]]
    assert split([], 8) == [[]]
    assert [len(each) for each in split(pd.DataFrame({"a": []}), 3)] == [0]
    assert len(split([*range(1000)])) > 1


@pytest.mark.parametrize("thing", [3, {"a": 1}, np.float64(3), iter([1]), {1, 2}])
def test_what_has_no_rows_is_refused(thing: Any) -> None:
    """With what it is."""
    with pytest.raises(TypeError, match=type(thing).__name__):
        split(thing, 2)


@pytest.mark.parametrize("blocks", [0, -1, 2.5, "3"])
def test_blocks_are_counted_from_one(blocks: Any) -> None:
    """As other counts are."""
    with pytest.raises((ValueError, TypeError), match="blocks"):
        split([1, 2, 3], blocks)


def test_groups_of_a_frame_are_items() -> None:
    """What `groupby` gives is a key and a frame for each group."""
    data = frame(Random(1))
    data["k"] = np.arange(len(data)) % 7
    groups = data.groupby("k")

    found = execute_tasks_in_parallel(
        (Task.of(mean_of, *item) for item in groups), 2, True
    )

    assert found == [mean_of(*item) for item in groups]


def mean_of(key: int, group: Any) -> tuple[int, float]:
    return key, float(group["a"].mean())
