"""Whether a service is alive, and ready, for those who send it requests."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, cast

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from cotality._kit.public import public_in
from cotality._kit.safe_text import class_and_text, clipped, printable
from cotality._kit.struck import is_of_a_signal

CHECK_S = 2.0  # that a check may take
FRESH_S = 1.0  # for which what it has found counts
LONGEST = 200  # characters of what it says

Check: TypeAlias = Callable[[], object]


class Live(BaseModel):
    """That the process answers."""

    status: str = "live"


class CheckResult(BaseModel):
    """What one check has found."""

    ok: bool
    detail: str = ""


class Ready(BaseModel):
    """Whether requests will be done."""

    status: str = Field(description="`ready`, or `not ready`.")
    checks: dict[str, CheckResult]


@public_in("cotality.web")
def health_router(
    ready: Mapping[str, Check] | None = None, *, prefix: str = "/health"
) -> APIRouter:
    """Routes for load balancers: ``/health/live`` and ``/health/ready``.

    The event loop alone answers the first one. The second one answers 503 as long as a
    check fails, or has no result within 2 seconds.

    Args:
        ready: Checks by name. A check fails if it raises an exception or returns False.
            It may be asynchronous; otherwise it runs in a thread. However many requests
            come, each check runs only once at a time, and its result is used for a
            second.
        prefix: The path before both routes.
    """
    checks = {name: Checking(check) for name, check in (ready or {}).items()}
    router = APIRouter(prefix=prefix, tags=["health"])
    not_ready: dict[int | str, dict[str, Any]] = {503: {"model": Ready}}  # Any: OpenAPI

    @router.get("/live", summary="Whether the process answers")
    async def live() -> Live:
        """It does, if this comes."""
        return Live()

    @router.get("/ready", responses=not_ready, summary="Whether requests will be done")
    async def is_ready(response: Response) -> Ready:
        """What each check says; 503 if one of them fails."""
        found = await asyncio.gather(*(check.result() for check in checks.values()))
        is_well = all(each.ok for each in found)
        response.status_code = 200 if is_well else 503
        return Ready(
            status="ready" if is_well else "not ready",
            checks=dict(zip(checks, found, strict=True)),
        )

    # As some load balancers ask.
    for path, answer in (("/live", live), ("/ready", is_ready)):
        router.add_api_route(path, answer, methods=["HEAD"], include_in_schema=False)
    return router


class Checking:
    """One check, that never runs twice at a time."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self.running: asyncio.Task[CheckResult] | None = None
        self.found: CheckResult | None = None
        self.until = 0.0

    async def result(self) -> CheckResult:
        """What it says, or said a moment ago."""
        if self.found is not None and time.monotonic() < self.until:
            return self.found
        if self.running is None or self.running.done():
            self.running = asyncio.ensure_future(self.run())
        # One that hangs goes on by itself: a thread cannot be ended.
        done, _ = await asyncio.wait([self.running], timeout=CHECK_S)
        if not done:
            return CheckResult(ok=False, detail=f"no answer within {CHECK_S:g} s")
        return self.running.result()

    async def run(self) -> CheckResult:
        self.found = await self.asked()
        self.until = time.monotonic() + FRESH_S
        return self.found

    async def asked(self) -> CheckResult:
        try:
            if inspect.iscoroutinefunction(self.check):
                said = await self.check()
            else:
                said = await asyncio.to_thread(self.check)
                if inspect.isawaitable(said):
                    said = await cast("Awaitable[object]", said)
        except Exception as error:
            if is_of_a_signal(error):
                raise
            text = clipped(printable(class_and_text(error)), LONGEST)
            return CheckResult(ok=False, detail=text)
        return CheckResult(ok=said is not False)
