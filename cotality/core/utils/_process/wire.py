"""How objects become bytes for another process, and objects again."""

from __future__ import annotations

import io
import pickle
from typing import Any

MAIN = b"__main__"
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
    except Exception:
        return encode_by_value(value)
    return data if is_for_all(data) else encode_by_value(value)


def is_for_all(data: bytes) -> bool:
    """Whether *data* is certain to hold nothing that `pickling` has a say in.

    Pickles name modules and attributes in plain text, so what has no such bytes has no
    such name. A string that happens to hold them only costs the slower way.
    """
    # find() takes half the time of `in`, which first tries MAIN as a number.
    if data.find(MAIN) >= 0 or data.find(PIPE) >= 0:
        return False
    return not knows_its_parent or data.find(PARENT) < 0


def encode_by_value(value: object) -> bytes:
    from .pickling import pickler_by_value

    with io.BytesIO() as file:
        pickler_by_value()(file, PROTOCOL).dump(value)
        return file.getvalue()
