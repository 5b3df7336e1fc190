"""A function and its data, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from cotality.core.calls import check_runs, marks_were_used

from .choice import Choice, checked_unpack, in_own_words

if TYPE_CHECKING:
    from cotality.core.utils.process import Outcome
    from cotality.tuning._tuning.plans.plan import Plan

# Any in this module: the data and the results of any function.

# Little of the core is imported here: a few trivial items need none of it.


class Work(NamedTuple):
    """What is to be run, and how.

    Attributes:
        on_error: As for the calls of the core, like *return_exceptions*.
        options: What the core is to do besides.
        face: The function that was called, see `faces`.
    """

    function: Callable[..., Any]
    data: Iterable[Any]
    unpack: bool
    plan: Plan | None
    choice: Choice
    on_error: object
    return_exceptions: object
    options: dict[str, Any]
    face: str

    @classmethod
    def checked(
        cls,
        function: object,
        data: object,
        *,
        plan: Plan | None,
        executor: object,
        n_jobs: object,
        max_workers: object,
        chunksize: object,
        unpack: object,
        on_error: object = None,
        return_exceptions: object = False,
        options: Any,
        face: str,
    ) -> Work:
        """The work, unless something is wrong with it.

        Raises:
            TypeError: A value of the wrong type.
            ValueError: A value out of range.
        """
        given = checked_names(options, face)
        if given:
            n_jobs, executor = in_own_words(given, n_jobs, executor)
        choice = Choice.of(
            plan,
            executor=executor,
            n_jobs=n_jobs,
            max_workers=max_workers,
            chunksize=chunksize,
        )
        return cls(
            checked_function(function),
            checked_data(data),
            checked_unpack(unpack),
            plan,
            choice,
            on_error,
            return_exceptions,
            given,
            face,
        )

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked for but the results, or the first failure."""
        raises = self.return_exceptions is False and self.on_error in (None, "raise")
        # None says that nothing is wanted, but for `grace`, where it is no limit.
        wanted = [name for name, value in self.options.items() if value is not None]
        return raises and not wanted and not marks_were_used()

    @property
    def needing(self) -> str:
        """The option that only worker processes can keep; empty if none is given."""
        if not self.options or self.options.get("inline"):
            return ""
        from cotality.core.calls import name_of_need

        return name_of_need(self.options.get)

    @property
    def planned(self) -> str:
        """Why a plan has it run where it does; empty if no plan was followed."""
        plan, choice = self.plan, self.choice
        if plan is None or choice.executor != plan.executor:
            return ""
        return plan.reason if choice.n_jobs == plan.n_jobs else ""

    def known_head(self) -> Sequence[Outcome[Any]]:
        """What is known of the first items from the making of the plan.

        Raises:
            ValueError: They are gone, and their outcomes are those of another function.
        """
        head = None if self.plan is None else self.plan.head
        if head is None:
            return ()
        return head.of(self.function, self.data, self.unpack)

    def take(self, known: Sequence[Outcome[Any]]) -> bool:
        """Have what is *known* for good; False if another run has it."""
        head = None if self.plan is None else self.plan.head
        return head is not None and head.take(known)


def checked_names(options: dict[str, Any], face: str) -> dict[str, Any]:
    """*options*, which all exist.

    Args:
        face: The function that was called.

    Raises:
        TypeError: One does not.
    """
    if not options:
        return {}
    from .faces import face_of

    names = face_of(face).names
    for name in options:
        if name not in names:
            raise TypeError(face_of(face).unknown(name))
    return dict(options)


def checked_function(function: object) -> Callable[..., Any]:
    if not callable(function):
        from cotality.core.calls import what_for

        raise TypeError(f"func must be a function to call, got {what_for(function)}")
    check_runs(function, "func")
    return function


def checked_data(data: object) -> Iterable[Any]:
    if type(data) in (list, tuple, range):  # as mostly
        return cast("list[Any]", data)
    from cotality.core.calls import data_to_read

    return data_to_read(data, "data", refuse=False)
