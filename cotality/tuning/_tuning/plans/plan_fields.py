"""What a plan says, for all that shows, keeps or reads one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from .first_results import Head
    from .profile import Profile

ExecutorName: TypeAlias = Literal["sequential", "threads", "processes"]


@dataclass(frozen=True)
class PlanFields:
    """The fields of a `Plan`, which says what each of them means."""

    executor: ExecutorName
    n_jobs: int
    chunksize: int
    estimated_speedup: float
    reason: str
    profile: Profile
    total: int | None
    expected_seconds: dict[str, float]
    cpus: int
    speedup_range: tuple[float, float] | None = None
    head: Head | None = field(default=None, repr=False, compare=False)  # see there
