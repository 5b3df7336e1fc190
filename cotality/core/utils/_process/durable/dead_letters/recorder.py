"""The observer that keeps the tasks which fail for good while a call runs."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from typing import Any

from cotality._kit.safe_text import printable
from cotality.core.utils._process.durable.files.errors import JournalError
from cotality.core.utils._process.engine.observers import Observer, Start
from cotality.core.utils._process.machine.environment import LOGGER
from cotality.core.utils._process.tasks.errors import was_cut_off
from cotality.core.utils._process.tasks.outcome import Outcome, Settled
from cotality.core.utils._process.tasks.times import Measure

from .letter import DeadLetter
from .making import letter_about
from .store import Store

logger = logging.getLogger(LOGGER)


class LetterRecorder(Observer):
    """Writes a letter for each task of a call whose failure is final.

    What cannot be written is tried again with the next ones and at the end; if it never
    can, the call ends with that error after all that it had to give.
    """

    measure = Measure.TIMES
    again = False  # whether the tasks were letters before

    name = "the dead letters"

    def __init__(self, store: Store) -> None:
        self.store = store
        self.unwritten: list[DeadLetter] = []
        self.owners: dict[str, int] = {}  # whose keys they are: the indices of tasks
        self.namesakes: Counter[str] = Counter()
        self.failure: JournalError | None = None
        self.may_be_written = False  # some of those that are unwritten

    def settled(self, settled: Settled) -> None:
        if settled.errors:
            self.unwritten += map(self.letter, failures_of(settled))
            if self.unwritten:
                self.write()

    def began(self, start: Start) -> None:
        """See that letters can be kept, before it is too late.

        Raises:
            DeadLetterError: Others may write to the file, and are not trusted.
        """
        self.store.check_trust()

    def letter(self, outcome: Outcome[Any]) -> DeadLetter:  # Any: of any result type
        letter = letter_about(outcome)
        key = self.key_of_its_own(letter.key, outcome.index)
        return letter if key == letter.key else replace(letter, key=key)

    def key_of_its_own(self, key: str, index: int) -> str:
        """*key*, unless another task of this call has it: a number tells them apart.

        Tasks may have the same label, or be the same call. All of them are kept.
        """
        own = key
        while self.owners.setdefault(own, index) != index:
            self.namesakes[key] += 1
            own = f"{key}#{self.namesakes[key] + 1}"
        return own

    def write(self) -> None:
        unless_there, self.may_be_written = self.may_be_written, True
        try:
            self.store.add(self.unwritten, again=self.again, unless_there=unless_there)
        except JournalError as error:
            if self.failure is None:
                logger.error("%s", printable(str(error)))
            self.failure = error
        else:
            self.unwritten = []
            self.failure = None
            self.may_be_written = False

    def ended(self, error: BaseException | None) -> None:
        if self.unwritten:
            self.write()
        if self.failure is None:
            return
        calls = ", ".join(letter.call for letter in self.unwritten[:5])
        logger.error(
            "%d failed tasks are lost: %s", len(self.unwritten), printable(calls)
        )
        if error is None:
            raise self.failure


def failures_of(settled: Settled) -> list[Outcome[Any]]:  # Any: as above
    """The outcomes of the tasks that have failed."""
    details = settled.details
    assert details is not None
    outcomes: list[Outcome[Any]] = []
    for position, error in settled.errors.items():
        if was_cut_off(error):  # it was ended with the call, and may be run again
            continue
        task = details.tasks[position]
        outcome = details.outcome_of(settled.start + position, position, task)
        outcome.error = error
        outcomes.append(outcome)
    return outcomes
