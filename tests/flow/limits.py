"""Calls of flows in tests have the limit of all tests, not the one of services.

On a machine that is busy enough a new worker may take longer than five seconds.
"""

from __future__ import annotations

from typing import Any

import pytest

from cotality.flow._flow.flows.calling import TIMEOUT, Calls
from cotality.flow.aqueduct.flow import Flow
from cotality.flow.aqueduct.sockets.flow import SocketFlow
from tests.kit.limits import LONG_S

METHODS: list[Any] = [Calls.__call__, Calls.call, Calls.map, Calls.outcomes]
OTHERS: list[Any] = [Flow.process, SocketFlow.process]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    for method in METHODS:
        assert method.__kwdefaults__["timeout"] == TIMEOUT
        monkeypatch.setitem(method.__kwdefaults__, "timeout", LONG_S)
    for method in OTHERS:
        assert method.__defaults__ == (TIMEOUT,)
        monkeypatch.setattr(method, "__defaults__", (LONG_S,))
