"""What was struck, on disk: a run that was ended goes on where it was.

One file for each kind of call, all in one folder. A line is written before each strike
and another one after it, so that a strike from which the program does not come back is
known as well.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

BEGUN, STRUCK, MISSED, WRONG, ENDED = "?", "+", "-", "WRONG", "="
TRIES = 2  # a strike that has no end after so many is stuck


class Record:
    """The strikes of one kind of call.

    Args:
        path: The file; None keeps nothing.

    Attributes:
        outcomes: How each of them ended that has ended.
        begun: How often each was begun.
        wrong: The lines about what is wrong.
        ended: The turns that have been gone through.
    """

    def __init__(self, path: Path | None) -> None:
        self.outcomes: dict[str, str] = {}
        self.begun: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.ended: set[str] = set()
        self.fd = -1
        if path is not None:
            if path.exists():
                self.read(path)
            self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def read(self, path: Path) -> None:
        for line in path.read_text("utf-8").splitlines():
            mark, _, rest = line.partition(" ")
            if mark == BEGUN:
                self.begun[rest] += 1
            elif mark == WRONG:
                self.wrong.append(rest)
            elif mark == ENDED:
                self.ended.add(rest)
            else:
                self.outcomes[rest] = mark

    def write(self, mark: str, what: str) -> None:
        if self.fd >= 0:
            os.write(self.fd, f"{mark} {what}\n".encode())

    def begin(self, aim: str) -> None:
        self.begun[aim] += 1
        self.write(BEGUN, aim)

    def end(self, aim: str, *, is_struck: bool) -> None:
        self.outcomes[aim] = STRUCK if is_struck else MISSED
        self.write(self.outcomes[aim], aim)

    def tell(self, wrong: str) -> None:
        self.wrong.append(wrong)
        self.write(WRONG, wrong)

    def end_turn(self, turn: str) -> None:
        self.ended.add(turn)
        self.write(ENDED, turn)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)

    def is_over(self, aim: str) -> bool:
        """Whether it is not to be struck there again."""
        return aim in self.outcomes or self.begun[aim] >= TRIES

    def stuck(self) -> list[str]:
        """From which the program did not come back."""
        return [
            aim
            for aim, times in self.begun.items()
            if times >= TRIES and aim not in self.outcomes
        ]

    def places(self) -> set[str]:
        """The names of those that were struck."""
        return {place_in(aim) for aim, mark in self.outcomes.items() if mark == STRUCK}

    def count(self, mark: str) -> int:
        return sum(each == mark for each in self.outcomes.values())


def place_in(aim: str) -> str:
    return aim.rpartition("#")[0]


def struck_in(folder: Path) -> set[str]:
    """The names of the places that were struck in a call of any kind."""
    found: set[str] = set()
    for file in folder.glob("*.txt"):
        record = Record(file)
        record.close()
        found |= record.places()
    return found
