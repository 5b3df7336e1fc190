"""What a client is told of a flow in its `WELCOME`, and what it may ask for.

In JSON, which anybody can read and which runs nothing: but for one packed part, what a
client needs to find the step that an item begins with. It comes from the process that
has started the flow, and only programs of the same user may connect.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

from cotality._kit.struck import is_of_a_signal


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a client has to know.

    Attributes:
        connection: The number of its connection.
        pid: Of the router.
        levels: How many priorities there are.
        share: How many items of one connection may wait at a time.
        steps: The names of the steps.
        entry: Packed; see `steps.entry`. Empty if every item begins with the first one.
    """

    connection: int
    pid: int
    levels: int
    share: int
    steps: tuple[str, ...]
    entry: bytes

    def packed(self) -> bytes:
        head = {
            "connection": self.connection,
            "pid": self.pid,
            "levels": self.levels,
            "share": self.share,
            "steps": self.steps,
        }
        return json.dumps(head).encode() + b"\n" + self.entry

    @classmethod
    def unpacked(cls, body: bytes | bytearray) -> Welcome:
        head, _, entry = bytes(body).partition(b"\n")
        told: dict[str, Any] = json.loads(head)  # Any: of several types
        told["steps"] = tuple(told["steps"])
        return cls(**told, entry=entry)


# What may be asked for, and what of it comes back: JSON.
STATUS = "status"
METRICS = "metrics"  # a text for Prometheus, as JSON
DRAIN = "drain"  # with "grace"
STOP = "stop"  # with "grace"
RELOAD = "reload"  # with "step", or none for all of them


def question(what: str, **details: object) -> bytes:
    return json.dumps({"what": what, **details}).encode()


def read(body: bytes | bytearray) -> dict[str, Any]:  # Any: what JSON has
    """What a question or an answer says; nothing if that cannot be read."""
    try:
        given: Any = json.loads(bytes(body))  # Any: what JSON has
    except (ValueError, RecursionError) as error:
        if is_of_a_signal(error):
            raise
        return {}
    return cast("dict[str, Any]", given) if isinstance(given, dict) else {}


def told(**details: object) -> bytes:
    return json.dumps(details).encode()
