"""A program made of a seed. It only asks for what the documentation allows."""

from __future__ import annotations

import random

from .program import (
    DEADLY,
    FAILING,
    FORMS,
    HARMLESS,
    SHARING,
    UNSENDABLE,
    UNWRITABLE,
    Call,
    Do,
    Program,
)

TIMEOUT_S = 1.5  # most tasks take milliseconds, but the machine may be busy

PLACES = {
    "threads": 8,
    "processes": 10,
    "auto": 6,
    "inline": 4,
    "thread executor": 4,
    "process executor": 1,  # takes long to start
    "our executor": 4,
    "worker pool": 3,
}
ENTRIES = {
    "list": 4,
    "unordered": 2,
    "stream": 4,
    "outcomes": 3,
    "batches": 2,
    "list_async": 3,
    "unordered_async": 1,
    "stream_async": 3,
    "outcomes_async": 2,
    "submit": 2,
    "map": 1,
    "execute": 3,
    "execute_stream": 2,
    "execute_async": 1,
    "manager": 3,
    "manager_async": 1,
}
# Entries that say themselves where their tasks run.
OWN_PLACE = {
    "submit": "our executor",
    "map": "our executor",
    "manager": "manager",
    "manager_async": "manager",
}
ON_PROCESSES = (
    "processes",
    "process executor",
    "our executor",
    "worker pool",
    "manager",
)
OURS = ("processes", "our executor", "worker pool", "manager")  # a crash costs one task
ONE_BY_ONE = ("submit", "map")  # take no options
ITEMS = ("execute", "execute_stream", "execute_async", "manager", "manager_async")
STREAMS = ("stream", "outcomes", "batches", "stream_async", "outcomes_async")
STREAMS += ("execute_stream",)
CANCELLED = ("list_async", "unordered_async", "manager_async", "execute_async")


def program_of(seed: int) -> Program:
    """The program of that *seed*."""
    dice = random.Random(seed)
    steps: list[tuple[Call, ...]] = []
    for _ in range(dice.choice((1, 1, 2))):
        at_once = dice.choice((1, 1, 1, 1, 2, 3))
        steps.append(tuple(call_of(dice) for _ in range(at_once)))
    return Program(seed, tuple(steps))


def drawn(dice: random.Random, weights: dict[str, int]) -> str:
    return dice.choices(list(weights), list(weights.values()))[0]


def call_of(dice: random.Random) -> Call:
    entry = drawn(dice, ENTRIES)
    place = OWN_PLACE.get(entry) or drawn(dice, PLACES)
    if entry in ITEMS and place in ("our executor", "worker pool"):
        place = "processes"
    tasks = tuple(tasks_of(dice, entry, place, None))
    call = Call(entry, place, dice.randint(1, 3), tasks)
    if entry in ONE_BY_ONE:
        return call
    return with_options(dice, call)


def with_options(dice: random.Random, call: Call) -> Call:
    entry, place = call.entry, call.place
    given: dict[str, object] = {}
    if place in OURS and dice.random() < 0.15:
        given["timeout"] = TIMEOUT_S
    tasks = tasks_of(dice, entry, place, given.get("timeout"))
    if entry not in ITEMS:
        kinds = SHARING if place in ON_PROCESSES else SHARING[:2]
        sharing = dice.choices(kinds, k=dice.randint(0, 3))
        tasks += [Do(way, dice.randrange(10_000)) for way in sharing]
    sources = ["list", "tuple", "generator"]
    if call.is_async and entry not in ITEMS:
        sources += ["async", "slow async", "busy async"]
    given["tasks"], given["source"] = tuple(tasks), dice.choice(sources)
    if given["source"] not in ("list", "tuple") and dice.random() < 0.25:
        given["fails_at"] = dice.randint(0, len(tasks))
    if not entry.startswith("outcomes"):
        given["on_error"] = dice.choice((None, "raise", "return", "return", "group"))
    collects = entry.startswith("outcomes") or given["on_error"] in ("return", "group")
    if collects and dice.random() < 0.2:
        given["max_failures"] = dice.randint(1, 4)
    if dice.random() < 0.3:
        given["attempts"] = dice.randint(2, 4)
        given["retries_crashes"] = place in OURS and dice.random() < 0.5
    if entry in STREAMS:
        given["ordered"] = dice.random() < 0.5
    leaves = entry in STREAMS or (entry in CANCELLED and place not in BLOCKING)
    if leaves and dice.random() < 0.25:
        given["leave_after"] = dice.randint(0, 5)
    given["is_dropped"] = dice.random() < 0.3
    given["context"] = dice.random() < 0.3
    if place in PREPARED and dice.random() < 0.1:
        given["prepared"] = dice.randrange(100)
    given["is_resumed"] = may_be_resumed(call, given) and dice.random() < 0.2
    given["limits"] = limits_of(dice, place, entry)
    return Call(**{**vars(call), **given})  # type: ignore[arg-type]


def may_be_resumed(call: Call, given: dict[str, object]) -> bool:
    """Whether everything runs, and can be written down."""
    ends_early = {"fails_at", "max_failures", "leave_after"} & {*given}
    ways = {do.way for do in given["tasks"]}  # type: ignore[attr-defined]
    return not (
        ends_early
        or call.entry in ITEMS
        or given.get("on_error", "return") in (None, "raise")
        or ways & {*UNWRITABLE}
    )


PREPARED = ("threads", "processes", "inline", "auto")
BLOCKING = ("inline",)  # nobody could cancel meanwhile


def limits_of(dice: random.Random, place: str, entry: str) -> dict[str, object]:
    limits: dict[str, object] = {}
    if dice.random() < 0.3:
        limits["chunksize"] = dice.choice((1, 2, 5, 40))
    if dice.random() < 0.1:
        limits["rate"] = dice.choice(((5, 0.01), (100, 0.1)))
    if dice.random() < 0.2:
        limits["report"] = True
    if dice.random() < 0.1:
        limits["progress"] = True
    if place == "processes" and dice.random() < 0.1:
        limits["max_tasks_per_worker"] = dice.randint(1, 5)
    if entry == "batches":
        limits["batch_size"] = dice.randint(1, 7)
    return limits


def tasks_of(dice: random.Random, entry: str, place: str, timeout: object) -> list[Do]:
    count = dice.choice((0, 1, 2, 5, 8, 8, 13, 13, 13, 30, 30, 100))
    weights = dict.fromkeys(HARMLESS, 4.0)
    weights["value"] = 40.0
    weights["nested"] = 0.3
    if dice.random() < 0.6:
        trouble = dice.choice((0.2, 1.0, 4.0))
        weights |= dict.fromkeys((*FAILING, *UNSENDABLE), trouble)
    if place in OURS and dice.random() < 0.15:
        weights |= dict.fromkeys(("crash", "kill"), 0.5)
    if timeout is not None:
        weights["late"] = 0.3
        weights.pop("nested")  # may have to start processes, which takes its time
    if place in ("inline", "auto"):
        weights.pop("interrupt", None)  # would be the caller's own, in its thread
    if place not in ON_PROCESSES:
        weights.pop("changes")  # others see it, whoever comes first
    if place in ("auto", "process executor"):
        weights.pop("lock result", None)
    if entry in (*ONE_BY_ONE, *ITEMS):
        for way in ("state", "lock", "shared"):
            weights.pop(way, None)  # a mark or a lock has to be an argument of its own
    if entry in ONE_BY_ONE:
        weights.pop("context")
    if dice.random() < 0.4:  # most of them do one thing
        theme = dice.choice([way for way in HARMLESS if way in weights])
        weights[theme] = 100.0 if theme != "nested" else 10.0
    deadly = {"most": 2}
    tasks: list[Do] = []
    for _ in range(count):
        way = dice.choices(list(weights), list(weights.values()))[0]
        if way in DEADLY:
            deadly["most"] -= 1
            if deadly["most"] < 0:
                way = "value"
        tasks.append(Do(way, dice.randrange(10_000), dice.choice(FORMS)))
    if dice.random() < 0.4:  # mostly tasks call one function
        form = dice.choice(FORMS)
        tasks = [Do(each.way, each.number, form) for each in tasks]
    return tasks
