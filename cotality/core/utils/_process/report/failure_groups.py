"""The failures of tasks, in groups of failures that are alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cotality._kit.public import pickled_as
from cotality._kit.records import dataclass, field
from cotality.core.utils._process.tasks.tracebacks import field_of

if TYPE_CHECKING:
    from cotality.core.utils._process.tasks.outcome import Settled

    from .task_names import Words

MOST_GROUPS = 50
SHOWN = 3  # tasks of a group
# What differs between failures of one kind, mostly: "no order 17", "no order 18".
NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d+")
OTHERS = "other failures"


@pickled_as("FailureGroup")
@dataclass(slots=True)
class FailureGroup:
    """Failures that differ in numbers at most.

    Attributes:
        error: The first of them, as text.
        where: The line that raised it; empty if that is not known.
        count: How many there are.
        tasks: The first of the tasks, each with its index and its call.
    """

    error: str
    where: str
    count: int = 0
    tasks: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])


class FailureGroups:
    """Puts failures into *groups*, which it is given empty."""

    def __init__(self, groups: list[FailureGroup]) -> None:
        self.groups = groups
        self.known: dict[tuple[str, str], FailureGroup] = {}

    def add(self, settled: Settled, position: int, words: Words) -> None:
        error = settled.errors[position]
        group = self.group_of(words.error_if_cheap(error), place_of(error))
        group.count += 1
        if len(group.tasks) < SHOWN:
            details, call = settled.details, ""
            if details is not None and position < len(details.tasks):
                call = words.call_of(details.tasks[position])
            group.tasks.append((settled.start + position, call))

    def group_of(self, text: str, where: str) -> FailureGroup:
        key = NUMBER.sub("#", text), where
        group = self.known.get(key)
        if group is None:
            if len(self.groups) >= MOST_GROUPS:
                key, text, where = (OTHERS, ""), OTHERS, ""
                group = self.known.get(key)
            if group is None:
                group = self.known[key] = FailureGroup(text, where)
                self.groups.append(group)
        return group


def place_of(error: BaseException) -> str:
    """``"shop.py, line 17, in price"``: where *error* was raised."""
    frames = field_of(error, "__traceback__")
    if frames is None:
        return ""
    while frames.tb_next is not None:
        frames = frames.tb_next
    code = frames.tb_frame.f_code
    file = code.co_filename.replace("\\", "/").rpartition("/")[2]
    return f"{file}, line {frames.tb_lineno}, in {code.co_name}"
