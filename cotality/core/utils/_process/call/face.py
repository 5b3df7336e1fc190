"""The face of a call: the words that its messages may use.

One engine has several faces, with different parameters. A message must not tell callers
to add a parameter that their function does not have.
"""

from __future__ import annotations

from typing import NamedTuple

from .options import Options


class Face(NamedTuple):
    """A kind of call.

    Attributes:
        parameters: What it takes by keyword besides `Options`.
        without: Those of the `Options` that it does not take.
        processes: What to add for the tasks to run in processes; empty if they do.
        threads: What to add for them never to run there.
    """

    parameters: tuple[str, ...]
    without: tuple[str, ...] = ()
    processes: str = "use_processes=True"
    threads: str = "use_processes=False"

    @property
    def names(self) -> list[str]:
        """All that can be given by keyword."""
        options = [name for name in Options.__annotations__ if name not in self.without]
        return [*self.parameters, *options]

    def check_names(self, given: dict[str, object]) -> None:
        """See that all that is *given* by keyword exists.

        Raises:
            TypeError: Something does not.
        """
        for name in given:
            if name in self.without or name not in Options.__annotations__:
                raise TypeError(self.unknown(name))

    def unknown(self, name: str) -> str:
        import difflib

        names = self.names
        close = difflib.get_close_matches(name, names, 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        return (
            f"there is no option {name!r}.{hint} The options are: {', '.join(names)}."
        )


WHERE = ("max_workers", "use_processes")
LISTS = Face((*WHERE, "return_exceptions", "on_error"))
STREAMS = Face((*WHERE, "return_exceptions", "on_error", "ordered"))
OUTCOMES = Face((*WHERE, "ordered"))
BATCHES = Face((*STREAMS.parameters, "batch_size", "max_memory_mb"))
REPLAYS = Face(("keys", *WHERE), without=("dead_letters",))
