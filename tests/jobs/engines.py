"""Engines for tests that are about more than one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cotality.jobs._jobs.engines.choosing import EngineName
from tests.kit.rabbitmq import programs, shared_rabbit

# Those whose tickets are rows of our own.
OURS: tuple[EngineName, ...] = ("tables", "rabbitmq")


@contextmanager
def broker_for(engine: EngineName) -> Iterator[str | None]:
    """A broker, if *engine* needs one; a test that cannot have it is skipped."""
    if engine == "dbos":
        pytest.importorskip("dbos")
    if engine != "rabbitmq":
        yield None
        return
    pytest.importorskip("amqp")
    if programs() is None:
        pytest.skip("needs the programs of RabbitMQ, such as rabbitmq-server")
    yield shared_rabbit()
