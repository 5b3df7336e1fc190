"""The types of what a service is put together from."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from fastapi import APIRouter, FastAPI

from cotality.flow import Flow, FlowClient, Step
from cotality.jobs import Jobs
from cotality.jobs.webhooks import Event, GithubSignature, Receiver
from cotality.web import (
    CountRequests,
    RequestFigures,
    Settings,
    Streams,
    create_app,
    flow_router,
    health_router,
    jobs_router,
    metrics_router,
    queues_router,
    webhooks_router,
)

jobs = Jobs("sqlite:///never-opened.db")


@jobs.job
def add(a: int, b: int) -> int:
    return a + b


@jobs.job
async def fetch(url: str) -> bytes:
    return url.encode()


def store(event: Event) -> None:
    """Nothing is stored."""


async def is_there() -> bool:
    return True


def test_routers_take_what_there_is() -> None:
    """Jobs of either kind, checks of either kind, a flow or its client."""
    streams = Streams(most=10, heartbeat_s=5.0)
    receiver = Receiver(GithubSignature(secrets=["a secret"]), store)
    requests = RequestFigures()
    made = jobs_router(jobs, {"add": add, "fetch": fetch}, streams=streams)
    assert_type(made, APIRouter)
    jobs_router(jobs, show=[add, fetch], prefix="/mine")
    queues_router(jobs)
    webhooks_router({"github": receiver})
    health_router({"a": is_there, "b": lambda: None})
    metrics_router(jobs, requests=requests)
    flow_router(FlowClient[int, int]())
    flow_router(Flow(Step(abs, name="abs")))
    FastAPI().add_middleware(CountRequests, requests=requests)


def create(folder: Path) -> None:
    """Never called: what a type checker says of it is what counts."""
    assert_type(create_app(), FastAPI)
    assert_type(create_app(Settings(state_dir=folder, port=0)), FastAPI)
    create_app(Settings(port="x"))  # type: ignore[arg-type]  # must stay an error
    jobs_router(jobs, [add])  # type: ignore[arg-type]  # must stay an error
    webhooks_router({"a": store})  # type: ignore[dict-item]  # must stay an error
