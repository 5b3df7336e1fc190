"""The observer that updates dead letters while they run again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cotality.core.utils._process.durable.files.errors import JournalError
from cotality.core.utils._process.tasks.outcome import Outcome, Portion, Settled

from .letter import DeadLetter
from .making import letter_about
from .recorder import LetterRecorder
from .store import Store


class Replayer(LetterRecorder):
    """Takes letters out whose tasks have succeeded; the others keep their keys."""

    again = True

    def __init__(self, store: Store, letters: list[DeadLetter]) -> None:
        super().__init__(store)
        self.letters = letters
        self.keys = [letter.key for letter in letters]
        self.counted: set[int] = set()  # the indices of those that have been tried
        self.done: list[str] = []  # to be taken out

    def handed_out(self, portion: Portion) -> None:
        # At once and not when they have failed: one that brings this process down was
        # tried as well. Some are handed back and come a second time.
        indices = range(portion.start, portion.start + len(portion.tasks))
        new = [index for index in indices if index not in self.counted]
        if new:
            self.counted.update(new)
            self.store.tried([self.keys[index] for index in new])

    def letter(self, outcome: Outcome[Any]) -> DeadLetter:  # Any: as above
        before = self.letters[outcome.index]
        letter = replace(letter_about(outcome, before.key), metadata=before.metadata)
        if not before.needs_function:
            return letter
        # It stays what it is: an item, for whatever function comes next time.
        return replace(
            letter,
            call=before.call,
            packed=before.packed,
            digest=before.digest,
            needs_function=True,
        )

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
