"""What a worker process does: set itself apart, then answer one item after the other.

Its only link to the parent is one socket. The end of that link is the end of the
worker, and the end of the worker is the end of the link.

A worker may die between any two steps, and its parent has to be right about it. So the
worker notes in its ledger that it takes an item before it does anything for it: what is
not noted was not begun. It says an answer once and whole, after all that its tasks have
logged and printed. And it ends with its parent, however that ends.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from cotality._kit.records import dataclass
from cotality._kit.standard_places import settled
from cotality.core.utils._process.channel import ledger
from cotality.core.utils._process.channel.ledger_slots import WorkerSlot
from cotality.core.utils._process.channel.link_end import LinkEnd
from cotality.core.utils._process.channel.messages import Inbox, Kind, Message
from cotality.core.utils._process.channel.segments import (
    NoRoomError,
    Segment,
    decoded,
    pack,
    sent_along,
)
from cotality.core.utils._process.channel.worker_link import LinkEndedError, WorkerLink
from cotality.core.utils._process.machine import this_process
from cotality.core.utils._process.machine.readable import is_readable
from cotality.core.utils._process.output import capture
from cotality.core.utils._process.output import filters as output_rules
from cotality.core.utils._process.packing import worker_state
from cotality.core.utils._process.pickling import encode as wire
from cotality.core.utils._process.pickling.encode import (
    decode,
    encode_answer,
    encode_own,
)
from cotality.core.utils._process.pickling.exceptions import pack_exception

# Portions name it. Loaded here, it is there before the first of them comes, and in the
# fork server once for all workers.
from cotality.core.utils._process.portions import imports, process_state
from cotality.core.utils._process.portions import packed_chunk as packed_chunk
from cotality.core.utils._process.portions.chunk import ChunkReport, task_failure
from cotality.core.utils._process.starting import loading, nesting
from cotality.core.utils._process.tasks.errors import as_raised, exited

if TYPE_CHECKING:
    from .django_databases import Told

# Numeric libraries start one thread for each core unless told otherwise; with a worker
# on each core that is the square of it. Read when such a library is first imported.
OPENMP_LIMIT = "OMP_NUM_THREADS"
# Their own variable, which comes first, or else that of OpenMP.
LIMITS_AFTER_OPENMP = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
THREAD_LIMITS = (OPENMP_LIMIT, *LIMITS_AFTER_OPENMP, "VECLIB_MAXIMUM_THREADS")

NICENESS_PAUSE = 0.1  # s
NICENESS_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class Initializer:
    """What to call in a worker before its first item."""

    function: bytes
    arguments: bytes | tuple[Any, ...]  # Any: arguments of any function

    def run(self) -> None:
        given = self.arguments
        # The function first: what it needs of its script may be in the arguments too.
        function = decode(self.function)
        from cotality.core.utils._process.pickling import set_by_initializer

        set_by_initializer.note(function)
        if isinstance(given, bytes):
            arguments = decode(given)
        else:
            from cotality.core.utils._process.starting.only_at_start import unpacked

            arguments = unpacked(given)
        function(*arguments)


@dataclass(slots=True)
class Setup:
    """What a worker is told when it starts."""

    slot: WorkerSlot
    environment: dict[str, str]
    threads_for_each: int
    initializer: Initializer | None
    max_tasks: int | None
    output_rules: bytes
    niceness: int
    databases: Told | None = None
    puts_back: bool = False


def worker_main(end: LinkEnd, setup: Setup) -> None:
    """The whole life of a worker process."""
    connection = settled(end.end)
    book = set_apart(connection, setup)
    link = WorkerLink(connection)
    # Before any code of others runs: what an initializer prints is heard too.
    capture.capture_output(link, setup.output_rules)
    try:
        if setup.databases is not None and setup.databases.set_up is not None:
            from cotality.core.utils._process.starting.django_setup import set_up

            set_up(setup.databases.set_up)
        if not initialized(link, setup.initializer):
            return
        if setup.puts_back:
            process_state.keep()  # as the initializer has left it
        imports.watch()
        worker_state.open_states()
        serve(link, book)
        worker_state.close_states()
        capture.flush_output()
    except OSError:
        # The link is gone: the parent has ended, or a task has closed our files.
        os._exit(1)


def set_apart(connection: socket.socket, setup: Setup) -> ledger.Ledger:
    """Make this process independent of the parent's signals, terminal and threads."""
    # First, so that whatever is asked from here on answers as in a worker.
    this_process.become_worker()
    wire.knows_its_parent = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent alone decides
    if sys.platform != "win32":
        make_signals_new()
        os.setsid()  # a group of its own, so that its children end with it
        this_process.after_fork(this_process.mark_fork)
        if setup.niceness:
            give_way(setup.niceness)
    release_fork_server()
    nothing_to_read()
    os.environ.clear()
    os.environ.update(setup.environment)
    nesting.adopt(setup.environment)
    limit_numeric_threads(setup.threads_for_each)
    if setup.databases is not None:
        from . import django_databases

        django_databases.adopt(setup.databases)
    stack_file = setup.slot.open_stack_file()
    if stack_file is not None:
        faulthandler.enable(stack_file, all_threads=False)
    book = setup.slot.open_ledger()
    book.limit = setup.max_tasks
    ledger.adopt(book)
    # After `setsid`: it ends the whole group, which would be the parent's.
    watch_parent()
    connection.setblocking(True)
    return book


def make_signals_new() -> None:
    """Handle signals as a new interpreter does, but for SIGINT, and block none.

    What the parent ignores, blocks or handles came along, with a fork or through the
    fork server: a task that starts programs would miss their ends, for instance, and
    nobody could ask the worker to end.
    """
    signal.set_wakeup_fd(-1)  # it may be that of an event loop of the parent
    for number in signal.valid_signals() - LEFT_ALONE:
        if signal.getsignal(number) not in (signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


# What we ignore, and what Python does.
LEFT_ALONE = {
    getattr(signal, name, None) for name in ("SIGINT", "SIGPIPE", "SIGXFSZ", "SIGXFZ")
}


def nothing_to_read() -> None:
    """Lead standard input to the null device, also for what a task starts.

    `multiprocessing` has replaced `sys.stdin` alone. Whoever reads the terminal, or the
    other end of a pipe, is the parent.
    """
    null = os.open(os.devnull, os.O_RDWR)
    os.set_inheritable(null, True)
    if null != 0:
        os.dup2(null, 0)
        os.close(null)


def give_way(niceness: int) -> None:
    """Let other processes have a CPU first; what the system does not allow is left."""
    own = os.nice(niceness)
    # Linux shares the CPUs out between sessions first, where that is switched on
    # (autogroup). A worker is a session of its own, so its niceness would count for
    # nothing beside others.
    if not sys.platform.startswith("linux") or set_niceness_of_session(own):
        return
    threading.Thread(
        target=insist_on_niceness, args=(own,), name="give-way", daemon=True
    ).start()


def set_niceness_of_session(niceness: int) -> bool:
    """False if it has to be tried again."""
    try:
        with open("/proc/self/autogroup", "w") as group:
            group.write(f"{niceness}")
    except BlockingIOError:
        return False  # the whole system allows one change in a tenth of a second
    except OSError:
        pass  # no such thing here
    return True


def insist_on_niceness(niceness: int) -> None:
    for _ in range(NICENESS_ATTEMPTS):
        time.sleep(NICENESS_PAUSE)
        if set_niceness_of_session(niceness):
            return


def limit_numeric_threads(share: int) -> None:
    """Let numeric libraries use *share* threads each, where the user says nothing."""
    settled_by_user = LIMITS_AFTER_OPENMP if OPENMP_LIMIT in os.environ else ()
    for name in THREAD_LIMITS:
        if name not in settled_by_user:
            os.environ.setdefault(name, str(share))


def fixed_threads(count: int | None) -> dict[str, str]:
    """The variables by which numeric libraries use *count* threads, whoever says what.

    None fixes nothing.
    """
    if count is None:
        return {}
    # Numba refuses a program that asks for more than that, so it is not told by itself.
    return dict.fromkeys((*THREAD_LIMITS, "NUMBA_NUM_THREADS"), f"{count}")


def release_fork_server() -> None:
    """Do not keep the fork server alive, which ends when nobody holds its pipe."""
    module = sys.modules.get("multiprocessing.forkserver")
    if module is not None:
        server = module._forkserver
        if server._forkserver_alive_fd is not None:
            os.close(server._forkserver_alive_fd)
            server._forkserver_alive_fd = None
    # Only with ours: that ends the children of its workers as well. With another one
    # the signal would come before a worker has ended them itself.
    if this_process.ends_with_fork_server:
        end_with_fork_server()


def end_with_fork_server() -> None:
    """Ask Linux to kill this process when the fork server has ended.

    The server ends with the parent. This reaches a worker also while C code that
    holds the interpreter's lock keeps the watching thread from running.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    set_parent_death_signal = 1  # PR_SET_PDEATHSIG in <sys/prctl.h>
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def watch_parent() -> None:
    """End this process, and the children of its tasks, with the parent."""
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is None:
        return

    def end_with_parent() -> None:
        is_readable(parent.sentinel, None)
        # A task that runs at that moment has nobody who could take its result, and its
        # link may not tell: it reads that between two items only.
        end_group()

    threading.Thread(target=end_with_parent, name="parent-watch", daemon=True).start()


def end_group() -> None:
    if sys.platform != "win32":
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def initialized(link: WorkerLink, initializer: Initializer | None) -> bool:
    """Run the initializer, if any; tell the parent that this worker can work."""
    began = time.perf_counter()
    if initializer is not None:
        try:
            initializer.run()
        except BaseException as error:
            if this_process.is_fork:
                this_process.end_fork()
            capture.flush_output()
            link.send(Kind.UNFIT, pack_exception(error, encode_answer))
            return False
    this_process.born_at, this_process.ready_at = began, time.perf_counter()
    if initializer is not None:
        this_process.set_up_seconds = this_process.ready_at - began
    link.send(Kind.READY, b"")
    return True


def serve(link: WorkerLink, book: ledger.Ledger) -> None:
    """Answer items until the parent hangs up or this worker has done its share."""
    inbox = Inbox()
    waiting: deque[Message] = deque()  # the parent sends quick items several at a time
    while True:
        while not waiting:
            try:
                waiting = inbox.read(link.connection)
            except EOFError:
                return
        message = waiting.popleft()
        # In this order, see `Ledger.recall`: first it is noted that the item is taken,
        # then looked whether the parent wants it back. The parent does it the other way
        # round, so one of the two sees what the other wrote.
        if not book.take_item(message.number):
            # What comes next cannot be told from what went before. The parent hands
            # out again what this worker has not begun.
            raise LinkEndedError("an item came out of turn")
        if book.is_recalled(message.number):
            link.send(Kind.ITEM, b"", number=message.number)
            continue
        began = time.perf_counter()
        try:
            kind, answer, along = answer_to(message)
        except process_state.SpentError:
            # Another one runs it, that is as this one was.
            link.send(Kind.ITEM | Kind.LAST, b"", number=message.number)
            return
        if this_process.is_fork:
            # A child that a task has forked comes out here as well. The link is the
            # worker's, and so is the answer.
            this_process.end_fork()
        # Before the answer: its future is told after what the task has printed.
        capture.flush_output()
        tired = book.is_last_item()
        number, seconds = message.number, time.perf_counter() - began
        # To send may take as long as the parent does not read. Nothing is kept
        # meanwhile, nor until the next item comes, that is not needed.
        del message
        fds = [segment.fd for segment in along]
        if tired:
            kind |= Kind.LAST
        link.send(kind, answer, fds, number=number, seconds=seconds)
        del answer, along
        if tired:
            return


def loaded(
    body: bytes | bytearray | memoryview, fds: list[int]
) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:  # Any: any function's
    try:
        call: tuple[Any, tuple[Any, ...], dict[str, Any]] = decoded(body, fds)
    except BaseException as error:
        loading.explain_loading(error)
        raise
    return call


def answer_to(message: Message) -> tuple[int, bytes, list[Segment]]:
    """Call what *message* asks for: the packed answer, and what is sent along."""
    body: bytes | bytearray | memoryview = message.body
    try:
        if message.kind & Kind.RULES:
            body = output_rules.adopt_before(message.body)
        function, args, kwargs = loaded(body, message.fds)
        value = function(*args, **kwargs)
    except process_state.SpentError:
        raise
    except BaseException as error:
        failure = as_raised(task_failure(error))
        return Kind.FAILURE, pack_exception(failure, encode_answer), []
    try:
        is_report = isinstance(value, ChunkReport)
        packed = value if is_report else pack(value, is_answer=True)
        if isinstance(packed, bytes):
            return Kind.VALUE, packed, []
        with sent_along() as along:
            return Kind.VALUE, encode_own(packed), along
    except NoRoomError as error:
        return Kind.FAILURE, pack_exception(error), []
    except Exception as error:
        from cotality.core.utils._process.pickling.refusals import unpicklable_result

        return (
            Kind.FAILURE,
            pack_exception(unpicklable_result(value, error), encode_answer),
            [],
        )
    except BaseException as error:
        return Kind.FAILURE, pack_exception(exited(error)), []
