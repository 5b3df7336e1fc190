"""What runs in a worker: a portion of tasks, one after the other, within a time box.

Threads get a `LocalChunk`, see `local_chunk`, which holds the tasks themselves;
everything behind a process boundary gets a `PackedChunk`, see `packed_chunk`. Both go
through the same door, :func:`run_chunk`, and come back as a `ChunkReport`.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from cotality._kit.records import dataclass, field
from cotality.core.utils._process.tasks.errors import exited
from cotality.core.utils._process.tasks.times import Clues, Times
from cotality.core.utils._process.tasks.tracebacks import field_of

if TYPE_CHECKING:
    from cotality.core.utils._process.channel.segments import Segment


@dataclass(slots=True)
class ChunkReport:
    """The outcomes of the first tasks of a portion: those that were started.

    Tasks beyond ``len(values)`` are handed back.

    Attributes:
        values: One entry for each task; None where it failed or its value is packed.
        errors: The failures, by position; bytes in a report that crosses a process
            boundary.
        seconds: How long all of them took together.
        cpu_seconds: The CPU time of the thread that ran them.
        packed: Values that crossed a process boundary, each by itself, by position.
        times: When each task ran, if the chunk was asked to measure.
        worker: The worker that ran them.
        received_bytes: How many bytes came back from another process.
        obstacle: Why the next task could not even be loaded, if that ended the portion;
            bytes in a report that crosses a process boundary.
        clues: What else the worker can say about the portion, if the chunk was asked to
            measure CPU times.
        unpacking_seconds: How long it took this process to unpack what came back.
        peak_memory: The most memory that the worker process has used so far, in bytes;
            0 if that was not measured.
        others_cpu_seconds: The CPU time of other threads of the process meanwhile; 0 if
            that was not measured.
        lost: The positions of tasks that ran well, but whose results cannot travel.
    """

    values: list[Any]  # Any: what tasks return
    errors: dict[int, Any] = field(default_factory=dict[int, Any])  # Any: see above
    seconds: float = 0.0
    packed: dict[int, bytes | Segment] = field(
        default_factory=dict[int, "bytes | Segment"]
    )
    times: Times = field(default_factory=Times)
    worker: str = ""
    received_bytes: int = 0
    peak_memory: int = 0
    cpu_seconds: float = 0.0
    obstacle: Any = None  # Any: see above
    clues: Clues | None = None
    unpacking_seconds: float = 0.0
    others_cpu_seconds: float = 0.0
    lost: list[int] = field(default_factory=list[int])


class Chunk(Protocol):
    """A portion, in the form that suits the worker it goes to."""

    def run(self, time_box: float) -> ChunkReport: ...


def run_chunk(chunk: Chunk, time_box: float) -> ChunkReport:
    """Run the tasks of *chunk* until it is done or *time_box* seconds have passed."""
    return chunk.run(time_box)


HALT_INTERVAL = 0.001  # s of tiny tasks between looks whether they are still wanted


def task_failure(error: BaseException) -> Exception:
    """The `Exception` that stands for the failure of a task that raised *error*."""
    # Not by assignment: a class may forbid that (a frozen dataclass).
    frames = field_of(error, "__traceback__")
    BaseException.with_traceback(error, without_our_frames(frames))
    return error if isinstance(error, Exception) else exited(error)


def without_our_frames(frames: TracebackType | None) -> TracebackType | None:
    """*frames* from the task's own function on; ours would not help a reader."""
    outer = frames
    while outer is not None and outer.tb_frame.f_globals.get("__name__") in OURS:
        outer = outer.tb_next
    return outer or frames


# The modules of ours that stand between a worker and the function of a task.
OURS = {
    "cotality.core.utils._process.portions.chunk",
    "cotality.core.utils._process.portions.local_chunk",
    "cotality.core.utils._process.portions.packed_chunk",
    "cotality.core.utils._process.portions.stopwatch",
    "cotality.core.utils._process.workers.worker_main",
    "cotality.core.utils._process.packing.worker_state",
}
