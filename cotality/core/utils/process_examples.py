"""A tour of cotality on real input: six examples, each timed against something.

``python -m cotality.core.utils.process_examples`` runs them all in well under a minute,
``--only NAME`` runs one of them, ``--list`` names them. They need nothing but the
standard library, whose source files on this machine are their input.

Each example is a function whose docstring is what the tour prints about it; the lines
of code in there are lines of the function itself.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import hashlib
import importlib
import inspect
import json
import math
import mmap
import os
import platform
import sys
import tempfile
import textwrap
import threading
import time
import traceback
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from functools import partial
from http.client import HTTPConnection
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from sysconfig import get_path
from types import CodeType
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote

from cotality.core.utils._process.advice import available_cpus
from cotality.core.utils.process import (
    Task,
    TaskTimeoutError,
    WorkerCrashedError,
    execute_tasks_in_parallel,
    execute_tasks_in_parallel_streaming,
    explain_unpicklable,
    is_picklable,
    should_use_processes,
    shutdown_workers,
)

PAGES = 300
PAGE_DELAY = 0.01  # s that the server of `io` takes for each page, as a network would
RECORDS = 200_000
MEMORY_LINES = 8  # how often `streaming` looks at the memory in use
NOT_MODULES = {"__pycache__", "dist-packages", "site-packages"}
TESTS = {"idle_test", "test", "tests"}

WIDTH = 79  # columns of the output, which has to fit a plain terminal
INTERRUPTED = 130  # what a shell says of a program that Ctrl-C has ended

Row: TypeAlias = tuple[int, str, str, int]


class CannotRunError(Exception):
    """An example lacks something on this machine; the message says what."""


class ReaderGoneError(Exception):
    """Whoever read the output, such as ``head``, has seen enough."""


# --- 1. ordered ---------------------------------------------------------------------


class Fingerprint(NamedTuple):
    """What identifies the byte code of a module, whatever its comments say."""

    digest: str
    compressed_size: int  # bytes


def fingerprint(content: bytes) -> Fingerprint:
    """Hash and compress the byte code of a module."""
    try:
        module = compile(content, "module", "exec", dont_inherit=True)
        essence = b"".join(byte_code(module))
    except (SyntaxError, ValueError):  # not for this Python: as it is
        essence = content
    size = len(zlib.compress(essence, 9))
    return Fingerprint(hashlib.sha256(essence).hexdigest(), size)


def byte_code(code: CodeType) -> Iterator[bytes]:
    """The instructions of *code* and of all functions and classes in it."""
    yield code.co_code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from byte_code(constant)


def ordered(scale: float) -> None:
    """Hash and compress the byte code of every standard-library module.

    A Task for each module, one call, and a list of results in the same order. It
    runs on processes: hashing and compressing would let other threads run, but
    most of the time goes into compiling, for which threads have to take turns.

        tasks = [Task.of(fingerprint, source.content) for source in sources]
        results = execute_tasks_in_parallel(tasks, use_processes=True)
    """
    sources = some_of(standard_library(), scale)
    clock = Stopwatch()
    by_loop = [fingerprint(source.content) for source in sources]
    loop = Measured("plain loop", len(sources), clock.lap())

    tasks = [Task.of(fingerprint, source.content) for source in sources]
    results = execute_tasks_in_parallel(tasks, use_processes=True)
    processes = Measured("processes", len(sources), clock.lap())

    say_measured("modules", loop, processes)
    confirm(
        "the results equal those of the loop, in the same order", results == by_loop
    )
    size = sum(len(source.content) for source in sources) / 1e6
    packed = sum(result.compressed_size for result in results) / 1e6
    say(f"{size:.1f} MB of source became {packed:.1f} MB of compressed byte code.")


# --- 2. io --------------------------------------------------------------------------


def fetch(port: int, page: str) -> int:
    """How many bytes the server on *port* of this machine sends for *page*."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", quote(f"/{page}"))
        response = connection.getresponse()
        if response.status != 200:
            raise OSError(f"{page}: the server answered {response.status}")
        return len(response.read())


def input_output(scale: float) -> None:
    """Fetch some hundred pages from a web server, on threads.

    A task that waits for a network does not compute, so threads are enough, and
    there may be many more of them than CPUs. The server is a real one, started on
    this machine; it takes 10 ms for each page.

        tasks = [Task.of(fetch, port, page) for page in pages]
        sizes = execute_tasks_in_parallel(tasks, max_workers=32)
    """
    pages = [s.name for s in standard_library()[: max(10, round(PAGES * scale))]]
    with web_server(library_folder()) as port:
        clock = Stopwatch()
        by_loop = [fetch(port, page) for page in pages]
        loop = Measured("plain loop", len(pages), clock.lap())

        tasks = [Task.of(fetch, port, page) for page in pages]
        sizes = execute_tasks_in_parallel(tasks, max_workers=32)
        threads = Measured("32 threads", len(pages), clock.lap())

    say_measured("pages", loop, threads)
    confirm("every page has the size that the loop found", sizes == by_loop)


class SlowPages(SimpleHTTPRequestHandler):
    """Files of a directory, each after a delay."""

    def do_GET(self) -> None:
        """Send a file, and not at once."""
        time.sleep(PAGE_DELAY)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing about each request."""


class Server(ThreadingHTTPServer):
    """A web server that many clients may call at once, and that ends completely."""

    daemon_threads = False  # so that server_close waits for them
    request_queue_size = 128  # with the usual 5, some of 32 clients wait for a second

    def server_bind(self) -> None:
        """Bind without looking up our own name, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:  # Any: inherited
        """Say nothing of clients that went away, as they do after Ctrl-C."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def web_server(directory: Path) -> Generator[int, None, None]:
    """A server for the files of *directory* on a free port of this machine."""
    with Server(("127.0.0.1", 0), partial(SlowPages, directory=directory)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


# --- 3. unordered -------------------------------------------------------------------


def count_nodes(content: bytes) -> int:
    """How many nodes the syntax tree of a module has."""
    return sum(1 for _ in ast.walk(ast.parse(content)))


def unordered(scale: float) -> None:
    """Parse modules and report the largest so far, as they finish.

    With ordered=False each result comes as soon as it is there, with the index of
    its task, and waits for no slower one. A module that cannot be parsed gives its
    exception instead of ending the loop.

        stream = execute_tasks_in_parallel_streaming(
            tasks, use_processes=True, return_exceptions=True, ordered=False
        )
        for index, nodes in stream:
    """
    sources = some_of(standard_library(), scale)
    tasks = [Task.of(count_nodes, source.content) for source in sources]
    came: list[int] = []
    largest, first, broken = 0, 0.0, 0
    clock = Stopwatch()
    stream = execute_tasks_in_parallel_streaming(
        tasks, use_processes=True, return_exceptions=True, ordered=False
    )
    for index, nodes in stream:
        first = first or clock.so_far()
        came.append(index)
        if isinstance(nodes, Exception):
            broken += 1
        elif nodes > largest:
            largest = nodes
            say(f"{clock.so_far():6.2f} s  {nodes:8,} nodes  {sources[index].name}")
    say_prose(
        f"The first result was there after {first:.2f} s; a list of all {len(came)} "
        f"would have been there after {clock.lap():.2f} s."
    )
    if broken:
        say(f"This Python could not parse {broken} of them.")
    confirm("every module came exactly once", sorted(came) == list(range(len(tasks))))


# --- 4. streaming -------------------------------------------------------------------


def orders(count: int) -> Iterator[str]:
    """*count* orders of a shop as JSON, made one at a time."""
    carts = [
        [[f"{(7 * cart + line) % 90}.{line}9", 1 + line % 4] for line in range(12)]
        for cart in range(50)
    ]
    lines = [json.dumps(cart) for cart in carts]
    for number in range(count):
        customer = f"customer{number % 9973}@example.org"
        yield f'{{"id": {number}, "who": "{customer}", "cart": {lines[number % 50]}}}'


def priced(order: str) -> Row:
    """The row for *order*: number, pseudonym of the customer, total, count of items."""
    data = json.loads(order)
    who = hashlib.sha256(data["who"].encode()).hexdigest()[:16]
    total = sum(Decimal(price) * count for price, count in data["cart"])
    return data["id"], who, f"{total:.2f}", sum(count for _, count in data["cart"])


def streaming(scale: float) -> None:
    """Stream 200,000 records through processes into an SQLite file.

    A generator makes each task when there is room for it, and each result is
    stored as it comes. Neither tasks nor results pile up, so the memory stays
    flat, whether there are a thousand records or a billion.

        tasks = (Task.of(priced, order) for order in orders(count))
        stream = execute_tasks_in_parallel_streaming(tasks, use_processes=True)
    """
    require_sqlite()
    count = max(1000, round(RECORDS * scale))
    with tempfile.TemporaryDirectory(prefix="cotality-examples-") as folder:
        file, tenth = Path(folder, "orders.db"), Path(folder, "tenth.db")
        clock = Stopwatch()
        store(tenth, enumerate(map(priced, orders(count // 10))), count)
        loop = Measured("plain loop, a tenth", count // 10, clock.lap())

        tasks = (Task.of(priced, order) for order in orders(count))
        stream = execute_tasks_in_parallel_streaming(tasks, use_processes=True)
        with closing(stream):
            used = store(file, stream, every=max(1, count // MEMORY_LINES))
        processes = Measured("processes", count, clock.lap())
        stored, size = rows_in(file), file.stat().st_size / 1e6

    say_flat(used, count)
    say_measured("records", loop, processes)
    say(f"The file held {size:.1f} MB; it is deleted again.")
    confirm("every record was in the file exactly once", stored == count)


def store(file: Path, rows: Iterable[tuple[int, Row]], every: int) -> list[int]:
    """Put *rows* into a new SQLite *file*; the memory in use after *every* so many."""
    import sqlite3

    used: list[int] = []
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE orders (id, who, total, items)")
        for index, row in rows:
            database.execute("INSERT INTO orders VALUES (?, ?, ?, ?)", row)
            if (index + 1) % every == 0:
                used.append(say_memory(index + 1))
    return used


def rows_in(file: Path) -> int:
    """How many different orders are in *file*; -1 if some are there twice."""
    import sqlite3

    with closing(sqlite3.connect(file)) as database:
        query = "SELECT count(*), count(DISTINCT id) FROM orders"
        rows, different = database.execute(query).fetchone()
    return int(rows) if rows == different else -1


def require_sqlite() -> None:
    """Fail with a clear message on a Python that was built without SQLite."""
    try:
        importlib.import_module("sqlite3")
    except ImportError as error:
        raise CannotRunError(f"this Python has no sqlite3 module ({error}).") from error


# --- 5. failures --------------------------------------------------------------------


def port_number(text: str) -> int:
    """The port that *text* names."""
    number = int(text)
    if not 0 < number < 65536:
        raise ValueError(f"ports go from 1 to 65535, not to {number}")
    return number


def failures(scale: float) -> None:  # there is nothing to scale
    """See what happens when tasks fail, a worker dies, or time is up.

    By default the first failure is raised here, with the traceback of the worker.
    With return_exceptions=True each failure stands where its result would. A
    worker that dies or takes too long is replaced; only the task it ran is lost.

        results = execute_tasks_in_parallel(
            tasks, use_processes=True, return_exceptions=True, timeout=0.5
        )
    """
    say("(a) Failures in the place of results:")
    show_outcomes([Task.of(port_number, text) for text in ("80", "https", "99999")])

    say("\n(b) The first failure raised, printed as Python prints it:")
    show_traceback([Task.of(port_number, text) for text in ("80", "https")])

    good = [Task.of(port_number, text) for text in ("22", "25", "80", "443")]
    say("\n(c) One task ends its whole process, as a crash in C code would:")
    deadly: Task[int] = Task(os._exit, positional=(3,))
    failed = show_outcomes([*good[:2], deadly, *good[2:]])
    confirm("only that task failed", failed == {2: WorkerCrashedError})

    say("\n(d) One task would take an hour, but has a limit of half a second:")
    endless: Task[Any] = Task(time.sleep, positional=(3600,))  # Any: it gives nothing
    failed = show_outcomes([*good[:2], endless, *good[2:]])
    confirm("only that task failed", failed == {2: TaskTimeoutError})


def show_outcomes(tasks: Sequence[Task[int]]) -> dict[int, type[Exception]]:
    """Run *tasks* and print what became of each; the class of each failure."""
    clock = Stopwatch()
    results = execute_tasks_in_parallel(
        tasks, use_processes=True, return_exceptions=True, timeout=0.5
    )
    seconds = clock.lap()
    for task, result in zip(tasks, results, strict=True):
        say_outcome(task, result)
    say(f"All {len(tasks)} outcomes were there after {seconds:.2f} s.")
    return {i: type(r) for i, r in enumerate(results) if isinstance(r, Exception)}


def show_traceback(tasks: Sequence[Task[int]]) -> None:
    """Run *tasks*, one of which fails, and print the traceback of what it raised."""
    try:
        execute_tasks_in_parallel(tasks, use_processes=True)
    except ValueError as error:
        say("".join(traceback.format_exception(error)).rstrip(), indent=6)
        last = traceback.extract_tb(error.__traceback__)[-1]
        say(f"The line of the worker is {last.lineno}, in {last.name}: {last.line}")


# --- 6. helpers ---------------------------------------------------------------------


class Settings:
    """Something with a lock in it, which no other process can use."""

    def __init__(self) -> None:
        self.name = "settings"
        self.lock = threading.Lock()


def helpers(scale: float) -> None:  # there is nothing to scale
    """Ask whether work suits threads or processes, and what can travel.

    Two questions can be answered before any work is done, and a third function
    tells what is in the way and where. The standard pickle is for comparison.

        should_use_processes(kind)
        is_picklable(thing)
        explain_unpicklable(thing)
    """
    say(f"{'work':22} better on")
    for kind in ("cpu-bound", "calculation", "network", "database", "mixed"):
        advice = "processes" if should_use_processes(kind) else "threads"
        say(f"{kind!r:22} {advice}")
    say(f"\n   {'thing':22} travels  pickle  what is in the way", indent=0)
    things: list[tuple[str, object]] = [
        ("a list", [1, 2, 3]),
        ("a lambda", lambda: 42),
        ("a generator", (number for number in range(3))),
        ("{'config': Settings()}", {"config": Settings()}),
    ]
    for name, thing in things:
        goes, by_pickle = is_picklable(thing), is_picklable(thing, plain=True)
        why = explain_unpicklable(thing) or ""
        say(f"{name:22} {yes_no(goes):8} {yes_no(by_pickle):7} {why}".rstrip())


def yes_no(answer: bool) -> str:
    """For a column of answers."""
    return "yes" if answer else "no"


# --- The input ----------------------------------------------------------------------


class Source(NamedTuple):
    """A file of the standard library."""

    name: str  # its path inside the library, with forward slashes
    content: bytes


def library_folder() -> Path:
    """Where this Python says that its standard library is."""
    return Path(get_path("stdlib"))


def standard_library() -> list[Source]:
    """The modules of the standard library, without its tests, sorted by path.

    A file that cannot be read is left out.

    Raises:
        CannotRunError: There are none.
    """
    folder = library_folder()
    sources = [source for file in python_files(folder) for source in read(folder, file)]
    if not sources:
        raise CannotRunError(
            f"it needs the source files of the standard library, and there are none "
            f"that can be read in {str(folder)!r}, where this Python says they are. "
            f"They may be zipped, or not installed."
        )
    return sources


def python_files(folder: Path) -> list[Path]:
    """All Python files below *folder* that are neither tests nor installed packages."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = set(folders) - NOT_MODULES - TESTS
        found += [Path(place, name) for name in names if name.endswith(".py")]
    return sorted(found)


def read(folder: Path, file: Path) -> list[Source]:
    """*file* as a list of one, or of none if it cannot be read."""
    try:
        return [Source(file.relative_to(folder).as_posix(), file.read_bytes())]
    except OSError:  # no permission, or a link to nothing: there are enough others
        return []


def some_of(sources: list[Source], scale: float) -> list[Source]:
    """An even selection of *sources*: all for a *scale* of 1, every tenth for 0.1."""
    return sources[:: max(1, round(1 / scale))]


# --- The output ---------------------------------------------------------------------


class Stopwatch:
    """Counts seconds from when it is made, or from its last lap."""

    def __init__(self) -> None:
        self.began = time.perf_counter()

    def so_far(self) -> float:
        """The seconds of this lap."""
        return time.perf_counter() - self.began

    def lap(self) -> float:
        """The seconds of this lap; a new one begins."""
        seconds = self.so_far()
        self.began += seconds
        return seconds


class Measured(NamedTuple):
    """How long a way of doing something took."""

    label: str
    done: int
    seconds: float

    def rate(self) -> float:
        """How many were done in a second."""
        return self.done / max(self.seconds, 1e-9)


def say(text: str, indent: int = 3) -> None:
    """Print *text*; whatever is in it can be printed.

    Raises:
        ReaderGoneError: Nobody reads the output any more.
    """
    encoding = sys.stdout.encoding or "utf-8"
    shown = text.encode(encoding, "backslashreplace").decode(encoding)
    try:
        print(textwrap.indent(shown, " " * indent), flush=True)
    except BrokenPipeError as error:
        raise ReaderGoneError from error


def say_prose(text: str) -> None:
    """Print *text* on as many lines as it takes."""
    say("\n".join(wrapped(text, WIDTH - 3)))


def wrapped(text: str, width: int) -> list[str]:
    """*text* in lines, between words only, so that paths stay in one piece."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def say_measured(what: str, loop: Measured, ours: Measured) -> None:
    """Print two rows of a table, and how much faster the second way was."""
    for row in (loop, ours):
        times = f"  {ours.rate() / loop.rate():.1f} times as fast"
        say(
            f"{row.label:19} {row.done:7,} {what:7} {row.seconds:6.2f} s "
            f"{row.rate():7,.0f}/s{times if row is ours else ''}"
        )


def confirm(fact: str, holds: bool) -> None:
    """Print *fact* once it has been checked; a fact that does not hold is a defect."""
    if not holds:
        raise AssertionError(f"this should be true and is not: {fact}")
    say(f"Checked: {fact}.")


def say_outcome(task: Task[Any], outcome: object) -> None:  # Any: every kind of task
    """Print what became of *task*, on as many lines as it takes."""
    given = ", ".join(map(repr, task.positional))
    call = f"{task.callback_function.__name__}({given})"
    kind = f"{type(outcome).__name__}: " if isinstance(outcome, Exception) else ""
    lines = wrapped(f"{kind}{outcome}", WIDTH - 29)
    say(f"{call:22} " + f"\n{'':23}".join(lines), indent=6)


def memory_in_use() -> tuple[int, str] | None:
    """The memory of this process in bytes, and whether that is now or at its peak."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return pages * mmap.PAGESIZE, "now"
    except (OSError, ValueError, IndexError):  # not Linux, or it hides /proc
        pass
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024, "at most so far"


def say_memory(records: int) -> int:
    """Print how much memory this process uses after *records*; 0 if nobody can tell."""
    memory = memory_in_use()
    if memory is None:
        say(f"{records:9,} records stored")
        return 0
    used, when = memory
    say(f"{records:9,} records stored, {used / 1e6:7.1f} MB of memory in use {when}")
    return used


def say_flat(used: Sequence[int], count: int) -> None:
    """Print how the memory in use changed, against what lists would have taken."""
    order = next(orders(1))
    row = priced(order)
    each = sum(map(sys.getsizeof, [order, row, *row]))
    lists = f"lists of all orders and rows would have taken {each * count / 1e6:.0f} MB"
    if not any(used):
        say_prose(f"This system does not tell how much memory is in use; {lists}.")
        return
    change = (used[-1] - used[0]) / 1e6
    say_prose(f"From the first of these lines to the last: {change:+.1f} MB; {lists}.")


# --- The command --------------------------------------------------------------------

EXAMPLES: dict[str, Callable[[float], None]] = {
    "ordered": ordered,
    "io": input_output,
    "unordered": unordered,
    "streaming": streaming,
    "failures": failures,
    "helpers": helpers,
}


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
    arguments = read_command_line(argv)
    try:
        if arguments.list:
            say_list()
            return 0
        return run(list(dict.fromkeys(arguments.only or EXAMPLES)), arguments.scale)
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return INTERRUPTED
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
        "library. Each is timed against something, mostly a plain loop.",
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


if __name__ == "__main__":
    sys.exit(main())
