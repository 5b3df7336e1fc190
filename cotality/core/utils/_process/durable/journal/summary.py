"""The summary of a journal for people, also while a run is writing to it."""

from __future__ import annotations

import os
import re
import sys
from heapq import heappush, heappushpop
from pathlib import Path

from cotality._kit import units
from cotality._kit.records import dataclass, field
from cotality._kit.safe_text import printable
from cotality.core.utils._process.durable.files.read import Damage, Fields, read_records

from .calls import SLOWEST
from .index import KIND, Past

GROUPS = 10  # of errors
KEYS = 3  # of each group
WIDTH = 79
SHOWN_KEY = 8  # digits of a key that is no label; the call stands beside it
IS_DIGEST = re.compile("[0-9a-f]{32}").fullmatch


@dataclass
class Summary:
    """What a journal says, added up.

    Attributes:
        finished: How many tasks have finished.
        failed: The last line of each task that has failed for good.
        unfinished: Tasks that were handed out and have not ended: they run, or a run
            was killed with them.
        runs: How many runs have written to the journal.
        pid: The process of the last run, if that has not come to its end.
        began_at: When the first run began, in seconds since the epoch.
        last_at: When something was written last, as far as lines have a time.
        task_seconds: How long all tasks together ran.
        retries: How many attempts were followed by another.
        again: How many tasks were started again that an earlier run had started.
        slowest: The longest of the finished tasks: seconds, key, and the call or
            nothing, longest first.
        calls: What those of the unfinished call of which that is known.
        damages: Lines that cannot be read.
    """

    path: Path
    finished: int = 0
    failed: dict[str, Fields] = field(default_factory=dict[str, Fields])
    unfinished: list[str] = field(default_factory=list[str])
    total: int | None = None
    runs: int = 0
    pid: int | None = None
    began_at: float | None = None
    last_at: float | None = None
    task_seconds: float = 0.0
    retries: int = 0
    again: int = 0
    slowest: list[tuple[float, str, str]] = field(
        default_factory=list[tuple[float, str, str]]
    )
    calls: dict[str, str] = field(default_factory=dict[str, str])
    damages: list[Damage] = field(default_factory=list[Damage])

    @classmethod
    def of(cls, path: Path) -> Summary:
        """The summary of the journal *path*.

        Raises:
            OSError: It cannot be read.
            JournalError: It is no journal.
        """
        summary, past = cls(path), Past()
        for record in read_records(path, KIND):
            if isinstance(record, Damage):
                summary.damages.append(record)
                continue
            fields = record.fields
            if past.learn(fields, record.offset):
                summary.add(fields, past)
        summary.finished = len(past.finished)
        summary.unfinished = sorted(past.unfinished)
        summary.slowest.sort(reverse=True)
        return summary

    def add(self, fields: Fields, past: Past) -> None:
        event, at = fields["event"], fields.get("at")
        if isinstance(at, int | float):
            self.began_at = at if self.began_at is None else self.began_at
            self.last_at = max(self.last_at or 0.0, at)
        if event == "run":
            self.runs += 1
            self.pid = fields.get("pid")
            self.total = fields.get("tasks") or self.total
        elif event == "end":
            self.pid = None
        elif event == "started":
            self.again += len(fields.get("again", ()))
            if call := fields.get("call"):
                self.calls[fields["keys"][0]] = call
        elif event == "retry":
            self.retries += 1
        elif event in ("finished", "failed"):
            self.add_end(fields, past)

    def add_end(self, fields: Fields, past: Past) -> None:
        key, seconds = fields["key"], float(fields.get("seconds", 0.0))
        self.task_seconds += seconds
        call = self.calls.pop(key, "")
        if key in past.failed:
            self.failed[key] = fields
            return
        self.failed.pop(key, None)
        ended = (seconds, key, fields.get("call", call))
        if len(self.slowest) < SLOWEST:
            heappush(self.slowest, ended)
        else:
            heappushpop(self.slowest, ended)

    @property
    def state(self) -> str:
        """``"ended"``, ``"running"`` or ``"interrupted"``."""
        if self.pid is None:
            return "ended"
        return "running" if may_be_alive(self.pid) else "interrupted"

    def groups(self) -> list[tuple[str, list[str]]]:
        """Each error with the keys of the tasks that failed with it, most first."""
        groups: dict[str, list[str]] = {}
        for key, fields in self.failed.items():
            lines = str(fields["message"]).splitlines()
            text = f"{fields['error']}: {lines[0]}" if lines else str(fields["error"])
            groups.setdefault(printable(text[:WIDTH]), []).append(key)
        return sorted(groups.items(), key=lambda group: -len(group[1]))

    def as_json(self) -> dict[str, object]:
        return {
            "path": str(self.path),
            "state": self.state,
            "pid": self.pid,
            "runs": self.runs,
            "tasks": self.total,
            "finished": self.finished,
            "failed": len(self.failed),
            "unfinished": self.unfinished,
            "began_at": self.began_at,
            "last_at": self.last_at,
            "task_seconds": round(self.task_seconds, 6),
            "retries": self.retries,
            "started_again": self.again,
            "errors": [
                {
                    "error": error,
                    "keys": keys,
                    "calls": [self.failed[key].get("call", "") for key in keys],
                }
                for error, keys in self.groups()
            ],
            "slowest": [
                {"key": key, "seconds": seconds, "call": call}
                for seconds, key, call in self.slowest
            ],
            "damaged_lines": [damage.line for damage in self.damages],
        }

    def as_text(self) -> str:
        return "\n".join([*self.head(), *self.errors(), *self.slow(), *self.damaged()])

    def head(self) -> list[str]:
        known = self.finished + len(self.failed)
        of = f" of {self.total:,}" if self.total is not None else ""
        running = "running" if self.state == "running" else "started, not finished"
        lines = [
            f"{printable(str(self.path))}: {self.what_it_does()}",
            f"  {known:,}{of} tasks done: {self.finished:,} finished, "
            f"{len(self.failed):,} failed",
        ]
        if self.unfinished:
            lines.append(
                f"  {len(self.unfinished):,} {running}: "
                f"{some([named(k, self.calls.get(k, '')) for k in self.unfinished])}"
            )
        if self.began_at is not None and self.last_at is not None:
            span = units.seconds(self.last_at - self.began_at)
            began, ended = units.moment(self.began_at), units.moment(self.last_at)
            lines.append(
                f"  {span} from {began} to {ended}, "
                f"{units.seconds(self.task_seconds)} in tasks"
            )
        if self.retries or self.again:
            lines.append(
                f"  {units.number(self.retries, 'retry', 'retries')}, "
                f"{units.number(self.again, 'task')} run again after an interruption"
            )
        return lines

    def what_it_does(self) -> str:
        runs = units.number(self.runs, "run")
        if self.state == "running":
            return f"{runs}, the last one is running (process {self.pid})"
        was = "was " if self.state == "interrupted" else ""
        return f"{runs}, the last one {was}{self.state}"

    def errors(self) -> list[str]:
        groups = self.groups()
        lines = [
            f"  {len(keys):>6,}  {error}  ({some([self.name_of(k) for k in keys])})"
            for error, keys in groups[:GROUPS]
        ]
        if len(groups) > GROUPS:
            lines.append(f"  ... and {len(groups) - GROUPS} other errors")
        return ["failed with", *lines] if lines else []

    def name_of(self, key: str) -> str:
        return named(key, self.failed[key].get("call", ""))

    def slow(self) -> list[str]:
        lines = [
            f"  {units.seconds(seconds):>8}  {printable(named(key, call))}"
            for seconds, key, call in self.slowest
        ]
        return ["slowest", *lines] if lines else []

    def damaged(self) -> list[str]:
        return [
            f"line {damage.line} (byte {damage.offset}) cannot be read: {damage.text!r}"
            for damage in self.damages
        ]


def named(key: str, call: str) -> str:
    """What a task goes by: its label, or else a part of its key and its call."""
    return f"{key[:SHOWN_KEY]} {call}" if call and IS_DIGEST(key) else key


def some(keys: list[str]) -> str:
    more = f" and {len(keys) - KEYS:,} more" if len(keys) > KEYS else ""
    return ", ".join(map(printable, keys[:KEYS])) + more


def may_be_alive(pid: int) -> bool:
    """Whether there is a process *pid*; on Windows nobody can ask without harm."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True
