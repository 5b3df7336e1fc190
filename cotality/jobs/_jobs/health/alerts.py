"""What is said when a queue is not well, and when it is again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from cotality._kit.public import public_in

Kind: TypeAlias = Literal["depth", "oldest", "dead", "no worker"]

SAYS: dict[Kind, str] = {
    "depth": "{value:,.0f} jobs wait; the limit is {limit:,.0f}",
    "oldest": "the oldest job has waited for {value:,.0f} s; the limit is {limit:,.0f}",
    "dead": "{value:,.0f} dead letters have come lately; the limit is {limit:,.0f}",
    "no worker": "jobs wait, and there has been no worker for {value:,.0f} s",
}


@public_in("cotality.jobs.health")
@dataclass(frozen=True, slots=True)
class Alert:
    """Something is wrong with a queue, or no longer wrong.

    Attributes:
        queue: Its name.
        kind: ``"depth"``, ``"oldest"``, ``"dead"`` or ``"no worker"``.
        value: The figure that was found.
        limit: The limit for it.
        is_over: Whether the alert has just ended; otherwise it has just begun.
    """

    queue: str
    kind: Kind
    value: float
    limit: float
    is_over: bool = False

    @property
    def key(self) -> str:
        """The same from its beginning to its end."""
        return f"{self.kind}: {self.queue}"

    @property
    def text(self) -> str:
        """One sentence for people."""
        if self.is_over:
            return f"queue {self.queue!r} is well again: {self.kind}"
        says = SAYS[self.kind].format(value=self.value, limit=self.limit)
        return f"queue {self.queue!r}: {says}"

    def to_json(self) -> dict[str, object]:
        """What it says, for a webhook or a job."""
        return {**asdict(self), "text": self.text}
