"""A module with the jobs of some patterns, as a worker of tests imports it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cotality.core.utils.process import Progress, Task, execute_tasks_in_parallel
from cotality.jobs import Jobs, RetryLaterError, current_job
from cotality.jobs.feeds import Feeds, Post
from cotality.jobs.webhooks import Endpoint, Message, Transport, WebhookSender
from tests.jobs.shop import note
from tests.kit.helpers import Gate

SECRET = "whsec_bmV3LXNlY3JldC0xMjM0NTY3OA=="


def later(folder: str, pauses: list[float | None], counts: bool) -> int:
    """Wants to be run again after each of *pauses*; each run leaves a mark."""
    runs = len(list(Path(folder).glob("*.ran")))
    (Path(folder) / f"{runs}-{current_job().attempt}.ran").touch()
    if runs < len(pauses):
        raise RetryLaterError("not yet", pauses[runs], is_attempt=counts)
    return current_job().attempt


def send_webhook(message: Message, url: str, states: str) -> int:
    sender = WebhookSender(
        states,
        transport=Transport(allow=["127.0.0.0/8"], allow_http=True),
        schedule=[0, 0.1, 0.1, 0.1],
    )
    to = Endpoint("partner", url, [SECRET])
    return sender.send(message, to, current_job().attempt).status


def process_payment(event: dict[str, Any]) -> str:
    return f"paid {event['id']}"


def followers(author: str) -> list[str]:
    return [f"u{number}" for number in range(1200)]


def following(user: str) -> list[str]:
    return ["a"]


def deliver(url: str, post_id: str) -> int:
    with Feeds(url, followers=followers, following=following) as feeds:
        post = Post(post_id, "a", datetime(2026, 11, 30, tzinfo=UTC))
        return feeds.deliver(post, lambda done: current_job().progress(done, 1200))


def deliver_to_many(url: str, gate: str) -> int:
    """To 10,000; it waits for *gate* half-way, where its worker may be killed."""

    def half_of_them_first(author: str) -> Iterator[str]:
        for number in range(10_000):
            if number == 5_200:
                Path(f"{gate}.{os.getpid()}.waits").touch()
                Gate(Path(gate)).wait()
            yield f"u{number}"

    with Feeds(
        url,
        followers=half_of_them_first,
        following=following,
        follower_count=lambda author: 10_000,
    ) as feeds:
        return feeds.deliver(Post("p1", "a", datetime(2026, 11, 30, tzinfo=UTC)))


def square(folder: str, number: int) -> int:
    """Leaves a line for each run; from the sixth number on somebody has to open."""
    note(folder, f"{number}")
    if number >= 5:
        Gate(Path(folder) / "gate").wait()
    return number * number


def compute(folder: str, count: int) -> int:
    """A run of the core, which goes on where it was."""

    def told(progress: Progress) -> None:
        current_job().progress(progress.done, progress.total, "squares")

    squares = execute_tasks_in_parallel(
        [Task.of(square, folder, number) for number in range(count)],
        2,
        True,
        progress=told,
        journal=Path(folder) / "run.jsonl",
        resume=True,
    )
    return sum(squares)


def tick() -> str:
    return current_job().id


class PatternJobs:
    """The same jobs in a store of any URL."""

    def __init__(self, url: str) -> None:
        self.jobs = Jobs(url)
        mark = self.jobs.job(queue="fast", runs_on="threads")
        self.later = mark(later)
        self.send_webhook = mark(send_webhook)
        self.process_payment = mark(process_payment)
        self.deliver = mark(deliver)
        self.deliver_to_many = mark(deliver_to_many)
        self.compute = self.jobs.job(queue="fast")(compute)
        self.tick = mark(tick)
        self.jobs.schedule("ticks", job=self.tick, every=1)


if "COTALITY_JOBS_URL" in os.environ:
    jobs = PatternJobs(os.environ["COTALITY_JOBS_URL"]).jobs
