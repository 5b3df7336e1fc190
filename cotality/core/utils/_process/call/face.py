"""The face of a call: the words that its messages may use.

One engine has several faces, with different parameters. A message must not tell callers
to add a parameter that their function does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cotality._kit.records import NamedTuple

from .options.declared import Options, UseProcesses


class Face(NamedTuple):
    """A kind of call.

    Attributes:
        parameters: What it takes by keyword besides `Options`.
        without: Those of the `Options` that it does not take.
        also: Old words for some of the `Options` that it takes as well.
        processes: What to add for the tasks to run in processes; empty if they do.
        threads: What to add for them never to run there.
        default: Where tasks run if nothing says that.
        elsewhere: What to say of a parameter that something near it takes.
    """

    parameters: tuple[str, ...]
    without: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    processes: str = "use_processes=True"
    threads: str = "use_processes=False"
    default: UseProcesses = False
    elsewhere: Mapping[str, str] = MappingProxyType({})

    @property
    def names(self) -> list[str]:
        """All that can be given by keyword."""
        others = self.options
        return [*self.parameters, *(each for each in others if self.takes(each))]

    @property
    def options(self) -> tuple[str, ...]:
        return (*Options.__annotations__, *self.also)

    def takes(self, name: str) -> bool:
        """Whether *name* is an option of it, and not a parameter."""
        return name not in self.without and name not in self.parameters

    def check_names(self, given: dict[str, object]) -> None:
        """See that all that is *given* by keyword exists.

        Raises:
            TypeError: Something does not.
        """
        for name in given:
            if name in Options.__annotations__ and name not in self.without:
                continue
            if name not in self.also:
                raise TypeError(self.unknown(name))

    def unknown(self, name: str) -> str:
        """What is to be said about *name*, which is no option."""
        from .options.wrong_names import meant

        names = ", ".join(self.names)
        if name in self.elsewhere:
            return f"{self.elsewhere[name]} The options are: {names}."
        hint = meant(name, self.names)
        return f"there is no option {name!r}.{hint} The options are: {names}."


WHERE = ("max_workers", "use_processes")
LISTS = Face((*WHERE, "return_exceptions", "on_error"))
STREAMS = Face((*WHERE, "return_exceptions", "on_error", "ordered"))
OUTCOMES = Face((*WHERE, "ordered"))
BATCHES = Face((*STREAMS.parameters, "batch_size", "max_memory_mb"))
REPLAYS = Face(("keys", *WHERE), without=("dead_letters",))

# The functions of one vocabulary, which find out where tasks are done soonest.
RUNS = Face(
    ("on_error",),
    also=("max_workers", "use_processes"),
    processes="processes=True",
    threads="processes=False",
    default="auto",
)
MAPS = RUNS._replace(parameters=("unpack", "on_error"))
STREAMED_MAPS = RUNS._replace(parameters=("unpack", "ordered", "on_error"))
DECORATOR = RUNS._replace(
    parameters=(),
    elsewhere={
        name: (
            f"there is no option {name!r} of the decorator: each call says it for "
            f"itself, f.{function}(items, {name}=...)."
        )
        for name, function in (
            ("on_error", "map"),
            ("unpack", "map"),
            ("ordered", "map_iter"),
        )
    },
)
