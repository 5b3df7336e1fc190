"""The commands of ``python -m cotality.tuning``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from cotality._kit.command_line import CannotDoError
from cotality._kit.named_thing import thing_named
from cotality._kit.safe_text import printable, said_by_system
from cotality.core.calls import NotUnpackableError
from cotality.tuning._tuning.plans.plan import Plan
from cotality.tuning._tuning.runs.optimize import optimize
from cotality.tuning._tuning.runs.streaming import optimize_streaming
from cotality.tuning._tuning.work.choice import NAMES

from .comparison import compare, table
from .json_lines import items_in, result_line

DESCRIPTION = """\
Run a function over a file of JSON lines: each line is an item.

  explain   run the first items, and say how all of them should be run, and why
  run       run all items, and write the results as JSON lines
  bench     run all items in a loop, on threads, on processes and as decided on the
            way, and compare

Ends with 0 if all went well, 1 if an item has failed, and 2 for what cannot be done.
"""

Given = argparse.Namespace


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked for; the exit code."""
    given = parser().parse_args(arguments)
    do: Callable[[Given], int] = given.do
    try:
        return do(given)
    except BrokenPipeError:
        # Nobody reads on, as with `| head`. Nor is the rest to be written at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except OSError as error:
        print(said_by_system(error), file=sys.stderr)
        return 2
    except (CannotDoError, NotUnpackableError, ValueError) as error:
        print(printable(str(error), lines=True), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cotality.tuning",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, do: Any, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(do=do)
        added.add_argument("function", metavar="MODULE:FUNCTION")
        added.add_argument(
            "--data",
            required=True,
            metavar="FILE",
            help="JSON lines, an item each; - reads standard input",
        )
        added.add_argument(
            "--unpack",
            action="store_true",
            help="call the function with the elements of an item, or its fields",
        )
        return added

    why = command("explain", explain, "say how the items should be run, and why")
    why.add_argument("--json", action="store_true", help="print the plan as JSON")
    why.add_argument("--save", type=Path, metavar="FILE", help="keep the plan there")
    why.add_argument("--max-workers", type=int, metavar="N")
    all_ = command("run", run, "run all items, and write the results")
    all_.add_argument("--output", metavar="FILE", help="instead of standard output")
    all_.add_argument("--plan", type=Path, metavar="FILE", help="one that was kept")
    all_.add_argument("--executor", choices=NAMES)
    all_.add_argument("--n-jobs", type=int, metavar="N")
    all_.add_argument("--chunksize", type=int, metavar="N")
    all_.add_argument("--max-workers", type=int, metavar="N")
    all_.add_argument("--retries", type=int, metavar="N")
    all_.add_argument("--timeout", type=float, metavar="SECONDS")
    all_.add_argument("--progress", action="store_true", help="show a bar")
    four = command("bench", bench, "run all items four ways, and compare")
    four.add_argument("--limit", type=int, metavar="N", help="only the first items")
    four.add_argument("--rounds", type=int, default=3, metavar="N")
    four.add_argument("--json", action="store_true", help="print the times as JSON")
    four.add_argument("--picture", type=Path, metavar="FILE.svg")
    return parser


def explain(given: Given) -> int:
    function = function_named(given.function)
    with items(given.data) as data:
        # A list, so that it is known how many there are.
        plan = optimize(
            function,
            list(data),
            max_workers=given.max_workers,
            unpack=given.unpack,
            fresh=True,
        )
    if given.save is not None:
        plan.save(given.save)
    words = printable(str(plan), lines=True)
    print(json.dumps(plan.to_dict(), indent=2) if given.json else words)
    return 0


def run(given: Given) -> int:
    function = function_named(given.function)
    plan = None if given.plan is None else Plan.load(given.plan)
    names = ("executor", "n_jobs", "chunksize", "max_workers", "retries", "timeout")
    options: dict[str, Any] = {  # Any: of every type
        name: getattr(given, name) for name in names if getattr(given, name) is not None
    }
    if given.progress:
        options["progress"] = True
    failed = False
    with items(given.data) as data, output(given.output) as out:
        results = optimize_streaming(
            function, data, plan=plan, unpack=given.unpack, on_error="return", **options
        )
        for index, value in enumerate(results):
            line, is_good = result_line(index, value)
            failed = failed or not is_good
            print(line, file=out)
        out.flush()
    return int(failed)


def bench(given: Given) -> int:
    function = function_named(given.function)
    if given.rounds < 1:
        raise CannotDoError(f"--rounds must be at least 1, got {given.rounds}")
    with items(given.data) as data:
        all_ = list(islice(data, given.limit))
    timings = compare(function, all_, unpack=given.unpack, rounds=given.rounds)
    title = f"{given.function}, {len(all_):,} items, median of {given.rounds}"
    if given.json:
        print(json.dumps({each.way: each.seconds for each in timings}))
    else:
        print(printable(title), printable(table(timings), lines=True), sep="\n")
    if given.picture is not None:
        from .comparison_picture import draw

        draw(given.picture, title, timings)
    return int(any(each.seconds is None for each in timings))


def function_named(name: str) -> Callable[..., Any]:  # Any: of any function
    """The function that ``module:function`` names."""
    found = thing_named(name, "a function", "math:sqrt")
    if not callable(found):
        raise CannotDoError(f"{name} is not a function, but {found!r:.80}")
    function: Callable[..., Any] = found
    return function


@contextmanager
def items(name: str) -> Generator[Iterator[Any], None, None]:  # Any: what JSON can hold
    with ExitStack() as stack:
        lines: TextIO = sys.stdin
        if name != "-":
            lines = stack.enter_context(open(name, encoding="utf-8"))
        yield items_in(lines, "standard input" if name == "-" else name)


@contextmanager
def output(name: str | None) -> Generator[TextIO, None, None]:
    if name is None:
        yield sys.stdout
        return
    with open(name, "w", encoding="utf-8") as file:
        yield file
