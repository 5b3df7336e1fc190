"""How some work should be run, and what is expected of it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from cotality.core.utils._process.auto.estimate import Figures, Place, better_place
from cotality.core.utils._process.public import public_in
from cotality.core.utils._process.report import units

from .head import Head
from .profile import Profile

ExecutorName: TypeAlias = Literal["sequential", "threads", "processes"]
EXECUTORS: dict[Place, ExecutorName] = {
    "one thread": "sequential",
    "threads": "threads",
    "processes": "processes",
}

# How much work travels together, and how many portions each worker has at least, so
# that all of them finish together: as in the core's schedule.
PORTION_SECONDS = 0.02
PORTIONS_PER_WORKER = 4
LARGEST_PORTION = 8192
# How many items to plan for where nobody knows how many there are.
MANY = 1000

VERSION = 1


@public_in("cotality.tuning")
@dataclass(frozen=True)
class Plan:
    """How some work should be run, and what is expected of it.

    ``print(plan)`` says it in words. ``execute(func, data, plan=plan)`` runs the work
    that way; each field can be overridden there, by an argument or by the environment.

    Attributes:
        executor: ``"sequential"``, ``"threads"`` or ``"processes"``.
        n_jobs: How many items run at a time.
        chunksize: How many items travel together.
        estimated_speedup: How many times faster than a loop all of it should be. With
            worker processes that are not running yet, their start is included.
        reason: Why, in a few words.
        profile: What was measured.
        total: How many items it is for; None if nobody knew: then it is for a thousand.
        expected_seconds: How long they should take with each executor; infinity where
            they cannot run.
        cpus: How many CPUs there were.
    """

    executor: ExecutorName
    n_jobs: int
    chunksize: int
    estimated_speedup: float
    reason: str
    profile: Profile
    total: int | None
    expected_seconds: dict[str, float]
    cpus: int
    head: Head | None = field(default=None, repr=False, compare=False)  # see there

    def __str__(self) -> str:
        return "\n".join([self.advice, f"Why: {self.reason}.", *self.figures])

    @property
    def advice(self) -> str:
        items = "the items" if self.total is None else units.number(self.total, "item")
        if self.executor == "sequential":
            return f"Run {items} in a plain loop: anything else would not be faster."
        workers = units.number(self.n_jobs, self.executor.removesuffix("s"))
        workers = workers.replace("processs", "processes")
        portions = "one by one"
        if self.chunksize > 1:
            portions = f"up to {self.chunksize} in a portion"
        return (
            f"Run {items} on {workers}, {portions}: about "
            f"{self.estimated_speedup:.2g} times as fast as a loop."
        )

    @property
    def figures(self) -> list[str]:
        profile = self.profile
        if not profile.items_seen:
            return []
        computing = profile.cpu_seconds_per_item / profile.seconds_per_item
        measured = (
            f"An item takes {units.seconds(profile.seconds_per_item)}, {computing:.0%} "
            f"of it computing ({profile.workload_type}; "
            f"{units.number(profile.items_seen, 'item')} measured). It has "
            f"{units.size(profile.item_bytes)}, its result "
            f"{units.size(profile.result_bytes)}."
        )
        expected = ", ".join(
            f"{name} {'impossible' if each == float('inf') else units.seconds(each)}"
            for name, each in self.expected_seconds.items()
        )
        lines = [measured, f"Expected for all of them: {expected}."]
        if profile.items_failed:
            failed = units.number(profile.items_failed, "item")
            lines.append(f"Of those measured {failed} failed.")
        return lines

    def to_dict(self) -> dict[str, Any]:  # Any: what JSON can hold
        """The plan as JSON can hold it. Infinity is None there."""
        given = {name: getattr(self, name) for name in names_of(Plan)}
        expected = {
            name: None if seconds == float("inf") else seconds
            for name, seconds in self.expected_seconds.items()
        }
        profile = asdict(self.profile)
        return {
            "version": VERSION,
            **given,
            "expected_seconds": expected,
            "profile": profile,
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan to a JSON file, to be loaded by another program.

        Raises:
            OSError: The file cannot be written.
        """
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
        Path(path).write_text(f"{text}\n", "utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Plan:
        """The plan in a file that `save` has written.

        It says what was best where it was made: see *cpus*.

        Raises:
            OSError: The file cannot be read.
            ValueError: It holds something else.
        """
        try:
            given = json.loads(Path(path).read_text("utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} holds no plan: {error}") from error
        return plan_from(given, os.fspath(path))


def plan_from(given: Any, origin: str) -> Plan:  # Any: what JSON can hold
    """The plan that `Plan.to_dict` has made *given* of."""
    names, in_profile = names_of(Plan), names_of(Profile)
    if not isinstance(given, dict):
        raise ValueError(f"{origin} holds no plan, but {given!r:.80}")
    found = cast("dict[str, Any]", given)  # Any: as above
    if found.get("version") != VERSION:
        raise ValueError(
            f"{origin} holds no plan of version {VERSION}, which this program reads "
            f"(its version: {found.get('version')!r}). Make it again with optimize()."
        )
    missing = sorted({*names} - {*found})
    profile: dict[str, Any] = found.get("profile", {})
    if isinstance(profile, dict):  # pyright: ignore[reportUnnecessaryIsInstance]  # whatever the file says
        missing += sorted({*in_profile} - {*profile})
    if missing:
        raise ValueError(f"the plan in {origin} lacks {', '.join(missing)}")
    checked = {name: found[name] for name in names}
    check_fields(checked, origin)
    checked["profile"] = Profile(**{name: profile[name] for name in in_profile})
    checked["expected_seconds"] = {
        name: float("inf") if seconds is None else float(seconds)
        for name, seconds in found["expected_seconds"].items()
    }
    return Plan(**checked)


def names_of(kind: type[Plan | Profile]) -> list[str]:
    return [each.name for each in fields(kind) if each.name != "head"]


def check_fields(given: dict[str, Any], origin: str) -> None:  # Any: as above
    """Refuse what `execute` could not run."""
    if given["executor"] not in EXECUTORS.values():
        raise ValueError(
            f"executor in {origin} must be one of "
            f"{', '.join(EXECUTORS.values())}, got {given['executor']!r}"
        )
    for name in ("n_jobs", "chunksize"):
        value = given[name]
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(
                f"{name} in {origin} must be an integer of at least 1, got {value!r}"
            )
    for name in ("profile", "expected_seconds"):
        if not isinstance(given[name], dict):
            raise ValueError(
                f"{name} in {origin} must be an object, got {given[name]!r}"
            )


def planned(
    figures: Figures, profile: Profile, total: int | None, head: Head | None = None
) -> Plan:
    """The plan for *total* items like those that *figures* speak of."""
    place = better_place(figures, "one thread") or "one thread"
    n_jobs = workers_in(place, figures)
    seconds = figures.all_seconds()
    return Plan(
        EXECUTORS[place],
        n_jobs,
        chunksize_for(figures, n_jobs),
        seconds["one thread"] / seconds[place] if seconds[place] else 1.0,
        reason_for(place, figures, profile),
        profile,
        total,
        {EXECUTORS[each]: seconds[each] for each in EXECUTORS},
        figures.cpus,
        head,
    )


def workers_in(place: Place, figures: Figures) -> int:
    if place == "one thread":
        return 1
    wanted = figures.useful_threads if place == "threads" else figures.processes
    return max(1, min(wanted, figures.left))


def chunksize_for(figures: Figures, n_jobs: int) -> int:
    fitting = int(PORTION_SECONDS / figures.wall) if figures.wall else LARGEST_PORTION
    share = figures.left // (n_jobs * PORTIONS_PER_WORKER)
    return max(1, min(fitting, share, LARGEST_PORTION))


def reason_for(place: Place, figures: Figures, profile: Profile) -> str:
    if place == "processes":
        return "the items compute and hold the interpreter's lock"
    if place == "threads":
        if profile.workload_type == "cpu_bound":
            return "the items leave the interpreter's lock to others while they compute"
        return "the items wait more than they compute"
    if profile.obstacle:
        return f"the items compute and cannot go to processes: {profile.obstacle}"
    if figures.left < 2:
        return "there is nothing to run at the same time"
    if figures.cpus < 2 and profile.workload_type == "cpu_bound":
        return "there is one CPU, and the items keep it busy"
    return "what could be saved is less than what it costs to hand out the items"
