"""All results as a list, in the order of the tasks."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from types import CodeType

from cotality._kit.records import NamedTuple
from cotality.core.utils.process import Task, execute_tasks_in_parallel

from .output import Measured, Stopwatch, confirm, say, say_measured
from .sources import some_of, standard_library


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
