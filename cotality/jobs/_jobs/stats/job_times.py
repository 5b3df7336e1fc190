"""How long the jobs of one function wait, and run."""

from __future__ import annotations

from dataclasses import dataclass

from cotality._kit.public import public_in

from .histogram import Histogram


@public_in("cotality.jobs")
@dataclass(frozen=True, slots=True)
class JobTimes:
    """All runs of the jobs of one name.

    Attributes:
        name: The name of the function; ``"(others)"`` for all functions beyond the two
            hundred names that the store keeps.
        wait: How long runs waited, from when they could have begun.
        run: How long runs took, however they ended.
    """

    name: str
    wait: Histogram
    run: Histogram

    def to_json(self) -> dict[str, object]:
        """As other programs read it."""
        return {
            "name": self.name,
            "wait": self.wait.to_json(),
            "run": self.run.to_json(),
        }
