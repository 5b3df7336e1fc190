"""What failed for good is kept, and run again as often and as late as a policy says."""

from __future__ import annotations

import datetime
import json
import math
import os
import pickle
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils._process.durable.dead_letters import store
from cotality.core.utils._process.durable.files.seal import sealed
from cotality.core.utils.dead_letters import main
from cotality.core.utils.process import (
    DeadLetters,
    JournalError,
    JournalInUseError,
    Retry,
    Task,
    execute_tasks_in_parallel,
    iter_outcomes,
    replay,
)
from cotality.tuning import DeadLetterQueue, DLQPolicy, execute
from tests.kit.helpers import Failure, Gate, environment_of_scripts, wait_until
from tests.kit.limits import LONG_S


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "failed.jsonl"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of day, which stands still until a test changes it."""
    now = [time.time()]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def load(name: str) -> str:
    if not Path(name).exists():
        raise Failure(f"no {name}")
    return name


def failed_load(queue: DeadLetterQueue, name: object) -> str:
    """Add a call of `load` as a program does that caught its error."""
    try:
        load(str(name))
    except Failure as error:
        return queue.add(load, str(name), error)
    raise AssertionError("it is there")


def errors_of(outcomes: list[Any]) -> list[str]:
    return [str(outcome.error) for outcome in outcomes]


# Adding.


def test_what_failed_is_kept(path: Path, tmp_path: Path) -> None:
    """With its call, its error and the traceback."""
    queue = DeadLetterQueue(path)

    key = failed_load(queue, tmp_path / "x")

    (letter,) = queue.entries()
    assert letter.key == key
    assert letter.call.startswith("load(")
    assert (letter.error, letter.message) == ("Failure", f"no {tmp_path / 'x'}")
    assert 'raise Failure(f"no {name}")' in letter.traceback
    assert (letter.times, letter.retries, letter.attempts) == (1, 0, 1)
    assert len(queue) == 1


def test_tasks_with_any_arguments_can_be_added(path: Path) -> None:
    """And what cannot be pickled can be read."""
    queue = DeadLetterQueue(path)
    lock: Any = threading.Lock()  # Any: to have no length is its failure
    label = queue.add(len, lock, Failure("no length"), label="the lock")
    queue.add_task(Task(max, {"key": len}, positional=("a", "bc")), Failure("?"))

    first, second = queue.entries()
    assert first.key == label == "the lock"
    assert "pickle" in first.unpicklable
    assert second.arguments == {"0": "'a'", "1": "'bc'", "key": repr(len)}
    assert queue.due() == [second]
    assert queue.given_up() == [first]
    assert [outcome.value for outcome in queue.retry()] == ["bc"]
    assert queue.entries() == [first]


def test_a_file_that_is_not_there_is_an_empty_queue(path: Path) -> None:
    """Nothing of this is an error, or makes a file."""
    queue = DeadLetterQueue(path)

    assert (queue.entries(), queue.due(), queue.retry(), queue.purge()) == ([],) * 4
    assert len(queue) == 0
    assert not queue
    assert not path.exists()


def test_tracebacks_can_be_left_out(path: Path, tmp_path: Path) -> None:
    """However a letter comes: added, from a run, or after a retry."""
    queue = DeadLetterQueue(path, DLQPolicy(include_traceback=False))
    failed_load(queue, tmp_path / "a")
    task = Task(load, {"name": "missing"})
    execute_tasks_in_parallel([task], on_error="return", dead_letters=queue)
    assert [letter.traceback for letter in queue.entries()] == ["", ""]

    assert len(queue.retry()) == 2

    assert [letter.traceback for letter in queue.entries()] == ["", ""]
    assert "Traceback" not in path.read_text()
    assert "no missing" in path.read_text()


# As an option.


def test_it_is_the_dead_letters_of_a_run(
    path: Path, tmp_path: Path, use_processes: bool
) -> None:
    """And what it kept of one is run again."""
    queue = DeadLetterQueue(path)
    names = [str(tmp_path / name) for name in "ab"]
    tasks = [Task(load, {"name": name}) for name in names]

    for outcome in iter_outcomes(tasks, 2, use_processes, dead_letters=queue):
        assert not outcome.ok
    assert len(queue) == 2
    for name in names:
        Path(name).touch()
    found = queue.retry(use_processes=use_processes)

    assert sorted(str(outcome.value) for outcome in found) == names
    assert len(queue) == 0


def test_it_is_a_file_of_dead_letters(path: Path, tmp_path: Path) -> None:
    """For `DeadLetters`, for `replay`, and for the commands."""
    queue = DeadLetterQueue(path, DLQPolicy(max_retries=0))
    key = failed_load(queue, tmp_path / "x")

    assert DeadLetters(path).entries() == queue.entries()
    assert main(["retry", str(path)]) == 1
    (tmp_path / "x").touch()
    assert queue.retry() == []
    (outcome,) = replay(queue, keys=[key])
    assert outcome.ok
    assert not queue


# The policy.


def test_an_entry_is_retried_so_many_times(path: Path, tmp_path: Path) -> None:
    """Then it stays, and is only run by who asks for it explicitly."""
    queue = DeadLetterQueue(path, DLQPolicy(max_retries=2))
    failed_load(queue, tmp_path / "x")

    rounds = [errors_of(queue.retry()) for _ in range(4)]

    assert rounds == [[f"no {tmp_path / 'x'}"]] * 2 + [[]] * 2
    (letter,) = queue.entries()
    assert (letter.times, letter.retries) == (3, 2)
    assert queue.due() == []
    assert queue.given_up() == [letter]
    # Another queue has another policy.
    assert DeadLetterQueue(path, DLQPolicy(max_retries=None)).due() == [letter]


def test_several_attempts_of_one_retry_count_once(path: Path, tmp_path: Path) -> None:
    """They are of the same call."""
    queue = DeadLetterQueue(path)
    failed_load(queue, tmp_path / "x")

    (outcome,) = queue.retry(retries=Retry(2, backoff=0))

    assert outcome.attempts == 3
    assert [letter.retries for letter in queue.entries()] == [1]


def test_what_fails_anew_has_all_its_retries_again(path: Path, tmp_path: Path) -> None:
    """A run of tomorrow does not pay for what was tried today."""
    queue = DeadLetterQueue(path, DLQPolicy(max_retries=1))
    failed_load(queue, tmp_path / "x")
    queue.retry()
    assert queue.due() == []

    failed_load(queue, tmp_path / "x")

    (letter,) = queue.due()
    assert (letter.times, letter.retries) == (3, 0)


@pytest.mark.parametrize("delay", [60, 60.0, datetime.timedelta(minutes=1)])
def test_an_entry_is_left_alone_for_a_while(
    delay: Any, path: Path, tmp_path: Path, clock: list[float]
) -> None:
    """After each failure, and by itself."""
    queue = DeadLetterQueue(path, DLQPolicy(retry_delay=delay))
    failed_load(queue, tmp_path / "x")
    clock[0] += 59
    failed_load(queue, tmp_path / "y")
    seen = [errors_of(queue.retry())]
    clock[0] += 1
    seen.append(errors_of(queue.retry()))
    clock[0] += 59
    seen.append(errors_of(queue.retry()))
    clock[0] += 1
    seen.append(errors_of(queue.retry()))

    x, y = f"no {tmp_path / 'x'}", f"no {tmp_path / 'y'}"
    assert seen == [[], [x], [y], [x]]


def test_only_some_can_be_retried(path: Path, tmp_path: Path) -> None:
    """Those of them that are due; an unknown key is an error before anything runs."""
    queue = DeadLetterQueue(path, DLQPolicy(max_retries=1))
    first, second = (failed_load(queue, tmp_path / name) for name in "ab")

    assert errors_of(queue.retry(keys=[second])) == [f"no {tmp_path / 'b'}"]
    assert errors_of(queue.retry(keys=iter([first, second]))) == [
        f"no {tmp_path / 'a'}"
    ]
    with pytest.raises(KeyError, match="no such"):
        queue.retry(keys=["no such", first])


def test_entries_can_be_purged(path: Path, tmp_path: Path) -> None:
    """Some or all; the keys of those that were there are returned."""
    queue = DeadLetterQueue(path)
    keys = [failed_load(queue, tmp_path / name) for name in "abc"]

    assert queue.purge([keys[1], "no such"]) == [keys[1]]
    assert len(queue) == 2
    assert queue.purge() == [keys[0], keys[2]]
    assert len(queue) == 0


def test_limits_of_the_file_hold(path: Path, tmp_path: Path) -> None:
    """The oldest go when there are more than max_entries."""
    queue = DeadLetterQueue(path, max_entries=2)
    keys = [failed_load(queue, tmp_path / name) for name in "abc"]

    assert [letter.key for letter in queue.entries()] == keys[1:]


def test_retries_are_still_known_after_the_file_is_written_anew(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a retry that was cut short and left no other trace."""
    queue = DeadLetterQueue(path, DLQPolicy(max_retries=None))
    key = failed_load(queue, tmp_path / "x")
    queue.retry()
    queue.store().tried([key])
    before = queue.entries()
    monkeypatch.setattr(store, "MOST_GARBAGE", 0)
    for _ in range(3):
        failed_load(queue, tmp_path / "y")

    assert path.read_text().count('"letter"') < 4
    x = queue.entries()[0]
    assert [x] == before
    assert x.retries == 2
    queue.retry(keys=[key])
    assert queue.entries()[1].retries == 3


def test_files_of_older_versions_can_be_read(path: Path, tmp_path: Path) -> None:
    """Where nobody has counted, nothing was retried."""
    queue = DeadLetterQueue(path)
    failed_load(queue, tmp_path / "x")
    lines = path.read_text().splitlines()
    fields = json.loads(lines[1])
    for later in ("retries", "metadata", "needs_function", "seal"):
        del fields[later]
    line = json.dumps(fields).encode() + b"\n"
    file_id = json.loads(lines[0])["id"].encode()
    path.write_bytes(lines[0].encode() + b"\n" + sealed(line, file_id))

    assert [letter.retries for letter in queue.entries()] == [0]
    assert len(queue.retry()) == 1
    assert [letter.retries for letter in queue.entries()] == [1]


# Several at once.

ADD = """
import sys
from pathlib import Path
from cotality.tuning import DeadLetterQueue
path, who = sys.argv[1:]
queue = DeadLetterQueue(path)
for number in range(30):
    queue.add(Path.read_text, Path(f"{who} {number}"), ValueError(who))
    if number % 10 == 9:
        queue.purge([queue.add(len, who, KeyError(who))])
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env=environment_of_scripts(),
        stdout=subprocess.PIPE,
        text=True,
    )


def printed(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate(timeout=LONG_S)
    assert process.returncode == 0
    return out


def test_several_processes_add_to_one_file(path: Path) -> None:
    """Nothing is lost, and nothing is there that was purged."""
    processes = [start(ADD, path, who) for who in "abc"]
    for process in processes:
        printed(process)

    queue = DeadLetterQueue(path)
    assert len(queue) == 90
    found = {letter.arguments["0"] for letter in queue.entries()}
    assert len(found) == 90
    assert {letter.error for letter in queue.entries()} == {"ValueError"}


# Each retries until nothing is left, as often as somebody else lets it.
RETRY = """
import sys, time
from cotality.tuning import DeadLetterQueue
from cotality.core.utils.process import JournalInUseError
queue = DeadLetterQueue(sys.argv[1])
while queue:
    try:
        for outcome in queue.retry(max_workers=2):
            print(outcome.value)
    except JournalInUseError:
        time.sleep(0.002)
"""


def append_line(path: Path, number: int) -> int:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, f"{number}\n".encode())
    os.close(fd)
    return number


def test_several_processes_retry_one_file(path: Path, tmp_path: Path) -> None:
    """Each entry is run once, by one of them."""
    queue = DeadLetterQueue(path)
    runs = tmp_path / "runs"
    for number in range(40):
        task = Task(append_line, {"path": runs, "number": number})
        queue.add_task(task, Failure("at first"))

    processes = [start(RETRY, path) for _ in range(3)]
    numbers = [int(line) for each in processes for line in printed(each).split()]

    assert sorted(numbers) == list(range(40))
    assert sorted(map(int, runs.read_text().split())) == list(range(40))
    assert len(queue) == 0


def test_a_second_retry_at_the_same_time_is_refused(
    path: Path, make_gate: Callable[[str], Gate]
) -> None:
    """It would run the same entries twice; to add goes on meanwhile."""
    queue = DeadLetterQueue(path)
    begun, done = make_gate("begun"), make_gate("done")
    queue.add_task(Task(open_and_wait, {"begun": begun, "done": done}), Failure("x"))
    values: list[Any] = []
    thread = threading.Thread(target=lambda: values.extend(queue.retry()))
    thread.start()
    begun.wait()
    with pytest.raises(JournalInUseError, match="somebody else"):
        DeadLetterQueue(path).retry()
    queue.add(abs, 5, Failure("meanwhile"))
    done.open()
    thread.join()

    assert [outcome.value for outcome in values] == ["done"]
    assert [letter.message for letter in queue.entries()] == ["meanwhile"]


def open_and_wait(begun: Gate, done: Gate) -> str:
    begun.open()
    done.wait()
    return "done"


def test_a_retry_that_is_killed_counts(
    path: Path, tmp_path: Path, make_gate: Callable[[str], Gate]
) -> None:
    """So that what brings its process down is not run for ever, unlike the rest."""
    queue = DeadLetterQueue(path, DLQPolicy(max_retries=1))
    begun, done = make_gate("begun"), make_gate("done")
    hangs = Task(open_and_wait, {"begun": begun, "done": done}, label="hangs")
    queue.add_task(hangs, Failure("x"))
    for number in range(20):
        queue.add(abs, -number, Failure("y"))
    script = (
        "import sys; from cotality.tuning import DeadLetterQueue\n"
        "DeadLetterQueue(sys.argv[1]).retry(max_workers=1)\n"
    )
    process = start(script, path)
    begun.wait()
    wait_until(lambda: queue.entries()[0].retries == 1)
    process.kill()
    process.communicate(timeout=LONG_S)

    hanging, *rest = queue.entries()
    assert (hanging.key, hanging.retries, hanging.times) == ("hangs", 1, 1)
    assert sum(letter.retries for letter in rest) < len(rest)
    assert hanging not in queue.due()
    for outcome in queue.retry():
        assert outcome.ok


def test_threads_may_share_a_queue(path: Path) -> None:
    """Nothing is lost."""
    queue = DeadLetterQueue(path)

    def add(who: int) -> None:
        for number in range(10):
            queue.add(sum, (who, number), Failure("x"))

    threads = [threading.Thread(target=add, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(queue) == 40


def test_a_queue_can_travel(path: Path) -> None:
    """A task in another process has the same file and policy."""
    policy = DLQPolicy(5, 2.5, include_traceback=False)
    original = DeadLetterQueue(path, policy)
    key = original.add(abs, 1, Failure("x"))
    queue = pickle.loads(pickle.dumps(original))

    assert (queue.path, queue.policy) == (path, policy)
    assert queue.add(abs, 1, Failure("y")) == key
    assert [letter.times for letter in queue.entries()] == [2]


# What is refused.


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"max_retries": -1}, ValueError, "max_retries must be at least 0, got -1"),
        ({"max_retries": 1.0}, TypeError, "max_retries must be .* got 1.0"),
        ({"max_retries": True}, TypeError, "max_retries must be .* got True"),
        ({"retry_delay": -1}, ValueError, "retry_delay must be .* got -1"),
        ({"retry_delay": datetime.timedelta(-1)}, ValueError, "got -86400"),
        ({"retry_delay": math.nan}, ValueError, "retry_delay must be .* got nan"),
        ({"retry_delay": math.inf}, ValueError, "got inf. .* max_retries=0"),
        ({"retry_delay": None}, ValueError, "got None"),
        ({"retry_delay": "1 h"}, TypeError, "retry_delay must be .* got '1 h'"),
        ({"include_traceback": 1}, TypeError, "include_traceback must be .* got 1"),
    ],
)
def test_a_policy_is_checked(options: Any, kind: type[Exception], text: str) -> None:
    """When it is made."""
    with pytest.raises(kind, match=text):
        DLQPolicy(**options)


def test_arguments_are_checked(path: Path) -> None:
    """When they are given; and nothing is written."""
    with pytest.raises(TypeError, match=r"policy must be a DLQPolicy, got 3"):
        DeadLetterQueue(path, 3)  # type: ignore[arg-type]  # to be refused
    with pytest.raises(TypeError):
        DeadLetterQueue(5)  # type: ignore[arg-type]  # to be refused
    with pytest.raises(ValueError, match="max_entries"):
        DeadLetterQueue(path, max_entries=0)
    queue: Any = DeadLetterQueue(path)
    with pytest.raises(TypeError, match="needs a function to call, got 'load'"):
        queue.add("load", 1, Failure("x"))
    with pytest.raises(TypeError, match=r"error must be the exception .* got 7"):
        queue.add(load, 1, 7)
    with pytest.raises(TypeError, match=r"error is missing: write add\(item="):
        queue.add(load, 1)
    with pytest.raises(TypeError, match=r"item is missing: write add\(item="):
        queue.add(error="text")
    with pytest.raises(TypeError, match=r"metadata must be a dict such as .* got 'x'"):
        queue.add(load, 1, "text", metadata="x")
    with pytest.raises(TypeError, match="func must be a function to call, got 'load'"):
        queue.retry("load")
    with pytest.raises(TypeError, match="error must be the exception"):
        queue.add(load, 1, Failure)
    with pytest.raises(TypeError, match="task must be a Task, got <function load"):
        queue.add_task(load, Failure("x"))
    with pytest.raises(ValueError, match="no dead_letters="):
        queue.retry(dead_letters=queue)
    assert not path.exists()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """Is an error of what is added there, which names it."""
    (tmp_path / "a file").touch()
    queue = DeadLetterQueue(tmp_path / "a file" / "failed.jsonl")

    with pytest.raises(JournalError, match=r"a file.* cannot be written"):
        queue.add(abs, 1, Failure("x"))


# Without the function, as programs do that wrap it.


def test_an_item_is_kept_without_its_function(path: Path) -> None:
    """With the text of its error; the exception that is handled has more to say."""
    queue = DeadLetterQueue(path)
    try:
        load("nowhere")
    except Failure as error:
        queue.add(item={"id": 7}, error=str(error), metadata={"source": "web"})
    queue.add(item=8, error="no reason")

    first, second = queue.entries()
    assert (first.call, first.arguments) == ("item {'id': 7}", {"0": "{'id': 7}"})
    assert (first.error, first.message) == ("Failure", "no nowhere")
    assert 'raise Failure(f"no {name}")' in first.traceback
    assert first.metadata == {"source": "web"}
    assert (second.error, second.message, second.traceback) == ("", "no reason", "")
    assert repr(second).endswith(": item 8: no reason>")
    assert second.metadata == {}


def test_another_error_is_not_taken_for_the_one_that_is_handled(path: Path) -> None:
    """Only its text tells."""
    queue = DeadLetterQueue(path)
    try:
        load("nowhere")
    except Failure:
        queue.add(item=1, error="something else")

    assert [each.error for each in queue.entries()] == [""]


def test_the_same_item_is_one_entry(path: Path) -> None:
    """As the same call is."""
    queue = DeadLetterQueue(path)

    first = queue.add(item=[1, "a"], error="x")
    again = DeadLetterQueue(path).add(item=[1, "a"], error="y")
    other = queue.add(load, [1, "a"], "z")  # type: ignore[arg-type]  # never called

    assert first == again != other
    assert [each.times for each in queue.entries()] == [2, 1]


def test_retry_takes_the_function(path: Path, tmp_path: Path) -> None:
    """For those that have none; the others are called as they were."""
    there = tmp_path / "there"
    there.touch()
    queue = DeadLetterQueue(path)
    queue.add(item=f"{there}", error="x")
    queue.add(abs, -3, "y")
    queue.add(item=f"{tmp_path / 'not there'}", error="z", metadata={"n": 1})

    outcomes = queue.retry(load)

    assert [each.value for each in outcomes if each.ok] == [f"{there}", 3]
    (left,) = queue.entries()
    assert left.needs_function
    assert (left.call, left.retries) == (f"item '{tmp_path / 'not there'}'", 1)
    assert (left.error, left.metadata) == ("Failure", {"n": 1})
    assert [each.value for each in queue.retry(len)] == [len(f"{tmp_path}/not there")]


def test_without_the_function_it_stays(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And the warning says what to do."""
    queue = DeadLetterQueue(path)
    queue.add(item=1, error="x")

    assert queue.retry() == []
    assert replay(queue) == []

    (letter,) = queue.entries()
    assert letter.retries == 0
    assert queue.due() == [letter]
    assert "item 1 was kept without the function that failed" in caplog.text
    assert "queue.retry(function)" in caplog.text


def test_metadata_is_kept_as_json_and_shown(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What JSON has no word for, as its repr; also after another failure."""
    queue = DeadLetterQueue(path)
    about = {"at": Path("x"), "tags": ("a", 2), 7: math.inf, "none": None}
    key = queue.add(load, "nowhere", "x", metadata=about)  # type: ignore[arg-type]  # a key that is no text
    kept = {"at": repr(Path("x")), "tags": ["a", 2], "7": None, "none": None}

    assert queue.entries()[0].metadata == kept
    queue.retry()
    assert queue.entries()[0].metadata == kept

    assert main(["show", str(path), key]) == 0
    shown = capsys.readouterr().out
    assert re.search(r'^about tags +\["a", 2\]$', shown, re.MULTILINE)
    assert main(["list", "--json", str(path)]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed["metadata"] == kept


def test_an_item_that_cannot_be_pickled_can_be_read(path: Path) -> None:
    """As a call that cannot."""
    queue = DeadLetterQueue(path)
    queue.add(item=threading.Lock(), error="x")

    (letter,) = queue.given_up()
    assert "pickle" in letter.unpicklable
    assert queue.retry(len) == []


def test_missing_folders_are_made(tmp_path: Path) -> None:
    """For this user alone, as the file is; nothing is lost for want of one."""
    queue = DeadLetterQueue(tmp_path / "a" / "b" / "failed.jsonl")
    assert len(queue) == 0
    assert not (tmp_path / "a").exists()

    queue.add(item=1, error="x")

    assert len(queue) == 1
    if os.name == "posix":
        for folder in (tmp_path / "a", tmp_path / "a" / "b"):
            assert folder.stat().st_mode & 0o777 == 0o700


def test_the_wrapper_of_the_document_works(tmp_path: Path) -> None:
    """In worker processes as well, each with its copy of the queue."""
    queue = DeadLetterQueue(tmp_path / "dlq" / "failures.json", DLQPolicy())

    def safe(item: int) -> float | None:
        try:
            return 1 / item
        except Exception as error:
            queue.add(item=item, error=str(error), metadata={"source": "web_service"})
            return None

    results = execute(safe, range(3), executor="processes", n_jobs=2)

    assert results == [None, 1.0, 0.5]
    (letter,) = queue.entries()
    assert (letter.error, letter.metadata) == (
        "ZeroDivisionError",
        {"source": "web_service"},
    )
    assert [each.ok for each in queue.retry(lambda item: item)] == [True]
