"""The types of `cotality.flow`: those of the steps join, and wrong ones are errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_type

import pytest

from cotality.core.utils.process import Outcome
from cotality.flow import (
    Failed,
    Flow,
    FlowClient,
    FlowServer,
    FlowStatus,
    Handler,
    Step,
)


class Image:
    """Made in the first step."""


class Decode:
    def handle(self, items: list[bytes]) -> list[Image]:
        return [Image() for _ in items]


class Label(Handler[Image, str]):
    def handle(self, items: Sequence[Image]) -> list[str | Failed]:
        return ["cat" for _ in items]


def length(text: str) -> int:
    return len(text)


def halves(items: list[int]) -> list[float]:
    return [item / 2 for item in items]


def doubled(items: Sequence[float]) -> Sequence[float]:
    return [2 * item for item in items]


def test_the_types_of_steps_join() -> None:
    """From the item of the first one to the result of the last."""
    flow = Flow(Step(Decode()), Step(Label, batch_size=8))
    assert_type(flow, Flow[bytes, str])
    assert_type(Flow(Step(length)), Flow[str, int])
    long = Flow(Step(Decode), Step(Label()), Step(length), Step(halves, batch_size=4))
    assert_type(long, Flow[bytes, float])
    assert_type(Flow(Step(doubled, batch_size=4)), Flow[float, float])

    async def use(client: FlowClient[bytes, str]) -> None:
        assert_type(await flow(b""), str)
        assert_type(flow.call(b""), str)
        assert_type(await flow.map([b""]), list[str])
        assert_type(await flow.map([b""], on_error="return"), list[str | Exception])
        async for outcome in flow.outcomes([b""]):
            assert_type(outcome, Outcome[str])
        async with flow as same:
            assert_type(same, Flow[bytes, str])
        assert_type(await client(b""), str)
        assert_type(flow.status(), FlowStatus)
        server = FlowServer.serve(flow)
        assert_type(server, FlowServer[bytes, str])
        assert_type(server.client(), FlowClient[bytes, str])
        await flow("text")  # type: ignore[arg-type]  # must stay an error
        await client("text")  # type: ignore[arg-type]  # must stay an error

    assert callable(use)


def test_steps_that_do_not_fit_are_errors() -> None:
    """Also for a type checker: each ignored error has to be one."""

    def check() -> Any:
        Flow(Step(Label()), Step(Decode()))  # type: ignore[misc]  # must stay an error
        Step(halves)  # fine: one item, which is a list
        Step(length, batch_size=2)  # type: ignore[arg-type]  # must stay an error

    assert callable(check)
    with pytest.raises(TypeError, match="needs a handler"):
        Step(3)  # type: ignore[call-overload]  # must stay an error
    with pytest.raises(TypeError, match="made of steps"):
        Flow(Decode())  # type: ignore[call-overload]  # must stay an error
    with pytest.raises(ValueError, match="from 1 to 64 steps"):
        Flow()  # type: ignore[call-overload]  # must stay an error
    with pytest.raises(ValueError, match="workers must be from 1"):
        Step(Decode(), workers=0)
