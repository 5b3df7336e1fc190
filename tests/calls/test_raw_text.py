"""What a terminal obeys reaches neither a terminal nor a text log as it is."""

from __future__ import annotations

import functools
import io
import logging
from pathlib import Path
from typing import Any

import pytest

from cotality._kit.safe_text import printable
from cotality.core.utils import dead_letters, journal
from cotality.core.utils.process import (
    DeadLetters,
    Journal,
    RunReport,
    Task,
    execute_tasks_in_parallel,
    replay,
)
from cotality.tuning import configure_logging
from cotality.tuning.__main__ import main as tuning

NASTY = "\x1b[2J\x1b]0;title\x07\r\n\x9b31m\u202egnp.exe\u2028\x00\x7f\ud800"
OBEYED = set("\x1b\x07\r\x9b\u202e\u2028\x00\x7f\ud800")


class Nasty:
    def __repr__(self) -> str:
        return f"<{NASTY}>"


def fail(value: object, number: int = 0) -> None:
    raise ValueError(f"{NASTY}{number}")


def tasks(count: int = 2) -> list[Task[None]]:
    made = [
        Task(fail, {"value": Nasty(), "number": n}, label=f"{NASTY}{n}")
        for n in range(count)
    ]
    return [*made, Task(abs, positional=(-1,), label=f"{NASTY}good")]  # type: ignore[list-item]  # of any result


def run(**options: Any) -> list[Any]:
    return execute_tasks_in_parallel(tasks(), 1, on_error="return", **options)


def assert_clean(text: str) -> None:
    assert not OBEYED & set(text), ascii(text)
    assert "\\x1b[2J" in text  # it is told what there was


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain žluť 漢字 😀", "plain žluť 漢字 😀"),
        ("a\tb\nc", "a\\tb\\nc"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x85\u2029\u2066", "\\x85\\u2029\\u2066"),
        ("\ud800", "\\ud800"),
        ("it's \\", "it's \\"),
    ],
)
def test_what_is_seen_stays_and_what_is_obeyed_is_spelled(
    text: str, shown: str
) -> None:
    """As `repr` does it; nothing else changes."""
    assert printable(text) == shown
    assert printable("a\n\tb", lines=True) == "a\n\tb"


def test_a_report_shows_no_raw_text() -> None:
    """Not in the summary, and not in the explanation."""
    report = RunReport()
    run(report=report)

    assert_clean(report.summary())
    assert len(report.summary().splitlines()) < 25  # a line end has made no line
    assert not OBEYED & set(report.explain())


def test_the_commands_print_no_raw_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The journal's, and all of those of dead letters, on both streams."""
    book = Journal(tmp_path / "run.jsonl")
    letters = DeadLetters(tmp_path / "failed.jsonl")
    run(journal=book, dead_letters=letters)
    with letters.path.open("ab") as file:
        file.write(f"{NASTY}\n".encode("utf-8", "surrogatepass"))
    with book.path.open("ab") as file:
        file.write(f"{NASTY}\n".encode("utf-8", "surrogatepass"))
    key = f"{NASTY}1"
    capsys.readouterr()
    for command in (
        lambda: journal.main([str(book.path)]),
        lambda: journal.main([str(book.path), "--failed"]),
        lambda: dead_letters.main(["list", str(letters.path)]),
        lambda: dead_letters.main(["show", str(letters.path), key]),
        lambda: dead_letters.main(["debug", str(letters.path), key]),
        lambda: dead_letters.main(["retry", str(letters.path)]),
        lambda: dead_letters.main(["show", str(letters.path), NASTY]),
        lambda: dead_letters.main(["show", str(letters.path), "\x1b[2J"]),
    ):
        command()
        out, err = capsys.readouterr()
        assert_clean(out + err)


def test_the_log_has_no_raw_text(tmp_path: Path) -> None:
    """A line a record, and a traceback below it, whatever is in there."""
    path = tmp_path / "log.txt"
    ours = logging.getLogger("cotality")
    before = ours.level, ours.propagate
    handler = configure_logging("DEBUG", format="text", log_file=path)
    logger = logging.getLogger("cotality.core.utils.process")
    try:
        logger.warning("a label %s", NASTY)
        try:
            fail(1)
        except ValueError:
            logger.exception("failed")
        book = Journal(tmp_path / "run.jsonl")
        run(journal=book)
        lines = book.path.read_bytes().splitlines(keepends=True)
        book.path.write_bytes(b"".join(line for line in lines if b'"fin' not in line))
        run(journal=book, resume=True, retry_failed=True)
    finally:
        handler.close()
        ours.removeHandler(handler)
        ours.setLevel(before[0])
        ours.propagate = before[1]

    text = path.read_text("utf-8")
    assert_clean(text)
    assert "started and not finished" in text


def test_what_ours_log_is_clean_for_any_handler(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where a program has formatters of its own."""
    letters = DeadLetters(tmp_path / "failed.jsonl")
    run(dead_letters=letters)
    with letters.path.open("ab") as file:
        file.write(f"{NASTY}\n".encode("utf-8", "surrogatepass"))
    caplog.clear()

    with caplog.at_level(logging.DEBUG, "cotality"):
        replay(letters)

    assert not OBEYED & set(caplog.text)
    assert "cannot be read" in caplog.text


def test_the_tuning_commands_print_no_raw_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be done is told on one clean line."""
    data = tmp_path / "items"
    data.write_text("1\n")

    assert tuning(["explain", f"builtins:{NASTY}", "--data", str(data)]) == 2

    out, err = capsys.readouterr()
    assert not OBEYED & set(out + err)


def test_a_report_may_keep_arguments_to_itself(tmp_path: Path) -> None:
    """Nor does it say what exceptions say; functions, classes and times are there."""

    def work(password: str) -> None:
        raise ValueError(f"wrong: {password}")

    report, usual = RunReport(arguments=False), RunReport()
    page, trace = tmp_path / "run.html", tmp_path / "run.json"
    for each in (report, usual):
        execute_tasks_in_parallel(
            [Task(work, {"password": "hunter2"})] * 3,
            1,
            on_error="return",
            report=each,
        )
        each.save_html(page)
        each.save_trace(trace)
        saved = page.read_text("utf-8") + trace.read_text("utf-8")
        said = each.summary() + each.explain() + saved
        assert ("hunter2" in said) == (each is usual)
        assert "work" in said
        assert "ValueError" in said
    ended = RunReport(arguments=False)
    with pytest.raises(ValueError, match="hunter2"):
        execute_tasks_in_parallel([Task(work, {"password": "hunter2"})], report=ended)
    assert "hunter2" not in ended.summary() + ended.error
    with pytest.raises(TypeError, match="arguments must be"):
        RunReport(arguments="no")  # type: ignore[arg-type]  # to be refused


def test_progress_shows_no_text_of_the_user() -> None:
    """Labels and arguments are in no bar."""
    stream = io.StringIO()
    from cotality.core.utils._process.progress.sentence import sentence
    from cotality.core.utils.process import Progress

    seen: list[Progress] = []
    run(progress=seen.append)
    for each in seen:
        stream.write(sentence(each))

    assert seen
    assert not OBEYED & set(stream.getvalue())


def take(**named: object) -> None:
    raise ValueError


def test_what_stands_for_a_task_is_no_raw_text(tmp_path: Path) -> None:
    """Its description, notes and letter; names of functions and of arguments too."""
    named = functools.partial(take)
    named.__qualname__ = f"take {NASTY}"  # type: ignore[attr-defined]  # it has a dict
    given = [Task(take, {NASTY: 1}), Task(named), Task(take, label=NASTY)]
    kept = DeadLetters(tmp_path / "failed.jsonl")
    failures = execute_tasks_in_parallel(given, on_error="return", dead_letters=kept)

    shown = [*map(repr, given), *map(repr, kept.entries())]
    for failure in failures:
        assert isinstance(failure, ValueError)
        shown += failure.__notes__
    for each in shown:
        if "\\x1b" in each:
            assert_clean(each)
        assert not OBEYED & set(each), ascii(each)
    assert sum("\\x1b" in each for each in shown) >= len(given) * 3
