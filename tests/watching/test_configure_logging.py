"""What `cotality` logs is written as lines of JSON or text, set up by one call."""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import logging
import logging.handlers
import math
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotality.core.utils.process import Task, execute_tasks_in_parallel
from cotality.tuning import configure_logging
from cotality.tuning._tuning.logs import logging_setup
from cotality.tuning._tuning.logs.log_formats import JsonFormatter
from tests.kit.helpers import run_script

# It starts a program for each case.
pytestmark = pytest.mark.one_python

LOGGER = logging.getLogger("cotality.tests")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """What a test sets up is taken down."""
    logger = logging.getLogger("cotality")
    before = logger.level, logger.propagate, list(logger.handlers)
    yield
    for handler in [each for each in logger.handlers if each not in before[2]]:
        logger.removeHandler(handler)
        handler.close()
    logging_setup.current = None
    logger.setLevel(before[0])
    logger.propagate = before[1]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cotality.log"


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_record_is_a_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    """On one line of standard error, with its time, level, logger, text and extras."""
    before = datetime.datetime.now().astimezone()
    configure_logging()

    LOGGER.info("half of\n%d", 8, extra={"shop": "north", "prices": [1, 2.5]})

    (line,) = written(capsys)
    time = datetime.datetime.fromisoformat(line.pop("time"))
    assert time.utcoffset() == before.utcoffset()
    assert abs(time - before) < datetime.timedelta(minutes=1)
    assert line == {
        "level": "INFO",
        "logger": "cotality.tests",
        "message": "half of\n8",
        "shop": "north",
        "prices": [1, 2.5],
    }


def test_an_exception_comes_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    """With its traceback, inside of the one line."""
    configure_logging()
    try:
        raise KeyError("lost")
    except KeyError:
        LOGGER.exception("it failed", stack_info=True)

    (line,) = written(capsys)
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("KeyError: 'lost'")
    assert "test_an_exception_comes_as_text" in line["stack"]


class BadRepr:
    def __repr__(self) -> str:
        raise ValueError("no")


ENDLESS: list[object] = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (math.inf, None),
        (-math.inf, None),
        (math.nan, None),
        (True, True),
        ({1}, "{1}"),
        (Path("a"), repr(Path("a"))),
        (b"\xff", "b'\\xff'"),
        ((1, (2, math.inf)), [1, [2, None]]),
        ({"a": {2: {"b": object}}}, {"a": {"2": {"b": "<class 'object'>"}}}),
        ("\ud800", "\ud800"),
        (BadRepr(), "<BadRepr whose repr raised ValueError>"),
        (16**2500, "0x1" + "0" * 2500),
    ],
)
def test_what_json_has_no_word_for(
    value: object, shown: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """Comes as its repr, and infinity as null; a bad repr loses no line."""
    configure_logging()

    LOGGER.info("x", extra={"value": value, "time": value})

    (line,) = written(capsys)
    assert line["value"] == shown
    assert line["extra_time"] == shown
    assert datetime.datetime.fromisoformat(line["time"]).tzinfo is not None


def test_what_contains_itself_has_an_end(capsys: pytest.CaptureFixture[str]) -> None:
    """At some depth there is the repr."""
    configure_logging()

    LOGGER.info("x", extra={"value": ENDLESS})

    assert "[[...]]" in json.dumps(written(capsys))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=10,
)


@given(extra=st.dictionaries(st.text(), VALUES), message=st.text(st.characters()))
def test_whatever_is_logged_is_one_line_of_json(
    extra: dict[str, Any], message: str
) -> None:
    """Of ASCII, with the message as it was."""
    record = logging.LogRecord("a", 20, "f", 1, message, (), None)
    for name, value in extra.items():
        record.__dict__.setdefault(name, value)

    line = JsonFormatter().format(record)

    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["message"] == message


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """One line with time, level, logger and message; a traceback follows."""
    configure_logging(format="text")
    try:
        raise KeyError("lost")
    except KeyError:
        LOGGER.exception("it failed")
    LOGGER.info("on %d", 1, extra={"task_index": 3, "worker": "process 7"})

    lines = capsys.readouterr().err.splitlines()
    time, rest = lines[0].split(" ", 1)
    assert datetime.datetime.fromisoformat(time).tzinfo is not None
    assert rest == "ERROR cotality.tests: it failed"
    assert lines[1].startswith("Traceback")
    assert lines[-1].endswith(" INFO cotality.tests (task 3, process 7): on 1")


def test_the_level_holds(capsys: pytest.CaptureFixture[str]) -> None:
    """By name or number, in any case; what is below it is not written."""
    for level in ("warning", "WARNING", logging.WARNING):
        configure_logging(level)
        LOGGER.info("no")
        LOGGER.warning("yes")

    assert [line["message"] for line in written(capsys)] == ["yes"] * 3


def test_what_goes_to_standard_error_follows_it() -> None:
    """It is the `sys.stderr` of the moment."""
    configure_logging()
    with contextlib.redirect_stderr(io.StringIO()) as stream:
        LOGGER.info("here")

    assert json.loads(stream.getvalue())["message"] == "here"


def test_a_second_call_replaces_what_the_first_has_set_up(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written twice, and its file is closed."""
    first = configure_logging(log_file=file)
    LOGGER.info("one")
    second = configure_logging("DEBUG")
    LOGGER.debug("two")

    assert [line["message"] for line in lines_of(file)] == ["one"]
    assert [line["message"] for line in written(capsys)] == ["two"]
    handlers = logging.getLogger("cotality").handlers
    assert second in handlers
    assert first not in handlers
    assert getattr(first, "stream", None) is None


def test_handlers_of_others_stay(capsys: pytest.CaptureFixture[str]) -> None:
    """They get the records as well; those of the root logger do not any more."""
    theirs = logging.StreamHandler(io.StringIO())
    root = logging.StreamHandler(io.StringIO())
    logging.getLogger("cotality").addHandler(theirs)
    logging.root.addHandler(root)
    try:
        configure_logging()
        configure_logging()
        LOGGER.info("one")
    finally:
        logging.getLogger("cotality").removeHandler(theirs)
        logging.root.removeHandler(root)

    assert theirs.stream.getvalue() == "one\n"
    assert root.stream.getvalue() == ""
    assert len(written(capsys)) == 1


def test_the_handler_can_be_given_to_other_loggers(file: Path) -> None:
    """So that all of a program looks the same."""
    shop = logging.getLogger("shop of test_configure_logging")
    handler = configure_logging(log_file=file)
    shop.addHandler(handler)
    shop.warning("sold out")
    shop.removeHandler(handler)

    assert lines_of(file)[0]["logger"] == shop.name


def test_a_file_is_appended_to_in_utf8(file: Path) -> None:
    """What was there stays."""
    file.write_text("before\n")
    configure_logging(log_file=str(file), format="text")
    LOGGER.info("für \ud800")

    first, second = file.read_text("utf-8").splitlines()
    assert first == "before"
    assert second.endswith("für \\ud800")


@pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be moved there")
def test_a_file_that_is_moved_away_is_made_anew(file: Path) -> None:
    """As logrotate does."""
    configure_logging(log_file=file)
    LOGGER.info("one")
    file.rename(f"{file}.old")
    LOGGER.info("two")

    assert [line["message"] for line in lines_of(file)] == ["two"]


def test_a_file_can_rotate(file: Path) -> None:
    """Before it grows too large; so many of the older ones are kept."""
    configure_logging(log_file=file, rotate_bytes=500, backups=2)
    for number in range(20):
        LOGGER.info("%d", number)

    files = sorted(file.parent.iterdir())
    assert [each.name for each in files] == [
        "cotality.log",
        "cotality.log.1",
        "cotality.log.2",
    ]
    assert all(each.stat().st_size <= 500 for each in files)
    kept = [int(line["message"]) for each in reversed(files) for line in lines_of(each)]
    assert kept == list(range(kept[0], 20))


def test_a_file_that_cannot_be_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Is an error of the call, which names it; what was set up before stays."""
    configure_logging()
    path = tmp_path / "missing" / "x.log"

    with pytest.raises(FileNotFoundError, match="its folder must exist") as caught:
        configure_logging(log_file=path)
    with pytest.raises(OSError, match="choose another log_file"):
        configure_logging(log_file=tmp_path, rotate_bytes=1000)

    assert str(path) in str(caught.value)
    LOGGER.info("still here")
    assert [line["message"] for line in written(capsys)] == ["still here"]


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"level": "LOUD"}, ValueError, "no level 'LOUD'. The levels are: NOTSET, "),
        ({"level": -1}, ValueError, "at least 0, got -1"),
        ({"level": True}, TypeError, "level must be .* got True"),
        ({"level": 1.5}, TypeError, "level must be .* got 1.5"),
        ({"format": "xml"}, ValueError, "'json' or 'text', got 'xml'"),
        ({"format": None}, TypeError, "'json' or 'text', got None"),
        ({"rotate_bytes": 100}, ValueError, "needs a file to rotate"),
        ({"rotate_bytes": 0, "log_file": "x"}, ValueError, "rotate_bytes must be"),
        ({"backups": 0}, ValueError, "backups must be"),
        ({"backups": None}, TypeError, "backups must be"),
        ({"log_file": 5}, TypeError, "5|int"),
    ],
)
def test_arguments_are_checked(options: Any, kind: type[Exception], text: str) -> None:
    """When the function is called, and before anything changes."""
    before = list(logging.getLogger("cotality").handlers)

    with pytest.raises(kind, match=text):
        configure_logging(**options)

    assert logging.getLogger("cotality").handlers == before
    assert not os.path.exists("x")


def test_lines_of_several_threads_are_whole(file: Path) -> None:
    """However long they are."""
    configure_logging(log_file=file)
    together = threading.Barrier(8)

    def log(who: int) -> None:
        together.wait()
        for number in range(50):
            LOGGER.info("%s", f"{who}" * 5000, extra={"who": who, "number": number})

    threads = [threading.Thread(target=log, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    lines = lines_of(file)
    assert len(lines) == 400
    for who in range(8):
        of_one = [line for line in lines if line["who"] == who]
        assert [line["number"] for line in of_one] == list(range(50))
        assert {line["message"] for line in of_one} == {f"{who}" * 5000}


# What comes from tasks.


def log_in_task(number: int) -> int:
    logging.getLogger("cotality.tests.tasks").debug(
        "at %d", number, extra={"figures": {"limit": math.inf}}
    )
    return number


def test_records_of_workers_say_which_task_they_are_of(file: Path) -> None:
    """And which worker; levels hold there as well."""
    configure_logging("DEBUG", log_file=file)

    tasks = [Task(log_in_task, {"number": number}) for number in range(3)]
    execute_tasks_in_parallel(tasks, 1, True)

    lines = [line for line in lines_of(file) if line["logger"].endswith("tasks")]
    assert [line["task_index"] for line in lines] == [0, 1, 2]
    assert [line["message"] for line in lines] == ["at 0", "at 1", "at 2"]
    assert all(line["worker"].startswith("process ") for line in lines)
    assert all(line["figures"] == {"limit": None} for line in lines)


def configure_and_log(file: Path) -> str:
    handler = configure_logging("DEBUG", log_file=f"{file}.of_worker")
    logging.getLogger("cotality.tests.tasks").warning("from a task")
    return type(handler).__name__


def test_a_worker_sets_nothing_up(file: Path) -> None:
    """A module that does when it is imported cannot take its records away from us."""
    configure_logging(log_file=file)

    names = execute_tasks_in_parallel(
        [Task(configure_and_log, {"file": file})], 1, True
    )

    assert names == ["NullHandler"]
    logged, call = lines_of(file)
    assert logged["message"] == "from a task"
    assert call["call"]["done"] == 1
    assert not Path(f"{file}.of_worker").exists()


def test_decisions_come_with_their_figures(file: Path) -> None:
    """Of use_processes="auto", when the level is DEBUG."""
    configure_logging("DEBUG", log_file=file)
    execute_tasks_in_parallel([Task(len, positional=("abc",))] * 3, None, "auto")
    decisions = [line for line in lines_of(file) if "decision" in line]
    configure_logging("INFO", log_file=file)
    execute_tasks_in_parallel([Task(len, positional=("abc",))] * 3, None, "auto")

    assert decisions
    first = decisions[0]
    assert first["level"] == "DEBUG"
    assert first["message"].startswith("auto: after ")
    assert first["decision"]["choice"] in {"one thread", "threads", "processes"}
    assert first["decision"]["workers"] >= 1
    assert set(first["decision"]["expected_seconds"]) >= {"threads", "processes"}
    assert len([line for line in lines_of(file) if "decision" in line]) == len(
        decisions
    )


def test_a_program_needs_one_line(tmp_path: Path) -> None:
    """Also a script without a main guard whose tasks run in processes."""
    printed = run_script(
        "import logging, sys\n"
        "from cotality.core.utils.process import Task, execute_tasks_in_parallel\n"
        "from cotality.tuning import configure_logging\n"
        "sys.stderr = sys.stdout\n"
        "configure_logging(format='text')\n"
        "def work():\n"
        "    logging.getLogger('cotality.mine').info('working')\n"
        "execute_tasks_in_parallel([Task(work)], use_processes=True)\n",
        tmp_path,
    )

    printed, call = printed.splitlines()
    assert call.endswith("1 task of work on 2 processes", 0, call.index(" (the"))
    assert " INFO cotality.mine (task 0, process " in printed
    assert printed.endswith("): working")
