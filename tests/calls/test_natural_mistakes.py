"""Mistakes that people make, each with its answer."""

from __future__ import annotations

import ast
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cotality import parallel, pmap, pmap_iter, run_tasks, share
from cotality.core.utils._process.call.options.wrong_names import meant
from cotality.core.utils.process import (
    DeadLetters,
    Journal,
    RunReport,
    Task,
    execute_tasks_in_parallel,
    iter_outcomes,
    iter_outcomes_async,
    replay,
    worker_state,
)
from cotality.tuning import (
    DeadLetterQueue,
    Plan,
    configure_logging,
    execute,
    managed_pool,
    optimize,
    validate_optimization,
)
from tests.kit.helpers import Failure

pytestmark = pytest.mark.one_python


def power(base: int, exponent: int) -> int:
    return int(base**exponent)


def first_row(frame: Any) -> Any:
    return frame.sort_values("x")


def notes_of(call: Callable[[], object]) -> list[str]:
    with pytest.raises((TypeError, AttributeError)) as caught:
        call()
    return list(caught.value.__notes__)


@pytest.mark.parametrize("processes", [False, True, "auto"])
@pytest.mark.parametrize("run", [pmap, execute], ids=["pmap", "execute"])
def test_a_tuple_for_several_arguments(run: Any, processes: Any) -> None:
    """The note says what unpacks it."""
    notes = notes_of(lambda: run(power, [(2, 3)], processes=processes))

    assert notes[0].startswith("Raised by task 0: power((2, 3))")
    assert notes[1] == (
        "Its only argument is a tuple: to give its parts one by one, unpack=True calls "
        "power(*item)."
    )


@pytest.mark.parametrize(
    ("function", "item", "text"),
    [
        (pow, (2, 3), "unpack=True calls pow(*item)"),
        (power, [2, 3], "unpack=True calls power(*item)"),
        (power, {"base": 2, "exponent": 3}, "unpack=True calls power(**item)"),
        (first_row, ("key",), "unpack=True calls first_row(*item)"),
        (lambda: 1, (), "unpack=True"),
    ],
)
def test_other_things_for_several_arguments(
    function: Any, item: Any, text: str
) -> None:
    """Also functions written in C, and groups of a data frame."""
    assert any(text in note for note in notes_of(lambda: pmap(function, [item])))


def only_frame(frame: Any) -> Any:
    return frame.sort_values("x")


@pytest.mark.parametrize("run", [pmap, execute], ids=["pmap", "execute"])
def test_groups_for_a_function_of_a_frame(run: Any) -> None:
    """They are pairs of a key and a frame; the note says how to give only the frame."""
    pandas = pytest.importorskip("pandas")
    groups = pandas.DataFrame({"k": ["a", "b"], "x": [1, 2]}).groupby("k")

    assert notes_of(lambda: run(only_frame, groups))[1] == (
        "Its only argument is a tuple, and item[1], a DataFrame, has 'sort_values': to "
        "give only that, (item[1] for item in items)."
    )


def test_a_part_for_a_task_of_one_argument() -> None:
    """A part of a mapping has a name; two that would do are no advice."""
    task = Task.of(only_frame, {"name": "a", "frame": Sortable()})
    (_, note) = notes_of(lambda: execute_tasks_in_parallel([task]))

    assert note.endswith("to give only that, Task.of(only_frame, item['frame']).")
    task = Task.of(only_frame, (Sortable(), Sortable()))
    assert len(notes_of(lambda: execute_tasks_in_parallel([task]))) == 1


class Sortable:
    def sort_values(self, by: str) -> str:
        return by


def test_a_task_has_another_way_to_say_it() -> None:
    """It has no such option."""
    notes = notes_of(lambda: execute_tasks_in_parallel([Task.of(power, (2, 3))]))

    assert notes[1].endswith("one by one, Task.of(power, *item).")


@pytest.mark.parametrize(
    ("function", "item"),
    [
        (power, (1, 2, 3)),  # would not fit either
        (power, 2),  # no tuple
        (len, 3),  # no call with too few
        (lambda item: item.missing, object()),
    ],
)
def test_no_advice_where_it_would_not_help(function: Any, item: Any) -> None:
    """One note, as ever."""
    assert len(notes_of(lambda: pmap(function, [item]))) == 1


def count_up(limit: int) -> Iterator[int]:
    yield from range(limit)


class Counter:
    def count(self, limit: int) -> Iterator[int]:
        yield from range(limit)


@pytest.mark.parametrize(
    "function",
    [count_up, functools.partial(count_up, 3), Counter().count],
    ids=["function", "partial", "method"],
)
def test_a_generator_in_the_place_of_a_function(function: Any) -> None:
    """On threads it would have given generators that nobody runs."""
    text = "a generator: to call it runs nothing of it"
    for call in (
        lambda: run_tasks([Task.of(function, 3)], processes=False),
        lambda: execute_tasks_in_parallel(iter([Task.of(function, 3)])),
        lambda: pmap(function, [3]),
        lambda: list(pmap_iter(function, [3])),
        lambda: execute(function, [3]),
    ):
        with pytest.raises(TypeError, match=text):
            call()


def test_a_generator_may_make_the_state_of_a_worker() -> None:
    """There the rest of it runs at the end."""
    assert worker_state(count_up) is not None


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ({"a": 1}, r"must not be a mapping, got \{'a': 1\}.*d.items\(\) with unpack"),
        ("abc", "must not be a text, got 'abc': its items would be single characters"),
        (b"abc", "must not be a text"),
        (3, "must be an iterable, got 3"),
    ],
)
def test_data_that_is_something_else(items: Any, text: str) -> None:
    """It names the way to say what was meant."""
    for run in (pmap, pmap_iter):
        with pytest.raises(TypeError, match=text):
            run(str, items)


@pytest.mark.parametrize(
    ("items", "text"),
    [
        (
            {"a": 1},
            r"data is a mapping, \{'a': 1\}: its items are its keys\. Say which",
        ),
        ("abc", "data is a text, 'abc': its items are single characters"),
    ],
)
@pytest.mark.parametrize("verbose", [False, True])
def test_who_has_always_taken_it_warns(items: Any, text: str, *, verbose: bool) -> None:
    """At the line of the caller, however deep the call went."""
    with pytest.warns(UserWarning, match=text) as seen:
        assert execute(str, items, verbose=verbose) == list(items)

    assert [each.filename for each in seen] == [__file__]


def test_a_data_frame_is_no_list_of_rows() -> None:
    """A loop over it gives the names of its columns."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x": [1, 2], "y": [3, 4]})

    with pytest.raises(TypeError, match=r"names of its columns.*df\.itertuples\(index"):
        pmap(str, frame)
    rows = frame.itertuples(index=False)
    assert pmap(power, rows, unpack=True) == [1, 16]


def test_a_frame_of_another_library_is_no_list_of_rows_either() -> None:
    """A loop over it gives its columns; it is known by what it has, not by its name."""
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"x": [1, 2], "y": [3, 4]})

    with pytest.raises(TypeError, match=r"a DataFrame, .* its columns.*df\.rows\(\)"):
        pmap(str, frame)
    assert pmap(power, frame.rows(), unpack=True) == [1, 16]
    assert pmap(abs, frame["x"]) == [1, 2]  # a column is a list of its values


def test_items_before_the_function() -> None:
    """Or tasks where a function belongs."""
    with pytest.raises(TypeError, match="It comes before the data"):
        pmap([1, 2], abs)  # type: ignore[call-overload]  # that is the mistake
    with pytest.raises(TypeError, match=r"run_tasks\(tasks\) runs tasks"):
        pmap(Task.of(abs, 1), [])  # type: ignore[call-overload]  # as above


def test_iterables_of_different_lengths() -> None:
    """Nothing is left out in silence; an endless one may go with any other."""
    with pytest.raises(ValueError, match="have 1, 2 items, and each call takes one"):
        pmap(power, [1], [1, 2])
    with pytest.raises(ValueError, match="unpack=True takes one iterable"):
        pmap(power, [1], [1], unpack=True)  # type: ignore[call-overload]  # the mistake
    assert pmap(power, [1, 2], iter([1, 2, 3])) == [1, 4]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *(("n_job", "n_jobs"), ("max_worker", "max_workers"), ("backend", "processes")),
        *(("desc", "progress"), ("chunk_size", "chunksize"), ("verbose", "progress")),
        *(("use_process", "use_processes"), ("num_workers", "workers")),
        *(("maxtasksperchild", "max_tasks_per_worker"), ("prefer", "processes")),
        *(("progress_bar", "progress"), ("worker_lifespan", "max_tasks_per_worker")),
        *(("task_timeout", "timeout"), ("batch_size", "chunksize")),
        *(("return_exceptions", "on_error"), ("checkpoint", "journal")),
    ],
)
def test_words_of_other_libraries(name: str, meant: str) -> None:
    """The message names the word of this one."""
    with pytest.raises(TypeError, match=f"'{name}'. Did you mean '{meant}'"):
        pmap(abs, [1], **{name: 1})  # type: ignore[call-overload]  # the mistake


@pytest.mark.parametrize("name", ["on_error", "unpack", "ordered"])
def test_what_only_a_call_of_a_decorated_function_takes(name: str) -> None:
    """The decorator says where it belongs, and does not offer what it refuses."""
    with pytest.raises(TypeError, match=f"no option '{name}' of the decor") as caught:
        parallel(**{name: "return"})  # type: ignore[call-overload]  # the mistake
    with pytest.raises(TypeError) as at_once:
        parallel(abs, **{name: "return"})

    assert (
        f"f.map{'_iter' * (name == 'ordered')}(items, {name}=...)" in f"{caught.value}"
    )
    assert name not in str(caught.value).partition("The options are:")[2]
    assert str(at_once.value) == str(caught.value)


@pytest.mark.parametrize("name", ["processes", "use_processes", "executor", "backend"])
def test_a_manager_has_processes_and_nothing_else(name: str) -> None:
    """The message says so, and guesses at no other word."""
    with (
        managed_pool(workers=1) as manager,
        pytest.raises(TypeError, match=f"'{name}'. All tasks of a man") as caught,
    ):
        manager.execute(abs, [-1], **{name: True})  # type: ignore[call-overload]  # wrong

    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize("name", ["processes", "use_processes", "executor", "backend"])
@pytest.mark.parametrize("run", [optimize, validate_optimization])
def test_a_plan_says_where(run: Any, name: str) -> None:
    """So nobody can tell it that, and the message guesses at no other word."""
    with pytest.raises(TypeError, match=f"'{name}'. The plan says where") as caught:
        run(abs, range(3), **{name: True})

    assert "Did you mean" not in str(caught.value)


def test_a_word_that_is_known_is_not_taken_for_another() -> None:
    """Where a function has nothing of its kind, nothing is meant."""
    assert meant("processes", ["progress", "retries"]) == ""
    assert meant("progres", ["progress", "retries"]) == " Did you mean 'progress'?"


@pytest.mark.parametrize("name", ["on_error", "return_exceptions"])
@pytest.mark.parametrize("run", [iter_outcomes, iter_outcomes_async, replay])
def test_outcomes_have_their_failures(run: Any, name: str) -> None:
    """So nothing is to be said about them, and the message says why."""
    tasks = "failed.jsonl" if run is replay else [Task.of(abs, -1)]
    with pytest.raises(TypeError, match="Each outcome has its failure"):
        run(tasks, **{name: "return"})


@pytest.mark.parametrize("option", [{"desc": "x"}, {"retries": -1}, {"workers": 0}])
def test_a_mistake_in_a_replay_of_nothing(option: Any, tmp_path: Path) -> None:
    """It is one even if there is no file yet, because nothing has failed so far."""
    assert replay(tmp_path / "failed.jsonl") == []
    with pytest.raises((TypeError, ValueError), match=next(iter(option))):
        replay(tmp_path / "failed.jsonl", **option)


def test_the_older_word_for_failures_that_are_returned() -> None:
    """The message has the whole of the newer one."""
    with pytest.raises(TypeError, match=r"'on_error'\? \(on_error='return'\.\)"):
        pmap(abs, [1], return_exceptions=True)  # type: ignore[call-overload]  # old


def test_what_is_shared_is_shown_in_one_line() -> None:
    """It is large, and a prompt prints it."""
    assert repr(share([1] * 10_000)) == "share([1, 1, 1, 1, 1, 1, ...])"
    assert len(repr(share("x" * 10_000))) < 80


def test_every_word_that_is_known_leads_to_an_option() -> None:
    """None of them to one that there is not."""
    from cotality.core.utils._process.call.options.declared import MapOptions
    from cotality.core.utils._process.call.options.wrong_names import (
        KNOWN,
        VALUES,
        meant,
    )

    there = {*MapOptions.__annotations__, "on_error", "ordered", "unpack"}
    there |= {"return_exceptions", "batch_size", "max_memory_mb", "verbose"}
    for name, options in KNOWN.items():
        assert set(options) <= there, name
        assert meant(name, sorted(there)).startswith(" Did you mean ")
    for name, values in VALUES.items():
        assert set(values) <= set(KNOWN[name])


# A Ctrl-C.

STRUCK = """
import os, signal, sys, threading, time, traceback
from pathlib import Path
from cotality.core.utils.process import *
from cotality.tuning import execute

def work(seconds):
    Path("begun").touch()
    time.sleep(seconds)

def place():
    frame = sys._current_frames()[threading.main_thread().ident]
    return id(frame), frame.f_lasti

def press():
    while not Path("begun").exists():
        time.sleep(0.01)
    seen = [place()]
    while len(seen) < 3 or len(set(seen[-3:])) > 1:  # until the caller only waits
        time.sleep(0.05)
        seen.append(place())
    os.kill(os.getpid(), signal.SIGINT)

def main():
    {call}

if __name__ == "__main__":
    threading.Thread(target=press).start()
    try:
        main()
    except KeyboardInterrupt as error:
        frames = traceback.extract_tb(error.__traceback__)
        print([(f.filename.rpartition("/")[2], f.name) for f in frames])
"""

CALLS = {
    "list": "execute_tasks_in_parallel([Task.of(work, 1.5)] * 2, 2)",
    "processes": "execute_tasks_in_parallel([Task.of(work, 60)] * 2, processes=True)",
    "stream": "list(execute_tasks_in_parallel_streaming([Task.of(work, 1.5)] * 2, 2))",
    "outcomes": "list(iter_outcomes([Task.of(work, 1.5)] * 2, 2))",
    "pmap": "pmap(work, [1.5] * 2, workers=2, processes=False)",
    "auto": "pmap(work, [1.5, 1.5])",
    "execute": "execute(work, [1.5, 1.5])",
    "loop": "execute(work, [1.5, 1.5], executor='sequential')",
    "inline": "execute_tasks_in_parallel([Task.of(work, 1.5)], inline=True)",
}


@pytest.mark.skipif(os.name == "nt", reason="such a signal ends a program there")
@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c_shows_the_lines_of_the_user(call: str, tmp_path: Path) -> None:
    """And few of ours: the function that was called, and what it passed it on to."""
    from tests.kit.helpers import run_script

    printed = run_script(STRUCK.format(call=CALLS[call]), tmp_path)
    frames = ast.literal_eval(printed.splitlines()[-1])

    ours = [each for each in frames if each[0] != "script.py"]
    assert frames[:2] == [("script.py", "<module>"), ("script.py", "main")]
    assert len(ours) <= 3, frames
    in_this_thread = {"auto", "execute", "loop", "inline"}
    if call in in_this_thread:
        assert ("script.py", "work") in frames
    assert Failure  # what tasks raise is shown elsewhere


STRUCK_IN_A_LOOP = """
import asyncio, os, signal, threading, time, traceback
from pathlib import Path
from cotality.core.utils.process import *

def work(_):
    Path("begun").touch()
    time.sleep(60)  # or until its worker is killed

def press():
    while not Path("begun").exists():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)

async def use(results):
    if hasattr(results, "__aiter__"):
        async for _ in results:
            pass
    await results

async def main():
    tasks = [Task.of(work, number) for number in range(2)]
    await use({call})

threading.Thread(target=press).start()
try:
    asyncio.run(main())
except KeyboardInterrupt as error:
    frames = traceback.extract_tb(error.__context__.__traceback__)
    print([f.filename.rpartition("/")[2] for f in frames])
"""

CALLS_IN_A_LOOP = {
    "list": "pmap_async(work, range(2), processes=True)",
    "unordered": "execute_tasks_in_parallel_unordered_async(tasks, processes=True)",
    "stream": "execute_tasks_in_parallel_streaming_async(tasks, processes=True)",
    "outcomes": "iter_outcomes_async(tasks, processes=True, ordered=False)",
}


@pytest.mark.skipif(os.name == "nt", reason="such a signal ends a program there")
@pytest.mark.parametrize("call", CALLS_IN_A_LOOP)
def test_ctrl_c_in_an_event_loop_shows_nothing_of_ours(
    call: str, tmp_path: Path
) -> None:
    """The event loop makes a cancellation of it, which Python prints as well."""
    from tests.kit.helpers import run_script

    script = STRUCK_IN_A_LOOP.format(call=CALLS_IN_A_LOOP[call])
    files = ast.literal_eval(run_script(script, tmp_path).splitlines()[-1])

    assert files[-2:] == ["script.py", "script.py"]  # main and use
    assert {*files} == {"runners.py", "base_events.py", "script.py"}


def test_a_function_and_data_in_each_others_place() -> None:
    """Whichever call it is."""
    for call in (execute, optimize, pmap):
        with pytest.raises(TypeError, match=r"got \[1, 2\]\. It comes before the data"):
            call([1, 2], abs)  # type: ignore[call-overload]  # to be refused


def test_a_function_where_tasks_belong() -> None:
    """It names the call that takes one."""
    with pytest.raises(TypeError, match=r"got <built-in.*>\. pmap\(function, items\)"):
        execute_tasks_in_parallel(abs, 2)  # type: ignore[call-overload]  # to be refused


@pytest.mark.parametrize("path", [5, None, b"x", ""])
@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("path", DeadLetters),
        ("path", DeadLetterQueue),
        ("path", Journal),
        ("path", replay),
        ("path", RunReport().save_html),
        ("path", RunReport().save_trace),
        ("path", Plan.load),
        ("log_file", lambda path: configure_logging(log_file=path or b"")),
    ],
)
def test_what_is_no_path_is_shown(name: str, use: Any, path: Any) -> None:
    """With what it was given for; an empty one is not the folder of the program."""
    with pytest.raises(
        (TypeError, ValueError), match=f"^{name} must be the path of a file, got "
    ):
        use(path)
