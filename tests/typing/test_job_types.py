"""The types of jobs that callers get to see."""

from __future__ import annotations

from typing import assert_type

from cotality.jobs import (
    AsyncJob,
    Job,
    JobHandle,
    JobInfo,
    Jobs,
    JobStatus,
    QueueStats,
    Retry,
)

jobs = Jobs("sqlite:///never-opened.db")


def key_of(user_id: int) -> str:
    return f"{user_id}"


@jobs.job
def send_welcome(user_id: int) -> str:
    return f"{user_id}"


@jobs.job(queue="mail", retries=Retry(4), unique=key_of)
def send_news(user_id: int, *, text: str = "") -> list[int]:
    return [user_id]


@jobs.job
async def fetch(url: str) -> bytes:
    return url.encode()


@jobs.job(timeout=5)
async def fetch_soon(url: str) -> bytes:
    return url.encode()


def test_a_job_keeps_what_its_function_takes_and_gives() -> None:
    """With options or without them, awaited or not."""
    assert isinstance(send_welcome, Job)
    assert isinstance(fetch, AsyncJob)
    assert_type(send_welcome(7), str)
    assert_type(send_news(7, text="x"), list[int])


async def enqueue_all() -> None:
    """Never called: what a type checker says of it is what counts."""
    handle = await send_welcome.enqueue(7)
    assert_type(handle, JobHandle[str])
    assert_type(await handle.result(), str)
    assert_type(await handle.status(), JobStatus)
    assert_type(send_welcome.enqueue_sync(7).result_sync(), str)
    assert_type(send_welcome.delay(7), JobHandle[str])
    assert_type(await send_news.using(priority=5).enqueue(7), JobHandle[list[int]])
    assert_type(await send_news.enqueue_many([(1,)]), list[JobHandle[list[int]]])
    assert_type(await fetch.enqueue("x"), JobHandle[bytes])
    assert_type(await fetch_soon.enqueue("x"), JobHandle[bytes])
    assert_type(await fetch("x"), bytes)
    assert_type(jobs.stats(), list[QueueStats])
    assert_type(jobs.dead(), list[JobInfo])

    await send_welcome.enqueue("x")  # type: ignore[arg-type]  # must stay an error
    send_welcome.delay()  # type: ignore[call-arg]  # must stay an error
    await send_news.using().enqueue(7, txt="")  # type: ignore[call-arg]  # likewise
