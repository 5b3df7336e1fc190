"""Who looks after the dead letters while they are being run again."""

from __future__ import annotations

from typing import Any

from cotality.core.utils._process.outcome import Outcome, Settled
from cotality.core.utils._process.records.errors import JournalError

from .letter import DeadLetter
from .making import letter_of
from .recorder import LetterRecorder
from .store import Store


class Replayer(LetterRecorder):
    """Takes letters out whose tasks have succeeded; the others keep their keys."""

    def __init__(self, store: Store, keys: list[str]) -> None:
        super().__init__(store)
        self.keys = keys
        self.done: list[str] = []  # to be taken out

    def letter(self, outcome: Outcome[Any]) -> DeadLetter:  # Any: as above
        return letter_of(outcome, self.keys[outcome.index])

    def settled(self, settled: Settled) -> None:
        super().settled(settled)
        self.done += [
            self.keys[settled.start + position]
            for position in range(len(settled.values))
            if position not in settled.errors
        ]
        if self.done:
            self.take_out()

    def take_out(self) -> None:
        try:
            self.store.remove(self.done, "replayed")
        except JournalError as error:
            self.failure = error
        else:
            self.done = []
            self.failure = None if not self.unwritten else self.failure

    def ended(self, error: BaseException | None) -> None:
        if self.done:
            self.take_out()
        super().ended(error)
