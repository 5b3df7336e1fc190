"""What the tasks of a call put into segments and through the link, without workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cotality.core.utils._process.portions.packer import PortionPacker
from cotality.core.utils._process.tasks.outcome import Portion
from cotality.core.utils._process.tasks.times import Measure
from cotality.core.utils.process import Task


class Sent:
    """Packs tasks as a call does.

    Attributes:
        through_the_link: The bytes of the last ones that are in no segment.
    """

    def __init__(self) -> None:
        self.packer = PortionPacker(
            until_failure=False, measure=Measure.NOTHING, context=None
        )
        self.through_the_link = 0

    def bytes_for(self, tasks: Sequence[Task[Any]], turn: object) -> int:
        """How many bytes *tasks* put into segments, in that *turn* of the caller."""
        before, left = self.written, list(tasks)
        self.through_the_link = 0
        while left:
            chunk, portion = self.packer.pack(Portion(0, left, turn=turn))
            assert not portion.failures
            left = left[len(portion.tasks) :]
            self.through_the_link += chunk.size
        return self.written - before

    @property
    def written(self) -> int:
        return self.packer.packer.written
