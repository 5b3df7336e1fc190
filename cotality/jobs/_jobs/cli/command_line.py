"""The commands of ``python -m cotality.jobs``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from shutil import get_terminal_size
from types import FrameType

from cotality._kit.command_line import CannotDoError, exit_code
from cotality._kit.safe_text import printable
from cotality._kit.table import aligned, widths_of
from cotality._kit.units import seconds as duration
from cotality.jobs._jobs.api.jobs import Jobs
from cotality.jobs._jobs.api.options import checked_queue
from cotality.jobs._jobs.api.scheduled import Scheduled, Ticks
from cotality.jobs._jobs.errors.errors import (
    JobsError,
    KeyTakenError,
    UnknownJobError,
)
from cotality.jobs._jobs.running.body import jobs_named
from cotality.jobs._jobs.states.info import JobStatus
from cotality.jobs._jobs.stats.job_times import JobTimes
from cotality.jobs._jobs.store import reading
from cotality.jobs._jobs.working.worker import GRACE_S, Worker

DESCRIPTION = """\
Run the jobs of `name` in the module `module`, and look after them.

  worker    run jobs, until SIGTERM, SIGHUP or Ctrl-C; a second one ends it at once
  list      the jobs, the newest first; --dead for dead letters
  show      all about one job
  retry     run dead letters again
  cancel    end jobs
  purge     forget dead letters, or jobs by their ids
  stats     how the queues are
  schedules what comes by the clock, and when
"""
logger = logging.getLogger("cotality.jobs")

WAKE_S = 1.0
LONGEST_GRACE_S = 86_400.0
TO_TELL_S = 15.0  # for a worker to tell the store that it ends, beyond its grace
PAGE = 1000  # jobs that are read together
TIMES = ("name", "runs", "wait p50", "wait p95", "run p50", "run p95")
TABLE = ("id", "status", "queue", "name", "attempt", "enqueued", "error_type")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked for; the exit code."""
    given = parser().parse_args(arguments)
    return exit_code(lambda: given.do(given), JobsError)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m cotality.jobs",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    for name, do in COMMANDS.items():
        command = commands.add_parser(name, help=do.__doc__)
        command.set_defaults(do=do)
        command.add_argument("jobs", help="module:name")
        if name == "worker":
            add_worker_options(command)
            continue
        command.add_argument("--json", action="store_true", help="for programs")
        if name in ("list", "purge", "retry"):
            command.add_argument("--dead", action="store_true", help="dead letters")
            command.add_argument("--queue", help="only of this queue")
        if name == "list":
            command.add_argument("--limit", type=int, default=100, help="at most")
        if name == "show":
            command.add_argument("id")
        if name in ("retry", "cancel", "purge"):
            command.add_argument("ids", nargs="*", metavar="ID")
    return made


def add_worker_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--queue",
        action="append",
        metavar="NAME[=SLOTS]",
        help="may be given several times; none for all queues",
    )
    command.add_argument("--slots", type=int, help="jobs of each queue at once")
    command.add_argument("--processes", type=int, help="worker processes at most")
    command.add_argument("--slot", help="its name on this machine")
    command.add_argument("--poll", type=float, help="seconds between two looks")
    command.add_argument(
        "--grace",
        type=float,
        default=GRACE_S,
        help="seconds that jobs get to finish when it is stopped",
    )
    command.add_argument(
        "--while-open",
        type=int,
        metavar="FD",
        help="stop when nobody is at the other end of this pipe",
    )


Given = argparse.Namespace


def worker(given: Given) -> int:
    """Run jobs."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    made = Worker(
        jobs_named(given.jobs),
        given.jobs,
        queues=queues_in(given.queue or []),
        slots=at_least_one("--slots", given.slots),
        processes=at_least_one("--processes", given.processes),
        slot=given.slot,
        poll=given.poll,
    )
    if not 0 <= given.grace <= LONGEST_GRACE_S:
        raise CannotDoError(
            f"--grace must be from 0 to {LONGEST_GRACE_S:g} seconds, got {given.grace}"
        )
    asked = threading.Event()
    stop_on_signals(asked)
    if given.while_open is not None:
        stop_with_other_end(given.while_open, asked)
    made.start()
    assert made.slot is not None
    served = (
        ", ".join(f"{k}={v}" for k, v in (made.queues or {}).items()) or "all queues"
    )
    tell(f"worker {made.id} in slot {made.slot.name} serves {served}")
    # Python's part of a handler waits for this thread. If the system gave the signal to
    # another one, nothing but the time wakes it up.
    while not asked.wait(WAKE_S):
        pass
    end_within(given.grace + TO_TELL_S)
    made.stop(given.grace)
    tell(f"worker {made.id} has ended")
    # A body on a thread that did not end in time must not hold up the program.
    os._exit(0)


def tell(text: str) -> None:
    """Print *text*, if there is still somebody who reads."""
    try:
        print(text, flush=True)
    except OSError:
        pass  # its terminal is closed, and it has to end all the same


def end_within(seconds: float) -> None:
    """End this process after that, whatever still waits: a store may never answer.

    It is as if it were killed then: others take over what it has not given back.
    """

    def end() -> None:
        logger.error("the worker could not end within %g s, and ends now", seconds)
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def at_least_one(name: str, count: int | None) -> int | None:
    if count is not None and count < 1:
        raise CannotDoError(f"{name} must be at least 1, got {count}")
    return count


def stop_on_signals(asked: threading.Event) -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            os._exit(128 + number)  # whoever asks twice does not want to wait
        asked.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    hang_up = getattr(signal, "SIGHUP", None)  # not on Windows
    # Its terminal is closed. Whoever ignores that (nohup) wants it to go on.
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:
        signal.signal(hang_up, stop)


def stop_with_other_end(descriptor: int, asked: threading.Event) -> None:
    """Ask to stop when the other end of a pipe is closed, also by a death."""
    try:
        os.set_inheritable(descriptor, False)
    except OSError as error:
        raise CannotDoError(
            f"--while-open is a file descriptor that this program was given, got "
            f"{descriptor}: {error.strerror}"
        ) from error

    def watch() -> None:
        try:
            while os.read(descriptor, 1024):
                pass  # what is written says nothing
        finally:
            asked.set()

    threading.Thread(target=watch, name="jobs-other-end", daemon=True).start()


def queues_in(texts: list[str]) -> dict[str, int | None] | None:
    """``mail=4`` as a name and a number; None for no queue at all."""
    found: dict[str, int | None] = {}
    for text in texts:
        name, is_said, slots = text.partition("=")
        if is_said and not (slots.isascii() and slots.isdigit()):
            raise CannotDoError(f"--queue is NAME or NAME=SLOTS, got {text!r}")
        many = int(slots) if is_said else None
        found[checked_queue(name)] = at_least_one(f"--queue {name}", many)
    return found or None


def list_jobs(given: Given) -> int:
    """List jobs."""
    with jobs_of(given) as jobs:
        found = jobs.list(
            status=JobStatus.FAILED if given.dead else None,
            queue=given.queue,
            limit=given.limit,
        )
    if given.json:
        return as_json([as_plain(info) for info in found])
    table([TABLE, *([shown(getattr(info, name)) for name in TABLE] for info in found)])
    return 0


def show(given: Given) -> int:
    """Show all about one job."""
    with jobs_of(given) as jobs:
        handle = jobs.handle(whole_id(jobs, given.id))
        info, attempts = handle.info_sync(), handle.attempts_sync()
        progress = handle.progress_sync()
    if given.json:
        plain = as_plain(info)
        plain["attempts"] = [as_plain(each) for each in attempts]
        plain["progress"] = None if progress is None else as_plain(progress)
        return as_json(plain)
    for field in dataclasses.fields(info):
        value = getattr(info, field.name)
        if value is not None and field.name != "traceback":
            print(f"{field.name:<12} {printable(shown(value), lines=True)}")
    if progress is not None:
        print(f"progress     {progress.done:g} of {progress.total} {progress.message}")
    for each in attempts:
        took = "" if each.ended is None else duration_of(each.started, each.ended)
        error = f" {each.error_type}: {each.error}" if each.error_type else ""
        print(printable(f"  run {each.number}: {each.outcome}{took}{error}"))
    if info.traceback:
        print(printable(info.traceback, lines=True))
    return 0


def whole_id(jobs: Jobs, begin: str) -> str:
    """The id that begins so, if there is just one; what was given if there is none.

    Raises:
        CannotDoError: There are several.
    """
    jobs.base.ready()
    with jobs.base.database.reading() as connection:
        found = reading.ids_beginning(connection, begin)
    if begin in found or not (begin and found):
        return begin
    if len(found) > 1:
        raise CannotDoError(f"several jobs have ids that begin with {begin!r}")
    return found[0]


def duration_of(start: datetime, end: datetime) -> str:
    return f" after {duration((end - start).total_seconds())}"


def retry(given: Given) -> int:
    """Run dead letters again."""
    return for_each(given, lambda jobs, job: jobs.requeue(job), "requeued")


def cancel(given: Given) -> int:
    """End jobs."""
    return for_each(given, lambda jobs, job: jobs.cancel(job), "cancelled")


def purge(given: Given) -> int:
    """Forget jobs that are over."""
    return for_each(given, lambda jobs, job: bool(jobs.purge([job])), "purged")


def for_each(given: Given, do: Callable[[Jobs, str], bool], word: str) -> int:
    with jobs_of(given) as jobs:
        ids = [whole_id(jobs, each) for each in given.ids]
        if getattr(given, "dead", False):
            ids += all_dead(jobs, given.queue)
        if not ids:
            raise CannotDoError(
                "name jobs by their ids, or say --dead where there is it"
            )
        done = [job for job in ids if is_done(do, jobs, job)]
    if given.json:
        as_json({word: done, "left": [job for job in ids if job not in done]})
    else:
        print(f"{word} {len(done)} of {len(ids)}")
    return 0 if len(done) == len(ids) else 1


def is_done(do: Callable[[Jobs, str], bool], jobs: Jobs, job: str) -> bool:
    """Whether it was; what keeps one from it is told, and the others go on."""
    try:
        return do(jobs, job)
    except (KeyTakenError, UnknownJobError) as error:
        print(printable(f"{error}"), file=sys.stderr)
        return False


def all_dead(jobs: Jobs, queue: str | None) -> list[str]:
    found: list[str] = []
    while True:
        page = jobs.list(
            status=JobStatus.FAILED, queue=queue, limit=PAGE, offset=len(found)
        )
        found += [info.id for info in page]
        if len(page) < PAGE:
            return found


def stats(given: Given) -> int:
    """Say how the queues are."""
    with jobs_of(given) as jobs:
        found, times = jobs.stats(), jobs.times()
    if given.json:
        queues = [as_plain(each) | {"is_unserved": each.is_unserved} for each in found]
        return as_json({"queues": queues, "jobs": [each.to_json() for each in times]})
    if not found:
        print("no jobs, and no workers")
        return 0
    names = [field.name for field in dataclasses.fields(found[0])]
    table([names, *([shown(getattr(each, name)) for name in names] for each in found)])
    for each in found:
        if each.is_unserved:
            print(f"queue {each.queue!r}: jobs wait, and no worker serves it")
    if times:
        print()
        table([TIMES, *map(as_times, times)])
    return 0


def as_times(times: JobTimes) -> list[str]:
    """A row of the table of times."""
    parts = [
        duration(each.quantile(part) or 0.0)
        for each in (times.wait, times.run)
        for part in (0.5, 0.95)
    ]
    return [times.name, f"{times.run.count}", *parts]


def schedules(given: Given) -> int:
    """Say what comes by the clock."""
    with jobs_of(given) as jobs:
        jobs.registry.import_modules()
        jobs.prepare()
        found = [as_row(jobs, each) for each in jobs.scheduled.values()]
    if given.json:
        return as_json(found)
    names = ("name", "job", "when", "missed", "last", "next")
    table([names, *([shown(row[name]) for name in names] for row in found)])
    return 0


def as_row(jobs: Jobs, each: Scheduled) -> dict[str, object]:
    schedule = each.schedule
    last = Ticks(jobs.base, jobs.scheduled).last_tick(schedule.name)
    due = next(schedule.times.after(datetime.now(UTC)), None)
    return {
        "name": schedule.name,
        "job": each.job.name,
        "when": schedule.text,
        "missed": schedule.missed,
        "last": None if last is None else last.isoformat(timespec="seconds"),
        "next": None if due is None else due.isoformat(timespec="seconds"),
    }


def jobs_of(given: Given) -> Jobs:
    return jobs_named(given.jobs)


def as_json(thing: object) -> int:
    print(json.dumps(thing, indent=2))
    return 0


def as_plain(thing: object) -> dict[str, object]:
    fields = dataclasses.fields(thing)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # one of ours
    found = {field.name: getattr(thing, field.name) for field in fields}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in found.items()
    }


def shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone().isoformat(sep=" ", timespec="seconds")
    if isinstance(value, float):
        return f"{value:.3g}"
    return "" if value is None else str(value)


def table(rows: Sequence[Sequence[str]]) -> None:
    """In columns; where a terminal has no room for them, a block of lines for each."""
    widths = widths_of(rows)
    room = get_terminal_size().columns if sys.stdout.isatty() else None
    if room is not None and sum(widths) + 2 * len(widths) - 2 > room:
        return blocks(rows)
    for line in aligned(rows, widths=widths):
        print(printable(line))
    return None


def blocks(rows: Sequence[Sequence[str]]) -> None:
    names, *others = rows
    width = max(map(len, names))
    for row in others:
        for name, cell in zip(names, row, strict=True):
            if cell:
                print(printable(f"{name.ljust(width)}  {cell}"))
        print()


COMMANDS: dict[str, Callable[[Given], int]] = {
    "worker": worker,
    "list": list_jobs,
    "show": show,
    "retry": retry,
    "cancel": cancel,
    "purge": purge,
    "stats": stats,
    "schedules": schedules,
}
