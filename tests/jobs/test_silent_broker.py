"""A broker that takes turns and confirms none: it is let alone, and no job waits.

RabbitMQ 3.10 is like that for a queue that has no leader after a power cut.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from cotality.jobs._jobs.engines.rabbit import giving
from cotality.jobs._jobs.engines.rabbit.broker import broker_of
from cotality.jobs._jobs.engines.rabbit.giving import AWAY_S, CONFIRM_S, Giver

pytest.importorskip("amqp")


class SilentLink:
    """A connection on which nothing ever comes."""

    made = 0

    def __init__(self, *_: object, **__: object) -> None:
        type(self).made += 1
        self.channel: Any = self  # Any: of a package without types
        self.events: dict[str, set[object]] = defaultdict(set)
        self.published = 0

    def ask(self, call: Callable[[], object]) -> None:
        call()

    def confirm_select(self) -> None: ...

    def declare(self, name: str) -> None: ...

    def read(self) -> None: ...

    def cut(self) -> None: ...

    def basic_publish(self, *_: object, **__: object) -> None:
        self.published += 1


def test_who_confirms_nothing_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """For some seconds nobody counts on a turn; then it is tried once more."""
    now = [1000.0]
    monkeypatch.setattr(giving.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(giving, "Link", SilentLink)
    monkeypatch.setattr(SilentLink, "made", 0)
    giver = Giver(broker_of("amqp://a@localhost/"))

    giver.give({"q": 1})
    assert giver.is_near()
    now[0] += CONFIRM_S + 0.1
    giver.give({"q": 1})
    assert not giver.is_near()
    giver.give({"q": 1})
    assert SilentLink.made == 1

    now[0] += AWAY_S
    assert giver.is_near()
    giver.give({"q": 1})
    assert SilentLink.made == 2
    giver.cut()
