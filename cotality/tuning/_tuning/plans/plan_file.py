"""A plan in a file of JSON."""

from __future__ import annotations

import json
import os
from dataclasses import MISSING, asdict, fields
from typing import Any, TypeVar, cast

from cotality.core.calls import checked_path

from .plan_fields import PlanFields
from .profile import Profile

P = TypeVar("P", bound=PlanFields)

VERSION = 1
EXECUTORS = ("sequential", "threads", "processes")


def dict_of(plan: PlanFields) -> dict[str, Any]:  # Any: as in what follows, of JSON
    given = {name: getattr(plan, name) for name in names_of(PlanFields)}
    given["expected_seconds"] = {
        name: None if seconds == float("inf") else seconds
        for name, seconds in plan.expected_seconds.items()
    }
    given["profile"] = asdict(plan.profile)
    return {"version": VERSION, **given}


def write(plan: PlanFields, path: str | os.PathLike[str]) -> None:
    text = json.dumps(dict_of(plan), indent=2, ensure_ascii=False)
    checked_path("path", path).write_text(f"{text}\n", "utf-8")


def read(path: str | os.PathLike[str], kind: type[P]) -> P:
    file = checked_path("path", path)
    try:
        given = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} holds no plan: {error}") from error
    return plan_from(given, os.fspath(path), kind)


def plan_from(given: Any, origin: str, kind: type[P]) -> P:  # Any: what JSON can hold
    """The plan that `Plan.to_dict` has made *given* of."""
    names, in_profile = names_of(PlanFields), names_of(Profile)
    if not isinstance(given, dict):
        raise ValueError(f"{origin} holds no plan, but {given!r:.80}")
    found = cast("dict[str, Any]", given)  # Any: as above
    if found.get("version") != VERSION:
        raise ValueError(
            f"{origin} holds no plan of version {VERSION}, which this program reads "
            f"(its version: {found.get('version')!r}). Make it again with optimize()."
        )
    missing = sorted({*names} - {*found} - optional(PlanFields))
    profile: dict[str, Any] = found.get("profile", {})
    if isinstance(profile, dict):  # pyright: ignore[reportUnnecessaryIsInstance]  # whatever the file says
        missing += sorted({*in_profile} - {*profile} - optional(Profile))
    if missing:
        raise ValueError(f"the plan in {origin} lacks {', '.join(missing)}")
    checked = {name: found[name] for name in names if name in found}
    between = checked.get("speedup_range")
    if isinstance(between, list):  # JSON has no tuples
        checked["speedup_range"] = tuple(cast("list[object]", between))
    check_fields(checked, origin)
    checked["profile"] = Profile(
        **{name: profile[name] for name in in_profile if name in profile}
    )
    try:
        checked["expected_seconds"] = {
            name: float("inf") if seconds is None else float(seconds)
            for name, seconds in found["expected_seconds"].items()
        }
        plan = kind(**checked)
        str(plan)  # which needs numbers where there have to be some
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f"the plan in {origin} is damaged: {error}") from error
    return plan


def names_of(kind: type[PlanFields | Profile]) -> list[str]:
    return [each.name for each in fields(kind) if each.name != "head"]


def optional(kind: type[PlanFields | Profile]) -> set[str]:
    """What a file of an earlier version may lack."""
    return {each.name for each in fields(kind) if each.default is not MISSING}


def check_fields(given: dict[str, Any], origin: str) -> None:  # Any: as above
    """Refuse what `execute` could not run."""
    if given["executor"] not in EXECUTORS:
        raise ValueError(
            f"executor in {origin} must be one of "
            f"{', '.join(EXECUTORS)}, got {given['executor']!r}"
        )
    for name in ("n_jobs", "chunksize"):
        value = given[name]
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(
                f"{name} in {origin} must be an integer of at least 1, got {value!r}"
            )
    total = given["total"]
    if total is not None and (isinstance(total, bool) or not isinstance(total, int)):
        raise ValueError(f"total in {origin} must be an integer, got {total!r}")
    for name in ("profile", "expected_seconds"):
        if not isinstance(given[name], dict):
            raise ValueError(
                f"{name} in {origin} must be an object, got {given[name]!r}"
            )
