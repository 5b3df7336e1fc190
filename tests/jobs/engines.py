"""Engines for tests that are about more than one of them."""

from __future__ import annotations

import pytest

from cotality.jobs._jobs.engines.choosing import EngineName
from tests.kit.rabbitmq import programs, shared_rabbit

# Those whose tickets are rows of our own.
OURS: tuple[EngineName, ...] = ("tables", "rabbitmq")


def broker_for(engine: EngineName) -> str | None:
    """A broker, if *engine* needs one; a test that cannot have it is skipped."""
    if engine == "dbos":
        pytest.importorskip("dbos")
    if engine != "rabbitmq":
        return None
    pytest.importorskip("amqp")
    if programs() is None:
        pytest.skip("needs the programs of RabbitMQ, such as rabbitmq-server")
    return shared_rabbit()
