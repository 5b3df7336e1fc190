"""How objects become bytes for another process, and objects again."""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any

from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.scripts import off_path

if TYPE_CHECKING:
    from cotality.core.utils._process.scripts.places import Mention

MAIN = b"_main__"  # the end of "__main__", and of "__mp_main__" in spawned processes
# Of what travels as a number, see `numbered`: the standard pickle takes these.
PIPE = b"_readable"  # an attribute of the ends of pipes
PARENT = b"_ParentProcess"  # the class of what only children have
knows_its_parent = False  # whether this process may have one of them
PROTOCOL = pickle.HIGHEST_PROTOCOL
dumps: Any = pickle.dumps  # pyright: ignore[reportUnknownMemberType]  # typeshed
decode = pickle.loads  # for bytes of our own processes only


def encode(value: Any) -> bytes:  # Any: spares callers a type for each literal
    """*value* as bytes that any of our processes can `decode`.

    The standard pickle is tried first: it is five to ten times as fast as
    cloudpickle. What it refuses, and whatever names the user's main module, which no
    worker has, is pickled by value with cloudpickle.

    Raises:
        Exception: What pickling *value* raised.
    """
    try:
        data: bytes = dumps(value, PROTOCOL)
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        return encode_by_value(value)
    return data if is_for_all(data) else encode_by_value(value)


def encode_own(value: Any) -> bytes:  # Any: as above
    """*value*, which is all of our making, as bytes for any of our processes.

    What is in there of anybody else's is bytes already, so nobody looks through them.
    """
    data: bytes = dumps(value, PROTOCOL)
    return data


def is_for_all(data: bytes) -> bool:
    """Whether *data* is certain to hold nothing that `by_value` has a say in.

    Pickles name modules and attributes in plain text, so what has no such bytes has no
    such name. A string that happens to hold them only costs the slower way.
    """
    # find() takes half the time of `in`, which first tries MAIN as a number.
    if data.find(MAIN) >= 0 or data.find(PIPE) >= 0 or off_path.are_named_in(data):
        return False
    return not knows_its_parent or data.find(PARENT) < 0


def encode_by_value(value: object) -> bytes:
    return dump_by_value(value, None)


def dump_by_value(value: object, buffers: list[pickle.PickleBuffer] | None) -> bytes:
    """*value* as cloudpickle's pickler packs it, with what its script has to define.

    Args:
        buffers: Takes the large buffers; None to have them in the bytes.
    """
    return dumped_by_value(value, buffers)[0]


def dumped_by_value(
    value: object, buffers: list[pickle.PickleBuffer] | None, kind: Any = None
) -> tuple[bytes, Any]:  # Any: cloudpickle has no types
    """The same, and the pickler, which knows what is in it.

    Args:
        kind: Makes the pickler, if it is not to be the usual one.
    """
    from .by_value import pickler_by_value
    from .script import needed as script_needed

    take = None if buffers is None else buffers.append
    file = io.BytesIO()
    make = kind or pickler_by_value()
    pickler = make(file, PROTOCOL, buffer_callback=take)
    mentions: set[Mention] = set()
    pickler.mentions = mentions
    pickler.dump(value)
    data = file.getvalue()
    file.truncate(0)  # the pickler keeps the file, not what is in it
    collected = script_needed.collected_here()
    needed = collected or script_needed.Needed()
    needed.add(mentions)
    if collected is None:
        data = script_needed.with_bundle(data, needed, buffers)
    return data, pickler


def encode_answer(value: Any) -> bytes:  # Any: as for `encode`
    """*value* as bytes for the process that this one works for.

    What that has sent itself is only named.
    """
    try:
        data: bytes = dumps(value, PROTOCOL)
    except Exception as raised:
        if is_of_a_signal(raised):
            raise
        return dump_answer(value, None)
    return data if is_for_all(data) else dump_answer(value, None)


def dump_answer(value: object, buffers: list[pickle.PickleBuffer] | None) -> bytes:
    from .by_value import pickler_by_value

    take = None if buffers is None else buffers.append
    with io.BytesIO() as file:
        pickler_by_value()(file, PROTOCOL, buffer_callback=take).dump(value)
        return file.getvalue()
