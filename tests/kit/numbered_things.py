"""What stands for something of one process, and what workers do with it.

Workers import it, so it imports little.
"""

# ruff: noqa: SIM115  # what is opened here is closed by the stack that it is given to

from __future__ import annotations

import asyncio
import ctypes
import io
import logging
import mmap
import multiprocessing
import os
import select
import selectors
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from multiprocessing import connection, heap, managers, shared_memory, sharedctypes
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import Any

Make = Callable[[ExitStack], Any]  # Any: things of every kind


def pipe_end(stack: ExitStack) -> Connection:
    one, other = multiprocessing.Pipe()
    stack.enter_context(one)
    return stack.enter_context(other)


def one_way_end(stack: ExitStack) -> Connection:
    reads, writes = multiprocessing.Pipe(duplex=False)
    stack.enter_context(reads)
    return stack.enter_context(writes)


class OwnEnd(Connection):
    """Of a class that a user has made."""


def own_end(stack: ExitStack) -> OwnEnd:
    reads, writes = os.pipe()
    os.close(writes)
    return stack.enter_context(OwnEnd(reads, writable=False))


def selector_of_a_pipe(stack: ExitStack) -> selectors.SelectSelector:
    selector = stack.enter_context(selectors.SelectSelector())
    selector.register(pipe_end(stack), selectors.EVENT_READ)
    return selector


def queue(stack: ExitStack) -> Any:  # Any: typeshed says no more
    made: Any = multiprocessing.Queue()  # Any: as the result
    stack.callback(made.join_thread)
    stack.callback(made.close)
    return made


def simple_queue(stack: ExitStack) -> Any:  # Any: as above
    return stack.enter_context(closing(multiprocessing.SimpleQueue()))


def ended_process(stack: ExitStack) -> subprocess.Popen[bytes]:
    return stack.enter_context(subprocess.Popen([sys.executable, "-c", ""]))


def encrypted(stack: ExitStack) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    plain = stack.enter_context(socket.socket())
    wrapped = context.wrap_socket(
        plain, server_hostname="localhost", do_handshake_on_connect=False
    )
    return stack.enter_context(wrapped)


def context_for_fork() -> Any:  # Any: its locks need no tracker of resources
    return multiprocessing.get_context("fork")


# What the standard pickle takes, and makes a number of.
PIPES: dict[str, Make] = {
    "end of a pipe": pipe_end,
    "one-way end of a pipe": one_way_end,
    "end of a pipe, of an own class": own_end,
    "wrapped end of a pipe": lambda stack: connection.ConnectionWrapper(  # type: ignore[attr-defined]
        pipe_end(stack), None, None
    ),
    "selector of a pipe": selector_of_a_pipe,
}

# What refuses by itself, in this version of Python.
OTHERS: dict[str, Make] = {
    "loaded library": lambda stack: ctypes.CDLL(None),
    "function of a library": lambda stack: ctypes.CDLL(None).getpid,
    "pointer": lambda stack: ctypes.c_void_p(5),
    "socket": lambda stack: stack.enter_context(socket.socket()),
    "encrypted socket": encrypted,
    "encryption": lambda stack: ssl.create_default_context(),
    "listener": lambda stack: stack.enter_context(connection.Listener()),
    "queue of processes": queue,
    "simple queue of processes": simple_queue,
    "lock of processes": lambda stack: context_for_fork().Lock(),
    "semaphore of processes": lambda stack: context_for_fork().Semaphore(),
    "event of processes": lambda stack: context_for_fork().Event(),
    "barrier of processes": lambda stack: context_for_fork().Barrier(2),
    "value of processes": lambda stack: context_for_fork().Value("i"),
    "raw value of processes": lambda stack: sharedctypes.RawValue("i"),
    "raw array of processes": lambda stack: sharedctypes.RawArray("d", 3),
    "memory of processes": lambda stack: heap.BufferWrapper(10),
    "process": lambda stack: multiprocessing.Process(),
    "this process": lambda stack: multiprocessing.current_process(),
    "program that runs": ended_process,
    "pool of threads": lambda stack: stack.enter_context(ThreadPoolExecutor()),
    "selector": lambda stack: stack.enter_context(selectors.DefaultSelector()),
    "poll": lambda stack: select.poll(),
    "memory map": lambda stack: stack.enter_context(mmap.mmap(-1, 10)),
    "raw file": lambda stack: stack.enter_context(io.FileIO(os.devnull)),
    "binary file": lambda stack: stack.enter_context(Path(os.devnull).open("rb")),
    "text file": lambda stack: stack.enter_context(Path(os.devnull).open()),
    "temporary file": lambda stack: stack.enter_context(TemporaryFile()),
    "named temporary file": lambda stack: stack.enter_context(NamedTemporaryFile()),
    "folder that is read": lambda stack: stack.enter_context(os.scandir()),
    "event loop": lambda stack: stack.enter_context(closing(asyncio.new_event_loop())),
}


# What has a name, or an address, that is the same everywhere.


def memory_by_name(stack: ExitStack) -> shared_memory.SharedMemory:
    memory = shared_memory.SharedMemory(create=True, size=100)
    stack.callback(memory.unlink)
    stack.callback(memory.close)
    return memory


def list_by_name(stack: ExitStack) -> shared_memory.ShareableList[int]:
    made = shared_memory.ShareableList([0] * 10)
    stack.callback(made.shm.unlink)
    stack.callback(made.shm.close)
    return made


def proxy(stack: ExitStack, kind: str) -> Any:  # Any: each has its own type
    manager = managers.SyncManager(ctx=multiprocessing.get_context("spawn"))
    manager.start()
    stack.callback(manager.shutdown)
    return getattr(manager, kind)()


def change_memory(memory: shared_memory.SharedMemory) -> None:
    buffer = memory.buf
    assert buffer is not None
    buffer[0] = 7
    del buffer
    memory.close()


def change_list(values: shared_memory.ShareableList[int]) -> None:
    values[0] = 7
    values.shm.close()


NAMED: dict[str, tuple[Make, Callable[[Any], None], Callable[[Any], Any]]] = {
    "shared memory": (memory_by_name, change_memory, lambda memory: memory.buf[0]),
    "shareable list": (list_by_name, change_list, lambda values: values[0]),
    "dictionary of a manager": (
        lambda stack: proxy(stack, "dict"),
        lambda values: values.update(key=7),
        lambda values: values["key"],
    ),
    "queue of a manager": (
        lambda stack: proxy(stack, "Queue"),
        lambda values: values.put(7),
        lambda values: values.get(timeout=10),
    ),
}


# What workers do.


def name_of_kind(*things: object) -> str:
    return type(things[0]).__name__


kept: list[multiprocessing.connection.Connection] = []  # with both of their ends


def make_pipe_end() -> Connection:
    one, other = multiprocessing.Pipe()
    kept.append(one)
    return other


def return_pipe_end(inside: bool) -> object:
    return {"a": [make_pipe_end()]} if inside else make_pipe_end()


def return_parent(inside: bool) -> object:
    parent = multiprocessing.parent_process()
    return {"a": [parent]} if inside else parent


class HoldingError(Exception):
    def __init__(self, end: object) -> None:
        super().__init__("text")
        self.end = end


def raise_pipe_end() -> None:
    raise HoldingError(make_pipe_end())


def log_pipe_end() -> None:
    logging.getLogger("tests").warning("text", extra={"end": make_pipe_end()})


given: dict[str, Any] = {}  # Any: by an initializer


def take(end: Connection, link: socket.socket, results: Any) -> None:  # Any: a queue
    given.update(end=end, link=link, results=results)


def use_what_was_given() -> None:
    given["end"].send("through a pipe")
    given["link"].sendall(b"through a socket")
    given["results"].put("through a queue")
