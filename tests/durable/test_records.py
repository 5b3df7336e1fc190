"""Files of records that something has damaged, or that others may write to."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import random
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cotality.core.utils._process.durable.dead_letters import store
from cotality.core.utils._process.durable.files.seal import sealed
from cotality.core.utils._process.durable.journal.recorder import Recorder
from cotality.core.utils._process.engine.observers import Start
from cotality.core.utils._process.tasks.outcome import Settled
from cotality.core.utils.process import (
    DeadLetter,
    DeadLetterError,
    DeadLetters,
    Journal,
    JournalError,
    Task,
    execute_tasks_in_parallel,
    replay,
)
from tests.kit.helpers import Failure, Gate

posix = pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX systems")

COUNT = 12  # tasks of a journal that is damaged
CORRUPTIONS = 2000


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "run.jsonl")


@pytest.fixture
def letters(tmp_path: Path) -> DeadLetters:
    return DeadLetters(tmp_path / "failed.jsonl")


def square_unless(number: int, bad: int) -> int:
    if number == bad:
        raise Failure(f"{number} is bad")
    return number * number


def squares(prefix: str = "square of", count: int = COUNT) -> list[Task[int]]:
    return [
        Task(square_unless, {"number": n, "bad": 5}, label=f"{prefix} {n}")
        for n in range(count)
    ]


def run(tasks: list[Task[Any]], **options: Any) -> list[Any]:
    return execute_tasks_in_parallel(tasks, 1, on_error="return", **options)


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def resealed(line: bytes, **fields: Any) -> bytes:
    """*line* with other *fields*, as if it had been written like this."""
    known = json.loads(line)
    file_id = known.pop("seal")[:8].encode()
    return sealed(json.dumps(known | fields).encode() + b"\n", file_id)


# Damage


def test_a_flipped_bit_is_a_damaged_line(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """A key that became the key of another task gives that one no wrong result."""
    tasks = squares()
    first = run(tasks, journal=journal)
    data = bytearray(journal.path.read_bytes())
    at = data.index(b'"finished","key":"square of 3"') + len(
        '"finished","key":"square of '
    )
    data[at] ^= 1  # "3" becomes "2"
    number = data.count(b"\n", 0, at) + 1
    journal.path.write_bytes(data)

    with pytest.raises(JournalError, match=rf"line {number} of .* cannot be read"):
        run(tasks, journal=journal, resume=True)
    lenient = Journal(journal.path, skip_damaged=True)
    again = run(tasks, journal=lenient, resume=True)

    assert repr(again) == repr(first)
    assert f"line {number} of" in caplog.text


SENSELESS = [
    {"result": [1, 0, 10**30, 0]},
    {"result": [1, -1, 5, 0]},
    {"result": [1, 0, 5]},
    {"result": "x"},
    {"result": [10**400, 0, 1, 0]},
    {"key": ["t"]},
    {"at": "now"},
    {"at": float("nan")},
    {"seconds": 10**400},
    {"attempt": None},
    {"worker": 3},
    {"event": "failed"},
    {"event": "started", "keys": 5},
    {"event": "started", "keys": ["a", []]},
]


@pytest.mark.parametrize("fields", SENSELESS, ids=str)
def test_a_line_without_sense_is_a_damaged_line(
    journal: Journal, fields: dict[str, Any]
) -> None:
    """Also one with a right seal: some program has written what is none of ours."""
    tasks = squares()
    first = run(tasks, journal=journal)
    lines = lines_of(journal.path)
    line = next(line for line in lines if b'"finished"' in line)
    journal.path.write_bytes(b"".join([*lines, resealed(line, **fields)]))

    with pytest.raises(JournalError, match=rf"line {len(lines) + 1} of .* be read"):
        run(tasks, journal=journal, resume=True)
    lenient = Journal(journal.path, skip_damaged=True)
    assert repr(run(tasks, journal=lenient, resume=True)) == repr(first)


def test_a_result_that_is_said_to_be_huge_is_not_read(journal: Journal) -> None:
    """Where it should be there is not that much; nothing of that size is asked for."""
    tasks = squares(count=2)
    run(tasks, journal=journal)
    lines = lines_of(journal.path)
    line = next(line for line in lines if b'"finished"' in line)
    huge = resealed(line, result=[1, 0, 1 << 60, 0])
    journal.path.write_bytes(b"".join([*lines, huge]))

    with pytest.raises(JournalError, match="ends before byte"):
        run(tasks, journal=journal, resume=True)


def test_a_failure_that_is_no_failure_is_damage(journal: Journal) -> None:
    """The line says that a task failed, and points at a value."""
    tasks = squares(count=6)
    run(tasks, journal=journal)
    lines = lines_of(journal.path)
    place = next(json.loads(line) for line in lines if b'"finished"' in line)["result"]
    failed = next(line for line in lines if b'"failed"' in line)
    journal.path.write_bytes(b"".join([*lines, resealed(failed, result=place)]))

    with pytest.raises(JournalError, match=r"task 5 .* cannot be read"):
        run(tasks, journal=journal, resume=True)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b'{"cotality": "journal", "version": 1}\n', id="before checksums"),
        pytest.param(
            b'{"cotality": "file of dead letters", "version": 1}\n', id="letters"
        ),
    ],
)
def test_files_from_before_checksums_are_refused(tmp_path: Path, header: bytes) -> None:
    """With a sentence that says so; they are left as they are."""
    path = tmp_path / "old.jsonl"
    path.write_bytes(header + b'{"event":"finished","key":"a"}\n')
    error: type[JournalError] = JournalError
    with contextlib.ExitStack() as stack:
        if b"letters" in header:
            error = DeadLetterError
            stack.enter_context(pytest.raises(error, match="before the lines of a"))
            DeadLetters(path).entries()
        else:
            stack.enter_context(pytest.raises(error, match="before the lines of a"))
            run(squares(), journal=Journal(path), resume=True)

    assert path.read_bytes().startswith(header)


def test_a_damaged_header_is_line_1(journal: Journal, letters: DeadLetters) -> None:
    """The other lines say which file it is, so that they are not lost with it."""
    tasks = squares()
    first = run(tasks, journal=journal, dead_letters=letters)
    for path in (journal.path, letters.path):
        data = path.read_bytes()
        path.write_bytes(data[:15] + b"X" + data[16:])

    with pytest.raises(JournalError, match=r"line 1 of .*run.jsonl is damaged"):
        run(tasks, journal=journal, resume=True)
    lenient = Journal(journal.path, skip_damaged=True)
    assert repr(run(tasks, journal=lenient, resume=True)) == repr(first)
    strict = DeadLetters(letters.path, skip_damaged=False)
    with pytest.raises(DeadLetterError, match=r"line 1 of .* is damaged"):
        strict.entries()
    run(squares("again"), dead_letters=letters)
    keys = [letter.key for letter in letters.entries()]
    assert keys == ["square of 5", "again 5"]


def test_a_line_end_that_is_lost_costs_two_lines(journal: Journal) -> None:
    """And never the whole file, also if it is that of the header."""
    tasks = squares(count=400)
    first = run(tasks, journal=journal)
    size = journal.path.stat().st_size
    data = journal.path.read_bytes()
    end = data.index(b"\n")
    journal.path.write_bytes(data[:end] + b" " + data[end + 1 :])

    with pytest.raises(JournalError, match="line 1 of"):
        run(tasks, journal=journal, resume=True)
    assert journal.path.stat().st_size == size
    lenient = Journal(journal.path, skip_damaged=True)
    assert repr(run(tasks, journal=lenient, resume=True)) == repr(first)


def test_what_failed_and_was_begun_again_is_run_again(journal: Journal) -> None:
    """A run with retry_failed=True that is cut off leaves no old failure behind."""
    tasks = squares(count=6)
    run(tasks, journal=journal)
    good = [Task(abs, positional=(-7,), label=task.label) for task in tasks]
    run(good, journal=journal, resume=True, retry_failed=True)
    lines = lines_of(journal.path)
    last = max(n for n, line in enumerate(lines) if b'"finished"' in line)
    journal.path.write_bytes(b"".join(lines[:last] + lines[last + 1 :]))

    assert run(good, journal=journal, resume=True)[5] == 7


def test_a_damaged_letter_leaves_the_others(
    letters: DeadLetters, caplog: pytest.LogCaptureFixture
) -> None:
    """Each line that makes no sense is named, by a warning or by an error."""
    run(
        [Task(square_unless, {"number": 1, "bad": 1}, label=name) for name in "abc"],
        dead_letters=letters,
    )
    whole = lines_of(letters.path)
    (_, first, *_), number = whole, len(whole)
    senseless = [
        {"event": "removed", "keys": 5},
        {"event": "removed", "keys": [[1]]},
        {"event": "tried", "keys": None},
        {"key": {}},
        {"failed_at": "x"},
        {"failed_at": float("inf")},
        {"retries": None},
        {"arguments": ["x"]},
        {"n": None},
        {"n": -1},
        {"packed": 3},
    ]
    for fields in senseless:
        bad = resealed(first, **{"n": number, **fields})
        letters.path.write_bytes(b"".join([*whole, bad]))
        caplog.clear()

        keys = [letter.key for letter in letters.entries()]

        assert keys == ["a", "b", "c"], fields
        assert f"line {number + 1} of" in caplog.text
        strict = DeadLetters(letters.path, skip_damaged=False)
        for look in (strict.entries, lambda strict=strict: replay(strict)):
            with pytest.raises(DeadLetterError, match=f"line {number + 1} of"):
                look()
        run(squares("new", 6), dead_letters=letters)
        assert [letter.key for letter in letters.entries()] == [*"abc", "new 5"]


def test_bytes_that_are_no_base_64_are_a_dead_letter_error(
    letters: DeadLetters,
) -> None:
    """As are a task that is none, and one whose bytes have changed."""
    run(squares(), dead_letters=letters)
    header, line = lines_of(letters.path)
    from cotality.core.utils._process.durable.dead_letters.letter import digest_of

    no_task = b"\x80\x05N."
    for fields in (
        {"packed": "\u00e9"},
        {"packed": "AAAA"},
        {
            "packed": base64.b64encode(no_task).decode(),
            "digest": digest_of(no_task),
        },
    ):
        letters.path.write_bytes(header + resealed(line, **fields))
        (letter,) = letters.entries()
        with pytest.raises(DeadLetterError, match="cannot be run again"):
            letter.task()


def test_lines_that_are_moved_or_missing_are_told(
    letters: DeadLetters, caplog: pytest.LogCaptureFixture
) -> None:
    """A letter that was taken out does not come back without a word."""
    for name in "abc":
        run(
            [Task(square_unless, {"number": 1, "bad": 1}, label=name)],
            dead_letters=letters,
        )
    letters.purge(["a"])
    header, a, b, c, removed = lines_of(letters.path)

    def keys_in(*lines: bytes) -> list[str]:
        caplog.clear()
        letters.path.write_bytes(b"".join(lines))
        return [letter.key for letter in letters.entries()]

    assert keys_in(header, a, b, c, removed) == ["b", "c"]
    assert not caplog.text
    assert keys_in(header, a, b, c, removed, a) == ["b", "c"]
    assert "written before, as number 1" in caplog.text
    assert keys_in(header, a, c, removed) == ["c"]
    assert "1 lines before it are not there" in caplog.text
    keys_in(header, b, a, c, removed)
    assert "written before" in caplog.text


# A thousand kinds of damage


def flip(dice: random.Random, data: bytes, _: bytes) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]


def cut(dice: random.Random, data: bytes, _: bytes) -> bytes:
    return data[: dice.randrange(len(data))]


def delete(dice: random.Random, data: bytes, _: bytes) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + data[at + dice.choice((1, 1, 2, 9, 200)) :]


def insert_bytes(dice: random.Random, data: bytes, _: bytes) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + dice.randbytes(dice.choice((1, 1, 4, 300))) + data[at:]


def repeat_bytes(dice: random.Random, data: bytes, _: bytes) -> bytes:
    at = dice.randrange(len(data))
    return data[: at + dice.randrange(300)] + data[at:]


def swap_bytes(dice: random.Random, data: bytes, _: bytes) -> bytes:
    first, second = sorted(dice.sample(range(len(data)), 2))
    swapped = bytearray(data)
    swapped[first], swapped[second] = data[second], data[first]
    return bytes(swapped)


def other_digit(dice: random.Random, data: bytes, _: bytes) -> bytes:
    digits = [at for at, byte in enumerate(data) if byte in b"0123456789"]
    at = dice.choice(digits)
    return data[:at] + dice.choice("0123456789").encode() + data[at + 1 :]


def on_lines(change: Callable[[random.Random, list[bytes], list[bytes]], None]) -> Any:
    def corrupt(dice: random.Random, data: bytes, foreign: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        change(dice, lines, foreign.splitlines(keepends=True))
        return b"".join(lines)

    return corrupt


@on_lines
def drop_line(dice: random.Random, lines: list[bytes], _: list[bytes]) -> None:
    del lines[dice.randrange(len(lines))]


@on_lines
def repeat_line(dice: random.Random, lines: list[bytes], _: list[bytes]) -> None:
    lines.insert(dice.randrange(1, len(lines)), dice.choice(lines))


@on_lines
def swap_lines(dice: random.Random, lines: list[bytes], _: list[bytes]) -> None:
    first, second = dice.sample(range(len(lines)), 2)
    lines[first], lines[second] = lines[second], lines[first]


@on_lines
def line_of_another(
    dice: random.Random, lines: list[bytes], foreign: list[bytes]
) -> None:
    lines.insert(dice.randrange(len(lines) + 1), dice.choice(foreign))


@on_lines
def join_halves(dice: random.Random, lines: list[bytes], _: list[bytes]) -> None:
    first, second = dice.sample(range(len(lines)), 2)
    at = dice.randrange(len(lines[first]))
    lines[first] = lines[first][:at] + lines[second][at:]


@on_lines
def garbage(dice: random.Random, lines: list[bytes], _: list[bytes]) -> None:
    senseless = (b"[" * 100_000, b'{"event":{}}', b"null", b"\0" * 500, b"{}", b"\xff")
    lines.insert(dice.randrange(len(lines) + 1), dice.choice(senseless) + b"\n")


CHANGES: list[Callable[[random.Random, bytes, bytes], bytes]] = [
    *(flip, flip, flip, cut, delete, insert_bytes, repeat_bytes, swap_bytes),
    *(other_digit, drop_line, repeat_line, swap_lines, line_of_another, join_halves),
    garbage,
]


def corruptions(data: bytes, foreign: bytes) -> Iterator[tuple[str, bytes]]:
    """*data* damaged in so many ways, each with what was done."""
    for seed in range(CORRUPTIONS):
        dice = random.Random(seed)
        changes = dice.choices(CHANGES, k=dice.choice((1, 1, 1, 2, 4)))
        damaged = data
        for change in changes:
            if damaged.count(b"\n") > 2:
                damaged = change(dice, damaged, foreign)
        yield f"{seed}: {[change.__name__ for change in changes]}", damaged


@pytest.fixture
def quiet() -> Iterator[None]:
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.one_python
@pytest.mark.parametrize("keep_results", [True, False])
def test_no_damage_to_a_journal_gives_a_wrong_result(
    tmp_path: Path, quiet: None, keep_results: bool
) -> None:
    """Either the right result, or none; and no other error than a JournalError."""

    def journal_of(folder: Path, tasks: list[Task[int]]) -> bytes:
        folder.mkdir()
        journal = Journal(folder / "run.jsonl", keep_results=keep_results)
        for count in (COUNT // 2, COUNT):  # in two runs
            run(tasks[:count], journal=journal, resume=True)
        return journal.path.read_bytes()

    # The first half of the tasks have never run, and those of the other journal have.
    tasks = squares(count=2 * COUNT)
    ran, unknown = tasks[COUNT:], {task.label for task in tasks[:COUNT]}
    data = journal_of(tmp_path / "mine", ran)
    foreign = journal_of(tmp_path / "theirs", tasks[:COUNT])
    journal = Journal(tmp_path / "mine/run.jsonl", keep_results=keep_results)
    expected = [repr(value) for value in run(tasks)]
    seen = {"right": 0, "none": 0, "error": 0}

    for number, (what, damaged) in enumerate(corruptions(data, foreign)):
        put(journal.path, damaged)
        skip = number % 4 > 0
        given = Journal(
            journal.path, skip_damaged=skip, keep_results=keep_results, fsync="never"
        )
        try:
            outcomes = outcomes_in(given, tasks)
        except JournalError:
            seen["error"] += 1
            continue
        for index, settled in outcomes.items():
            assert tasks[index].label not in unknown, what
            if keep_results:
                (value,) = settled.results()
                assert repr(value) == expected[index], what
        seen["right"] += len(outcomes)
        seen["none"] += COUNT - len(outcomes)
    assert min(seen.values()) > CORRUPTIONS // 20


def put(path: Path, data: bytes) -> None:
    """Let *data* be the content of *path*, which is there.

    To make it empty first costs 5 ms on ext4, which then waits for the disk.
    """
    with path.open("r+b") as file:
        file.write(data)
        file.truncate()


def outcomes_in(journal: Journal, tasks: list[Task[int]]) -> dict[int, Settled]:
    """What *journal* says of *tasks* to a call that resumes; runs nothing."""
    recorder = Recorder(journal, resume=True, retry_failed=False)
    try:
        recorder.began(Start(len(tasks), 1, "threads", 0.0))
        found = {
            index: recorder.memory.outcome_of(str(task.label), index, task)
            for index, task in enumerate(tasks)
        }
    finally:
        recorder.ended(None)
    return {index: settled for index, settled in found.items() if settled is not None}


@pytest.mark.one_python
def test_no_damage_to_dead_letters_gives_a_wrong_letter(
    tmp_path: Path, quiet: None
) -> None:
    """What is there is as it was written; no other error than a DeadLetterError."""

    def letters_in(name: str) -> tuple[DeadLetters, bytes]:
        letters = DeadLetters(tmp_path / name)
        tasks = [
            Task(square_unless, {"number": n, "bad": n}, label=f"{name} {n}")
            for n in range(COUNT)
        ]
        run(tasks, dead_letters=letters)
        letters.purge([f"{name} {n}" for n in (2, 4, 6)])
        run(tasks[:3], dead_letters=letters)
        letters.store().tried([f"{name} 1"])
        return letters, letters.path.read_bytes()

    letters, data = letters_in("mine")
    _, foreign = letters_in("theirs")
    written = {
        (letter.key, letter.failed_at, letter.digest): letter.arguments
        for letter in all_letters(data)
    }
    now = {letter.key for letter in letters.entries()}
    seen = {"letters": 0, "error": 0, "told": 0}
    new = letters.entries()[0]
    for number, (what, damaged) in enumerate(corruptions(data, foreign)):
        put(letters.path, damaged)
        told: list[Any] = []
        try:
            found = store.letters_in(letters.path, damaged=told.append)
        except DeadLetterError:
            seen["error"] += 1
            continue
        seen["letters"] += len(found)
        seen["told"] += bool(told)
        for letter in found.values():
            known = written.get((letter.key, letter.failed_at, letter.digest))
            assert known == letter.arguments, what
            if number % 20 == 0:
                letter.task()
        ended_early = data.startswith(damaged)
        assert found.keys() <= now or told or is_beginning(damaged, data), what
        assert (
            found.keys() >= now or told or ended_early or is_beginning(damaged, data)
        ), what
        if len(told) < 2 and number % 20 == 0:
            store.Store(letters.path).add([new])
            assert new.key in {letter.key for letter in letters.entries()}, what
    assert min(seen.values()) > 10


def is_beginning(damaged: bytes, data: bytes) -> bool:
    """Whether all whole lines of *damaged* are the first ones of *data*."""
    whole = damaged[: damaged.rfind(b"\n") + 1]
    return data.startswith(whole)


def all_letters(data: bytes) -> list[DeadLetter]:
    from cotality.core.utils._process.durable.dead_letters.letter import letter_from

    events = [json.loads(line) for line in data.splitlines()[1:]]
    found = [letter_from(each) for each in events if each["event"] == "letter"]
    return [letter for letter in found if letter is not None]


# Who may write


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@posix
def test_files_with_pickles_are_for_one_user(
    journal: Journal, letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the umask says; also those that are put in the place of others."""
    monkeypatch.setattr(store, "MOST_GARBAGE", 1000)
    before = os.umask(0)
    try:
        run(squares(), journal=journal, dead_letters=letters)
        made = [letters.path.stat().st_ino]
        for _ in range(5):
            run(squares(), dead_letters=letters)
            made.append(letters.path.stat().st_ino)
    finally:
        os.umask(before)

    files = [journal.path, letters.path, *journal.results_path.iterdir()]
    assert len(set(made)) > 1
    assert [mode_of(path) for path in files] == [0o600] * 3
    assert mode_of(journal.results_path) == 0o700


@posix
@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_what_others_may_write_to_is_refused(
    journal: Journal, letters: DeadLetters, mode: int
) -> None:
    """Before anything runs, with two ways out; unless the caller trusts them."""
    tasks = squares()
    first = run(tasks, journal=journal, dead_letters=letters)
    (results,) = journal.results_path.iterdir()
    way_out = r"not used, because .* may write to .*chmod go-w.*trust_others=True"
    for path in (journal.path, results, journal.results_path):
        usual = mode_of(path)
        path.chmod(usual | mode)
        with pytest.raises(JournalError, match=way_out):
            run(tasks, journal=journal, resume=True)
        trusting = Journal(journal.path, trust_others=True)
        assert repr(run(tasks, journal=trusting, resume=True)) == repr(first)
        path.chmod(usual)
    letters.path.chmod(mode)
    ran: list[int] = []
    for use in (
        letters.entries,
        lambda: replay(letters),
        lambda: run([Task(ran.append, positional=(1,))], dead_letters=letters),
    ):
        with pytest.raises(DeadLetterError, match=way_out):
            use()
    assert ran == []
    trusted = DeadLetters(letters.path, trust_others=True)
    assert len(trusted.entries()) == 1
    assert len(replay(trusted)) == 1


@posix
def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    """They could put another file there; not so with a sticky bit, as /tmp has it."""
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    journal = Journal(folder / "run.jsonl")
    with pytest.raises(JournalError, match=r"everybody may write to .*open"):
        run(squares(), journal=journal)
    assert not journal.path.exists()
    folder.chmod(0o1777)

    assert len(run(squares(), journal=journal)) == COUNT


@posix
def test_a_link_in_the_place_of_a_new_file_is_not_followed(
    letters: DeadLetters, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The file that a new one is written to is always made anew."""
    monkeypatch.setattr(store, "MOST_GARBAGE", 1000)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "failed.jsonl.new").symlink_to(victim)

    for _ in range(5):
        run(squares(), dead_letters=letters)

    assert victim.read_text() == "precious"
    assert not (tmp_path / "failed.jsonl.new").exists()


# People and programs at the same time


def test_a_letter_that_is_purged_while_it_is_retried_stays_away(
    letters: DeadLetters, tmp_path: Path
) -> None:
    """Somebody wanted that; the other letters stay as they do."""

    def purge_and_fail(path: Path, key: str, first: Gate) -> None:
        if first.path.exists():
            DeadLetters(path).purge(["a"])
        raise Failure(key)

    gate = Gate(tmp_path / "gate")
    tasks = [
        Task(
            purge_and_fail,
            {"path": letters.path, "key": key, "first": gate},
            label=key,
        )
        for key in "ab"
    ]
    run(tasks, dead_letters=letters)
    gate.open()

    outcomes = replay(letters, max_workers=1)

    assert [outcome.ok for outcome in outcomes] == [False, False]
    assert [letter.key for letter in letters.entries()] == ["b"]
