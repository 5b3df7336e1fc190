"""The command line: which examples run, and what is said around them."""

from __future__ import annotations

import argparse
import difflib
import inspect
import math
import os
import platform
import sys
from collections.abc import Callable, Sequence

from cotality.core.utils.process import available_cpus, shutdown_workers

from .ctrl_c import INTERRUPTED
from .failures import failures, group
from .helpers import helpers
from .input_output import input_output
from .ordered import ordered
from .outcomes import outcomes
from .output import (
    WIDTH,
    CannotRunError,
    ReaderGoneError,
    Stopwatch,
    say,
    say_prose,
)
from .progress import progress
from .report import report
from .resume import resume
from .retries import retries
from .streaming import streaming
from .unordered import unordered

EXAMPLES: dict[str, Callable[[float], None]] = {
    "ordered": ordered,
    "io": input_output,
    "unordered": unordered,
    "streaming": streaming,
    "outcomes": outcomes,
    "progress": progress,
    "retries": retries,
    "failures": failures,
    "group": group,
    "report": report,
    "resume": resume,
    "helpers": helpers,
}


def main(argv: Sequence[str] | None = None) -> int:
    """As :func:`cotality.core.utils.process_examples.main`."""
    try:
        return tour(argv)
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return INTERRUPTED


def tour(argv: Sequence[str] | None = None) -> int:
    """As :func:`main`, but Ctrl-C is raised when all has ended."""
    arguments = read_command_line(argv)
    try:
        if arguments.list:
            say_list()
            return 0
        return run(list(dict.fromkeys(arguments.only or EXAMPLES)), arguments.scale)
    except ReaderGoneError:
        give_up_stdout()
        return 0
    finally:
        shutdown_workers()


def read_command_line(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options in *argv*, checked."""
    parser = argparse.ArgumentParser(
        prog="python -m cotality.core.utils.process_examples",
        description="Run the examples of cotality on the source files of the standard "
        "library. Some are timed against a plain loop.",
        epilog=f"The examples: {', '.join(EXAMPLES)}. Exit status: 0, 1 if an example "
        "cannot run on this machine, 2 for a wrong command line, 130 after Ctrl-C.",
    )
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        help="run this example; may be given several times",
    )
    parser.add_argument("--list", action="store_true", help="name the examples and end")
    parser.add_argument(
        "--scale",
        metavar="FACTOR",
        type=scale_factor,
        default=1.0,
        help="how much input to take, 1 by default: 0.1 takes a tenth of it",
    )
    arguments = parser.parse_args(argv)
    for name in arguments.only or ():
        if name not in EXAMPLES:
            parser.error(unknown_example(name))
    return arguments


def scale_factor(text: str) -> float:
    """What ``--scale`` may be."""
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not (math.isfinite(scale) and scale > 0):
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return scale


def unknown_example(name: str) -> str:
    """The message about a wrong ``--only``."""
    close = difflib.get_close_matches(name, EXAMPLES, 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return (
        f"there is no example {name!r}.{hint} The examples are: {', '.join(EXAMPLES)}."
    )


def title_and_text(name: str) -> tuple[str, str]:
    """What the docstring of an example says; under ``python -OO`` there is none."""
    doc = inspect.getdoc(EXAMPLES[name]) or name
    title, _, text = doc.partition("\n\n")
    return title.removesuffix("."), text


def say_list() -> None:
    """Print name and title of each example."""
    for name in EXAMPLES:
        say(f"{name:10} {title_and_text(name)[0]}", indent=0)


def run(names: Sequence[str], scale: float) -> int:
    """Run the examples called *names*; the exit status."""
    version, cpus = platform.python_version(), available_cpus()
    counted = "1 CPU" if cpus == 1 else f"{cpus} CPUs"
    say(f"cotality on Python {version}, {platform.system()}, {counted}", indent=0)
    if cpus == 1:
        say("With one CPU, processes cannot be faster than a loop.", indent=0)
    clock = Stopwatch()
    complete = [run_one(name, scale) for name in names]
    say(f"\n{sum(complete)} of {len(names)} examples, {clock.lap():.1f} s.", indent=0)
    return 0 if all(complete) else 1


def run_one(name: str, scale: float) -> bool:
    """Run one example; whether this machine has what it needs."""
    title, text = title_and_text(name)
    say(f"\n{name}: {title}\n{'-' * WIDTH}", indent=0)
    if text:
        say(f"{text}\n")
    clock = Stopwatch()
    try:
        EXAMPLES[name](scale)
    except CannotRunError as error:
        say_prose(f"Left out: {error}")
        return False
    say(f"Took {clock.lap():.1f} s.")
    return True


def give_up_stdout() -> None:
    """Let the interpreter find nothing wrong with a closed pipe when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
