"""A tour of cotality on real input: twelve examples, some timed against a plain loop.

``python -m cotality.core.utils.process_examples`` runs them all in well under a minute,
``--only NAME`` runs one of them, ``--list`` names them. They need nothing but the
standard library, whose source files on this machine are their input.

Each example is a function whose docstring is what the tour prints about it; the lines
of code in there are lines of the function itself. One idea a file:

* the examples, in the order of the tour: `ordered`, `input_output`, `unordered`,
  `streaming`, `outcomes`, `progress`, `retries`, `failures`, `report`, `resume`,
  `helpers`;
* their input: `sources`, and `server` for pages; how much memory they use: `memory`;
* how they print: `output`; which of them run: `command`; how they end early:
  `ctrl_c`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the examples that *argv* asks for, all of them by default.

    Args:
        argv: The words of the command line; None takes those of the program.

    Returns:
        The exit status: 0; 1 if an example could not run on this machine; 130 after
        Ctrl-C.

    Raises:
        SystemExit: *argv* is wrong (status 2), or asks for help (status 0).
    """
    # Here, so that a worker that imports a function of one example imports no other.
    from .command import main

    return main(argv)


def program() -> int:
    """As :func:`main`, for an interpreter that does nothing else and ends with it.

    Ctrl-C may come at any moment, while modules are imported or the interpreter ends.
    """
    from .ctrl_c import run_as_program

    return run_as_program(load)


def load() -> Callable[[], int]:
    """Import the tour."""
    from .command import tour

    return tour
