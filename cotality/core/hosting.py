"""Processes of another kind than workers: start one, talk to it, know how it ended.

Provisional: for the floors of this house, and for authors of extensions. Names may come
and go with any release.

* The process: `start_hosted` starts one that is set apart as a worker is, and ends with
  its parent however that ends. The parent has a `Hosted`, the process a `Host`. Both
  have one end of a link, and a `Board` in memory that they share, out of `Boards`; its
  words are free from `FIRST_WORD` on. `LinkEnd` brings another socket into a process.
* What crosses a link: messages between parent and child, `framed` by one and read as a
  `Message` by the `Inbox` of the other; a child that blocks has a `WorkerLink`, and
  `LinkEndedError` when its parent is gone.
* What is in it: made by `encode`, or by `encode_answer` for the process that has sent
  the question, and read by `decoded`. `parcel` has large things travel in a `Segment`
  of an `Arena`, by descriptor, which `send_some` sends along and `fds_in` finds in what
  has come. Exceptions travel whole by `pack_exception` and `unpack_exception`.
* Failures: `exited` stands for what is no `Exception`; `path_of_unpicklable`,
  `unpicklable_result` and `unreadable_result` put them into words; `field_of` reads an
  exception whose class says otherwise.
* What such a process logs and prints: `capture_output` sends it by a `WorkerLink`, as
  far as the `output_rules` of the parent say, and `flush_output` at once. It arrives as
  an `Output`; `show_output` hands that to the handlers of this process,
  `output_has_room` says whether for more, and `wait_for_output` waits until they have
  it.
* A fork that somebody's function has made there: `is_forked` says so, and `end_fork`
  ends it.
"""

from cotality._kit.front_door import front_door

# Type checkers take a variable of this name for true, and see what each name is.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from .utils._process.channel.arena import Arena
    from .utils._process.channel.link_end import LinkEnd
    from .utils._process.channel.messages import (
        Inbox,
        Message,
        Output,
        fds_in,
        framed,
        send_some,
    )
    from .utils._process.channel.segments import Segment, decoded
    from .utils._process.channel.worker_link import LinkEndedError, WorkerLink
    from .utils._process.machine.this_process import end_fork, is_forked
    from .utils._process.output.capture import capture_output, flush_output
    from .utils._process.output.relay import (
        output_has_room,
        show_output,
        wait_for_output,
    )
    from .utils._process.pickling.encode import encode, encode_answer
    from .utils._process.pickling.exceptions import pack_exception, unpack_exception
    from .utils._process.pickling.reasons.explain import path_of_unpicklable
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
    "decoded",
    "encode",
    "encode_answer",
    "end_fork",
    "exited",
    "fds_in",
    "field_of",
    "flush_output",
    "framed",
    "is_forked",
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

# In which room of the core each of them is.
LATER = {
    "Arena": "channel.arena",
    "Board": "workers.host",
    "Boards": "workers.hosted",
    "FIRST_WORD": "workers.host",
    "Host": "workers.host",
    "Hosted": "workers.hosted",
    "Inbox": "channel.messages",
    "LinkEnd": "channel.link_end",
    "LinkEndedError": "channel.worker_link",
    "Message": "channel.messages",
    "Output": "channel.messages",
    "Segment": "channel.segments",
    "WorkerLink": "channel.worker_link",
    "capture_output": "output.capture",
    "decoded": "channel.segments",
    "encode": "pickling.encode",
    "encode_answer": "pickling.encode",
    "end_fork": "machine.this_process",
    "exited": "tasks.errors",
    "fds_in": "channel.messages",
    "field_of": "tasks.tracebacks",
    "flush_output": "output.capture",
    "framed": "channel.messages",
    "is_forked": "machine.this_process",
    "output_has_room": "output.relay",
    "output_rules": "workers.hosted",
    "pack_exception": "pickling.exceptions",
    "parcel": "workers.host",
    "path_of_unpicklable": "pickling.reasons.explain",
    "send_some": "channel.messages",
    "show_output": "output.relay",
    "start_hosted": "workers.hosted",
    "unpack_exception": "pickling.exceptions",
    "unpicklable_result": "pickling.refusals",
    "unreadable_result": "pickling.refusals",
    "wait_for_output": "output.relay",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = front_door(globals(), "cotality.core.utils._process", LATER)
