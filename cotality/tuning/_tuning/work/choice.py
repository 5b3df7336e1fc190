"""What was chosen for a run: by an argument, by the environment, or by a plan."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from cotality._kit.safe_text import shortened
from cotality.core.calls import (
    Said,
    agreed,
    checked_count,
    checked_flag,
    checked_use_processes,
    contradiction,
    count_from,
)

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from cotality.tuning._tuning.plans.plan import Plan
    from cotality.tuning._tuning.plans.plan_fields import ExecutorName

    ExecutorChoice: TypeAlias = Literal["auto"] | ExecutorName | Executor

NAMES = ("auto", "sequential", "threads", "processes")
# What *processes* says, as the core has it.
PLACES = {True: "processes", False: "threads", "auto": "auto"}
# What functions of this package have as parameters of their own, or not at all.
PARAMETERS = ("n_jobs", "max_workers", "chunksize", "executor")
PLACES_SAID = ("processes", "use_processes")
OF_PLANS = (*PARAMETERS, "workers", *PLACES_SAID)
N_JOBS_VARIABLE = "COTALITY_N_JOBS"
CHUNKSIZE_VARIABLE = "COTALITY_CHUNKSIZE"
EXECUTOR_VARIABLE = "COTALITY_EXECUTOR"


class Choice(NamedTuple):
    """Where items run, how many at a time, and how many travel together.

    Attributes:
        executor: One of `NAMES`, or an executor that was given.
        n_jobs: How many at a time; None leaves it to the executor.
        chunksize: None leaves it to the schedule.
    """

    executor: str | Executor
    n_jobs: int | None
    chunksize: int | None

    @classmethod
    def of(
        cls,
        plan: Plan | None,
        *,
        executor: object,
        n_jobs: object,
        max_workers: object,
        chunksize: object,
    ) -> Choice:
        """What holds: an argument, else the environment, else the plan.

        Raises:
            TypeError: A value of the wrong type.
            ValueError: A value out of range, also one of the environment.
        """
        if plan is not None:
            check_plan(plan)
        chosen = checked_executor(executor)
        if chosen is None:
            chosen = executor_from_environment() or (plan.executor if plan else "auto")
        jobs = checked_jobs(n_jobs)
        if jobs is None:
            jobs = count_from_environment(N_JOBS_VARIABLE)
        if jobs is None and plan is not None:
            jobs = plan.n_jobs if chosen == plan.executor else None
        most = checked_jobs(max_workers, "max_workers")
        if most is not None:
            jobs = most if jobs is None else min(jobs, most)
        size = checked_count("chunksize", chunksize)
        if size is None:
            size = count_from_environment(CHUNKSIZE_VARIABLE)
        if size is None and plan is not None:
            size = plan.chunksize
        if chosen == "auto" and jobs == 1:
            chosen = "sequential"
        return cls(chosen, jobs, size)

    @property
    def is_sequential(self) -> bool:
        return self.executor == "sequential"

    def for_the_core(
        self, options: dict[str, Any]
    ) -> tuple[int | None, object, dict[str, Any]]:  # Any: options of every type
        """The arguments of a call of the core: workers, use_processes, options."""
        given = dict(options)
        if self.chunksize is not None:
            given["chunksize"] = self.chunksize
        if self.executor not in NAMES:
            return self.n_jobs, False, {**given, "executor": self.executor}
        if self.executor == "sequential":
            return self.in_sequence(given)
        if self.executor == "auto":
            return self.n_jobs, "auto", given
        return self.n_jobs, self.executor == "processes", given

    def in_sequence(
        self, given: dict[str, Any]
    ) -> tuple[int | None, object, dict[str, Any]]:  # Any: as above
        # Inline nothing keeps a limit of time; one worker process does.
        from cotality.core.calls import name_of_need

        if name_of_need(given.get):
            return 1, True, given
        return 1, False, {**given, "inline": True}


AUTO = Choice("auto", None, None)


def in_own_words(
    options: dict[str, Any],  # Any: options of every type
    n_jobs: object,
    executor: object,
) -> tuple[object, object]:
    """The number of jobs and the executor, which *options* may say in other words.

    What they say is taken out of *options*.

    Raises:
        ValueError: Two words contradict one another.
        TypeError: One is of the wrong type.
    """
    said = agreed(Said("workers", options.pop("workers", None)), Said("n_jobs", n_jobs))
    jobs = checked_jobs(said.value, said.word)
    for word in ("processes", "use_processes"):
        processes = options.pop(word, None)
        if processes is None:
            continue
        name = PLACES[checked_use_processes(processes, word)]
        if executor not in (None, name):
            raise contradiction(Said(word, processes), Said("executor", executor))
        executor = name
    return jobs, executor


def check_plan(plan: object) -> None:
    from cotality.tuning._tuning.plans.plan import Plan

    if not isinstance(plan, Plan):
        raise TypeError(
            f"plan must be a Plan, such as optimize(func, data) makes, got {plan!r}"
        )


def checked_executor(executor: object) -> str | Executor | None:
    if executor is None:
        return None
    if isinstance(executor, str):
        if executor in NAMES:
            return executor
        from cotality.core.calls import meant_place

        raise ValueError(
            f"executor must be one of {', '.join(map(repr, NAMES))}, or an executor of "
            f"concurrent.futures, got {executor!r}.{meant_place(executor, NAMES)}"
        )
    if callable(getattr(executor, "submit", None)) and not isinstance(executor, type):
        return executor  # type: ignore[return-value]  # it can do what an Executor can
    raise TypeError(
        f"executor must be one of {', '.join(map(repr, NAMES))}, or an executor of "
        f"concurrent.futures, got {executor!r}"
    )


def checked_jobs(n_jobs: object, name: str = "n_jobs") -> int | None:
    """*n_jobs* as a number of workers; negative ones count back from all CPUs."""
    if n_jobs is None:
        return None
    if n_jobs == 0 and not isinstance(n_jobs, bool):
        raise ValueError(
            f"{name} must not be 0: 1 is a plain loop, -1 stands for all CPUs, and "
            f"None lets the machine decide"
        )
    from cotality.core.machine import checked_max_workers

    return checked_max_workers(n_jobs, name)


def count_from_environment(name: str) -> int | None:
    return count_from(name, "Correct it, or remove it to let the machine decide.")


def executor_from_environment() -> str | None:
    text = os.environ.get(EXECUTOR_VARIABLE)
    if text is None or text in NAMES:
        return text
    from cotality.core.calls import meant_place

    raise ValueError(
        f"the environment variable {EXECUTOR_VARIABLE} must be one of "
        f"{', '.join(NAMES)}, got {shortened(text, 40)}.{meant_place(text, NAMES)} "
        f"Correct it, or remove it to let the machine decide."
    )


def checked_unpack(unpack: object) -> bool:
    return checked_flag("unpack", unpack)
