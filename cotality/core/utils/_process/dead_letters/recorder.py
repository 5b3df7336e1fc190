"""Who keeps the tasks that fail for good while a call runs."""

from __future__ import annotations

import logging
from typing import Any

from cotality.core.utils._process.observers import Observer
from cotality.core.utils._process.outcome import Outcome, Settled
from cotality.core.utils._process.records.errors import JournalError
from cotality.core.utils._process.times import Measure

from .letter import DeadLetter
from .making import letter_about
from .store import Store

logger = logging.getLogger("cotality.core.utils.process")


class LetterRecorder(Observer):
    """Writes a letter for each task of a call whose failure is final.

    What cannot be written is tried again with the next ones and at the end; if it never
    can, the call ends with that error after all that it had to give.
    """

    measure = Measure.TIMES
    again = False  # whether the tasks were letters before

    def __init__(self, store: Store) -> None:
        self.store = store
        self.unwritten: list[DeadLetter] = []
        self.failure: JournalError | None = None

    def settled(self, settled: Settled) -> None:
        if settled.errors:
            self.unwritten += map(self.letter, failures_of(settled))
            self.write()

    def letter(self, outcome: Outcome[Any]) -> DeadLetter:  # Any: of any result type
        return letter_about(outcome)

    def write(self) -> None:
        try:
            self.store.add(self.unwritten, again=self.again)
        except JournalError as error:
            if self.failure is None:
                logger.error("%s", error)
            self.failure = error
        else:
            self.unwritten = []
            self.failure = None

    def ended(self, error: BaseException | None) -> None:
        if self.unwritten:
            self.write()
        if self.failure is None:
            return
        calls = ", ".join(letter.call for letter in self.unwritten[:5])
        logger.error("%d failed tasks are lost: %s", len(self.unwritten), calls)
        if error is None:
            raise self.failure


def failures_of(settled: Settled) -> list[Outcome[Any]]:  # Any: as above
    """The outcomes of the tasks that have failed."""
    details = settled.details
    assert details is not None
    outcomes: list[Outcome[Any]] = []
    for position, error in settled.errors.items():
        task = details.tasks[position]
        outcome = details.outcome_of(settled.start + position, position, task)
        outcome.error = error
        outcomes.append(outcome)
    return outcomes
