"""What became of each task, and what that took."""

from __future__ import annotations

from cotality.core.utils.process import Outcome, Task, iter_outcomes

from .output import Stopwatch, confirm, say, say_prose
from .sources import Source, some_of, standard_library
from .unordered import count_nodes


def outcomes(scale: float) -> None:
    """Get one record per task: how it ended, how long it ran, and where.

    An Outcome has the value of a task or its error, so that the two cannot be
    mixed up, and the times that tell where those of the whole run went.

        for outcome in iter_outcomes(tasks, use_processes=True):
    """
    sources = some_of(standard_library(), scale / 3)
    sources.append(Source("not a module", b"print 'hello'"))
    tasks = [Task.of(count_nodes, source.content) for source in sources]
    good: list[Outcome[int]] = []
    clock = Stopwatch()
    for outcome in iter_outcomes(tasks, use_processes=True):
        match outcome:
            case Outcome(ok=True):
                good.append(outcome)
            case Outcome(error=error):
                say_prose(f"{sources[outcome.index].name} failed: {error}")
    seconds = clock.lap()

    say("The three that took longest:")
    for outcome in sorted(good, key=lambda each: each.seconds)[:-4:-1]:
        say_times(sources[outcome.index].name, outcome)
    ran = sum(outcome.seconds for outcome in good)
    workers = len({outcome.worker for outcome in good})
    say_prose(
        f"{len(good)} tasks ran for {ran:.2f} s in {workers} workers, which took "
        f"{seconds:.2f} s in all."
    )
    indices = [outcome.index for outcome in good]
    confirm("the outcomes came in the order of the tasks", indices == sorted(indices))


def say_times(name: str, outcome: Outcome[int]) -> None:
    """Print how many nodes a module has and what it took to count them."""
    say(
        f"{outcome.unwrap():8,} nodes  {1e3 * outcome.seconds:6.1f} ms, of which "
        f"{1e3 * outcome.cpu_seconds:6.1f} ms computing  {name}"
    )
