"""Processes of another floor: start one, talk to it, know when and how it ended.

For our own floors, and provisional: it may change from one release to the next.

* :func:`start_hosted` starts a process that is set apart as a worker is, and ends with
  its parent however that ends. The parent has a `Hosted`, the process a `Host`. Both
  have one end of a link, and a `Board` in memory that they share, out of `Boards`;
  `LinkEnd` brings another socket into it.
* What crosses a link is made by `encode`, or by `encode_answer` for the process that
  has sent the question, and read by `loaded`; `parcel` has large things travel in a
  `Segment` of an `Arena`, by descriptor, which `send_some` sends along; exceptions
  travel whole by `pack_exception` and `unpack_exception`.
* Failures in words: `exited`, `path_of_unpicklable`, `unpicklable_result` and
  `unreadable_result`.
* `WorkerLink`, `Inbox`, `Message` and `framed` are messages between parent and child.
* What such a process logs and prints: `capture_output` sends it by a `WorkerLink`,
  `show_output` hands it to the handlers of this process, and `wait_for_output` waits
  until they have it.
"""

from importlib import import_module

from .utils._process.machine import this_process

TYPE_CHECKING = False

if TYPE_CHECKING:
    from .utils._process.channel.arena import Arena
    from .utils._process.channel.link_end import LinkEnd
    from .utils._process.channel.messages import Inbox, Message, Output, send_some
    from .utils._process.channel.messages import packed as framed
    from .utils._process.channel.segments import Segment
    from .utils._process.channel.segments import decoded as loaded
    from .utils._process.channel.worker_link import LinkEndedError, WorkerLink
    from .utils._process.machine.this_process import end_fork
    from .utils._process.output.capture import flush_output
    from .utils._process.output.capture import install as capture_output
    from .utils._process.output.relay import has_room as output_has_room
    from .utils._process.output.relay import put as show_output
    from .utils._process.output.relay import wait_until_handled as wait_for_output
    from .utils._process.pickling.encode import encode, encode_answer
    from .utils._process.pickling.exceptions import pack_exception, unpack_exception
    from .utils._process.pickling.explain import path_of_unpicklable
    from .utils._process.pickling.refusals import unpicklable_result, unreadable_result
    from .utils._process.tasks.errors import exited
    from .utils._process.tasks.tracebacks import field_of
    from .utils._process.workers.host import FIRST_WORD, Board, Host, parcel
    from .utils._process.workers.hosted import (
        Boards,
        Hosted,
        output_rules,
        start_hosted,
    )

__all__ = [
    "FIRST_WORD",
    "Arena",
    "Board",
    "Boards",
    "Host",
    "Hosted",
    "Inbox",
    "LinkEnd",
    "LinkEndedError",
    "Message",
    "Output",
    "Segment",
    "WorkerLink",
    "capture_output",
    "encode",
    "encode_answer",
    "end_fork",
    "exited",
    "field_of",
    "flush_output",
    "framed",
    "loaded",
    "output_has_room",
    "output_rules",
    "pack_exception",
    "parcel",
    "path_of_unpicklable",
    "send_some",
    "show_output",
    "start_hosted",
    "unpack_exception",
    "unpicklable_result",
    "unreadable_result",
    "wait_for_output",
]

# Where each of them is, by the name it has there.
LATER = {
    "FIRST_WORD": ("workers.host", "FIRST_WORD"),
    "Arena": ("channel.arena", "Arena"),
    "Board": ("workers.host", "Board"),
    "Boards": ("workers.hosted", "Boards"),
    "Host": ("workers.host", "Host"),
    "Hosted": ("workers.hosted", "Hosted"),
    "Inbox": ("channel.messages", "Inbox"),
    "LinkEnd": ("channel.link_end", "LinkEnd"),
    "LinkEndedError": ("channel.worker_link", "LinkEndedError"),
    "Message": ("channel.messages", "Message"),
    "Output": ("channel.messages", "Output"),
    "Segment": ("channel.segments", "Segment"),
    "WorkerLink": ("channel.worker_link", "WorkerLink"),
    "capture_output": ("output.capture", "install"),
    "encode": ("pickling.encode", "encode"),
    "encode_answer": ("pickling.encode", "encode_answer"),
    "end_fork": ("machine.this_process", "end_fork"),
    "exited": ("tasks.errors", "exited"),
    "field_of": ("tasks.tracebacks", "field_of"),
    "framed": ("channel.messages", "packed"),
    "flush_output": ("output.capture", "flush_output"),
    "loaded": ("channel.segments", "decoded"),
    "output_has_room": ("output.relay", "has_room"),
    "output_rules": ("workers.hosted", "output_rules"),
    "pack_exception": ("pickling.exceptions", "pack_exception"),
    "parcel": ("workers.host", "parcel"),
    "path_of_unpicklable": ("pickling.explain", "path_of_unpicklable"),
    "send_some": ("channel.messages", "send_some"),
    "show_output": ("output.relay", "put"),
    "start_hosted": ("workers.hosted", "start_hosted"),
    "unpack_exception": ("pickling.exceptions", "unpack_exception"),
    "unpicklable_result": ("pickling.refusals", "unpicklable_result"),
    "unreadable_result": ("pickling.refusals", "unreadable_result"),
    "wait_for_output": ("output.relay", "wait_until_handled"),
}


def is_forked() -> bool:
    """Whether this process is a fork of a hosted one, made by what runs in it."""
    return this_process.is_fork


def __getattr__(name: str) -> object:
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, its_name = LATER[name]
    place = f"{__package__}.utils._process.{module}"
    thing: object = getattr(import_module(place), its_name)
    globals()[name] = thing
    return thing


def __dir__() -> list[str]:
    return sorted({*globals(), *LATER})
