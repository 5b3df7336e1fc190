"""The base class of tasks."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, ClassVar, Protocol

DEFAULT_PRIORITY = 0


class HasReadAny(Protocol):
    """Such as the body of a request: gives its blocks, and an empty one at its end."""

    async def readany(self) -> bytes:
        """The next block."""
        ...


@dataclass
class MetricsItems:
    """Figures, each with the name of what it is about."""

    items: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])

    def add(self, name: str, value: float) -> None:
        """Add one."""
        self.items.append((name, value))


@dataclass
class TaskMetrics:
    """What was measured of one task; all times are in seconds.

    Attributes:
        transfer_times: From one process to the next, waiting included.
        task_sizes: Empty: nothing here looks into what is sent.
        handle_times: Of the handler, for the whole batch; ``"total"`` is all of it.
        batch_times: The same as ``handle_times``.
        batch_sizes: How many tasks were handled with this one.
    """

    transfer_times: MetricsItems = field(default_factory=MetricsItems)
    task_sizes: MetricsItems = field(default_factory=MetricsItems)
    handle_times: MetricsItems = field(default_factory=MetricsItems)
    batch_times: MetricsItems = field(default_factory=MetricsItems)
    batch_sizes: MetricsItems = field(default_factory=MetricsItems)


class BaseTask:
    """What is sent through a flow. Handlers change it, and whoever sent it sees that.

    Attributes:
        task_id: Its own.
        priority: Larger goes first, up to the number of priorities of the flow.
        expiration_time: When its time is up, by the monotonic clock; each call sets it.
        metrics: What was measured of it.
    """

    task_id: str = ""
    priority: int = DEFAULT_PRIORITY
    expiration_time: float | None = None
    metrics: TaskMetrics
    own_fields: ClassVar[frozenset[str]] = frozenset(
        ["task_id", "priority", "expiration_time"]
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: of a class beside it
        super().__init__(*args, **kwargs)
        self.task_id = str(uuid.uuid4())
        self.priority = DEFAULT_PRIORITY
        self.metrics = TaskMetrics()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.__dict__}>"

    def set_timeout(self, timeout_sec: float) -> None:
        """Give it *timeout_sec* seconds from now on."""
        self.expiration_time = monotonic() + timeout_sec

    def set_priority(self, priority: int) -> None:
        """Let it go before those of a smaller priority."""
        self.priority = priority

    def is_expired(self) -> bool:
        """Whether its time is up."""
        return self.expiration_time is not None and monotonic() >= self.expiration_time

    def update(
        self, source_task: BaseTask, excluded_fields: Collection[str] = ()
    ) -> None:
        """Take over what was set on *source_task*, but for what is the task's own."""
        for name, value in vars(source_task).items():
            if name not in self.own_fields and name not in excluded_fields:
                setattr(self, name, value)

    def share_value(self, field_name: str) -> None:
        """Have this field travel without being copied.

        There is nothing to do: large arrays and bytes do so in any case. What handlers
        write into them is in the field when the task is done.

        Raises:
            ValueError: There is no such field, or it is no array and no bytes.
        """
        if field_name not in vars(self):
            raise ValueError(f"the task has no field {field_name!r}")
        value = getattr(self, field_name)
        try:
            memoryview(value)
        except TypeError:
            raise ValueError(
                f"a {type(value).__name__} cannot be shared: only arrays and bytes can"
            ) from None

    async def share_value_with_data(
        self, field_name: str, content: HasReadAny, size: int
    ) -> None:
        """Set a field to the *size* bytes of *content*.

        Raises:
            ValueError: There are more of them.
        """
        data = bytearray()
        while block := await content.readany():
            data += block
            if len(data) > size:
                raise ValueError(f"the content has more than the {size:,} bytes given")
        setattr(self, field_name, bytes(data))
