"""Data frames, and whatever else holds arrays, as arguments of tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Any

from benchmarks.cases.large import PEERS, WORKERS, timed, warm_up
from benchmarks.contenders import OURS, Call, Contender, Mpire, Ours
from benchmarks.measure import Case, Figure, Samples, at_least_ours, at_most_of_best
from benchmarks.work import Holder, add_up_held, describe_group, sum_of_columns

ROWS, COLUMNS = 500_000, 12  # 48 MB of floats
FRAME_TASKS = 12
MIXED_COLUMNS = 6
HELD_NUMBERS, HELD_TASKS = 12_000_000, 20  # 96 MB
GROUPS, GROUP_ROWS = 400, 1_000

BARE = "(cotality, the bare array)"
LOOP = "(a loop)"
BLOCKS = "cotality, split()"


def floats() -> Any:
    import numpy
    import pandas

    random = numpy.random.default_rng(1)
    return pandas.DataFrame(random.random((ROWS, COLUMNS)))


def mixed() -> Any:
    """Numbers, times, and two columns of texts, one of them as older pandas has it."""
    import pandas

    frame = floats().iloc[:, :MIXED_COLUMNS].copy()
    texts = [f"item {number % 1000}" for number in range(ROWS)]
    frame["text"] = texts
    frame["object"] = pandas.Series(texts, dtype=object)
    frame["time"] = pandas.date_range("2020", periods=ROWS, freq="s")
    return frame


def one_frame(
    contender: type[Contender], make: Callable[[], Any], *, repeats: int = 3
) -> Samples:
    """Seconds until each of some tasks has read the same frame."""
    samples: Samples = defaultdict(list)
    frame = make()
    expected = sum_of_columns(frame)
    with contender(WORKERS, processes=True) as way:
        warm_up(way, sum_of_columns, frame=frame.iloc[:10])
        for _ in range(repeats):
            calls = [(sum_of_columns, {"frame": frame})] * FRAME_TASKS
            prepared = way.prepare(calls)
            results, took, _ = timed(partial(way.run, prepared))
            assert results == [expected] * FRAME_TASKS
            samples["time"].append(took)
    return samples


def held(
    contender: type[Contender],
    make: Callable[[], Sequence[Call]],
    *,
    repeats: int = 3,
) -> Samples:
    """Seconds until each of some tasks has read a part of what holds 96 MB."""
    samples: Samples = defaultdict(list)
    with contender(WORKERS, processes=True) as way:
        warm_up(way, add_up_held, held={"x": array(8)}, number=0)
        for _ in range(repeats):
            prepared = way.prepare(make())
            _, took, _ = timed(partial(way.run, prepared))
            samples["time"].append(took)
            del prepared
    return samples


def array(numbers: int = HELD_NUMBERS) -> Any:
    import numpy

    return numpy.random.default_rng(1).random(numbers)


def by_array() -> Sequence[Call]:
    data = array()
    return [(add_up_held, {"held": data, "number": n}) for n in range(HELD_TASKS)]


def by_dictionary() -> Sequence[Call]:
    """Each task has a dictionary of its own, of the same two arrays."""
    x, y = array(HELD_NUMBERS // 2), array(HELD_NUMBERS // 2)
    return [
        (add_up_held, {"held": {"x": x, "y": y, "n": n}, "number": n})
        for n in range(HELD_TASKS)
    ]


def by_method() -> Sequence[Call]:
    """Each task has a bound method of its own, of the same object."""
    holder = Holder(array())
    return [(holder.add_up, {"number": n}) for n in range(HELD_TASKS)]


# Groups.


def grouped() -> Any:
    import numpy
    import pandas

    random = numpy.random.default_rng(1)
    rows = GROUPS * GROUP_ROWS
    return pandas.DataFrame(
        {
            "key": random.permutation(numpy.repeat(numpy.arange(GROUPS), GROUP_ROWS)),
            "x": random.random(rows),
            "y": random.random(rows),
        }
    )


def groups_of(contender: type[Contender], *, repeats: int = 2) -> Samples:
    """Seconds for all groups, with what it takes to make the groups and the calls."""
    samples: Samples = defaultdict(list)
    frame = grouped()
    with contender(WORKERS, processes=True) as way:
        warm_up(way, describe_group, group=frame.iloc[:50])
        for _ in range(repeats):
            began = perf_counter()
            calls = [(describe_group, {"group": g}) for _, g in frame.groupby("key")]
            results = way.run(way.prepare(calls))
            samples["time"].append(perf_counter() - began)
            assert len(results) == GROUPS
    return samples


def loop_over_groups() -> Samples:
    samples: Samples = defaultdict(list)
    frame = grouped()
    describe_group(frame.iloc[:50])
    for _ in range(2):
        began = perf_counter()
        results = [describe_group(group) for _, group in frame.groupby("key")]
        samples["time"].append(perf_counter() - began)
        assert len(results) == GROUPS
    return samples


# Blocks.


class OursWithSplit(Ours):
    """Our own call over the blocks of a frame, which are made while the clock runs."""

    def prepare(self, calls: Sequence[Call]) -> Any:
        return calls

    def run(self, prepared: Any) -> list[Any]:
        ((function, arguments), *_) = prepared
        (frame,) = arguments.values()
        blocks = self.library.split(frame, len(prepared))
        return super().run(super().prepare([(function, {"frame": b}) for b in blocks]))


def blocks_of_frame(contender: type[Contender], *, repeats: int = 3) -> Samples:
    """Seconds until each block of a frame was read; others cut it by hand."""
    samples: Samples = defaultdict(list)
    frame = floats()
    frame.columns = [f"c{number}" for number in range(COLUMNS)]
    frame = frame.copy()
    with contender(WORKERS, processes=True) as way:
        warm_up(way, sum_of_columns, frame=frame.iloc[:10])
        for _ in range(repeats):
            began = perf_counter()
            results = way.run(way.prepare(calls_over(frame, contender)))
            samples["time"].append(perf_counter() - began)
            assert abs(sum(results) - sum_of_columns(frame)) < 1
    return samples


def calls_over(frame: Any, contender: type[Contender]) -> list[Call]:
    if contender is OursWithSplit:
        return [(sum_of_columns, {"frame": frame})] * FRAME_TASKS
    size = -(-len(frame) // FRAME_TASKS)
    begins = range(0, len(frame), size)
    return [(sum_of_columns, {"frame": frame.iloc[b : b + size]}) for b in begins]


TIME = Figure("time", "s")


def on_all(
    measured: Callable[..., Samples], *given: Any, without: Sequence[type] = ()
) -> dict[str, Callable[[], Samples]]:
    ways = {OURS: Ours, **PEERS}
    return {
        name: partial(measured, contender, *given)
        for name, contender in ways.items()
        if contender not in without
    }


CASES = [
    Case(
        "frame-floats",
        "12 tasks that get the same pandas frame of 48 MB of floats and add it up, on "
        "2 warm processes.",
        on_all(one_frame, floats),
        (TIME,),
        (at_most_of_best("time", 1.0),),
    ),
    Case(
        "frame-mixed",
        "The same with 500,000 rows of floats, times and two columns of texts, one of "
        "which is an array of Python objects.",
        on_all(one_frame, mixed),
        (TIME,),
        (at_most_of_best("time", 1.0),),
    ),
    Case(
        "held-in-a-dictionary",
        "20 tasks, each with a dictionary of its own that holds the same two arrays of "
        "48 MB, of which it reads one number in a thousand. *The bare array* is one of "
        "96 MB, as an argument of its own.",
        {**on_all(held, by_dictionary), BARE: partial(held, Ours, by_array)},
        (TIME,),
        (at_most_of_best("time", 1.0), at_least_ours("time", BARE, 1 / 1.2)),
    ),
    Case(
        "held-by-a-method",
        "20 tasks that are a method of the same object, which holds an array of 96 MB; "
        "the method is written down anew for each task. Mpire takes one function only.",
        {
            **on_all(held, by_method, without=[Mpire]),
            BARE: partial(held, Ours, by_array),
        },
        (TIME,),
        (at_most_of_best("time", 1.0), at_least_ours("time", BARE, 1 / 1.2)),
    ),
    Case(
        "frame-groups",
        "400 groups of 1,000 rows, for each of which a function sorts thirteen times "
        "and fits a polynomial: 1 to 2 ms. The time to make the groups counts.",
        {**on_all(groups_of), LOOP: loop_over_groups},
        (TIME,),
        (at_least_ours("time", LOOP, 1.6), at_most_of_best("time", 1.0)),
    ),
    Case(
        "frame-blocks",
        "A frame of 48 MB in 12 blocks of rows, each added up by a task: with *split* "
        "or, as for the others, cut by hand.",
        {
            BLOCKS: partial(blocks_of_frame, OursWithSplit),
            **on_all(blocks_of_frame),
        },
        (TIME,),
        (at_most_of_best("time", 1.0),),
    ),
]
