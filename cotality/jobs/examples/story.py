"""What happens in the shop, told as it goes."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import os
import random
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from cotality.jobs import JobInfo, Jobs, JobStatus
from cotality.jobs.webhooks import Event, Receiver, StandardWebhook

from .mail_server import MailServer, mail_server

PICTURES, MAILS, SIDE = 6, 5, 96
LIMIT_S = 120.0  # that all of it may take
SECRET = "whsec_" + base64.b64encode(b"the secret of the shop").decode()
OPEN = (JobStatus.QUEUED, JobStatus.DELAYED, JobStatus.RUNNING, JobStatus.RETRYING)


def main() -> None:
    """Tell the story, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="shop-") as folder, mail_server() as mails:
        os.environ["COTALITY_SHOP"] = folder
        (Path(folder) / "mail-port").write_text(f"{mails.port}", "ascii")
        # Now that it is known where its files are.
        shop = import_module("cotality.jobs.examples.shop")
        with contextlib.closing(shop.jobs):
            Story(shop, Path(folder), mails).tell()


class Story:
    """The shop, from the first customer to the table at the end."""

    shop: Any  # Any: a module of jobs, by their names
    folder: Path
    mails: MailServer
    end: float

    def __init__(self, shop: Any, folder: Path, mails: MailServer) -> None:
        self.shop, self.folder, self.mails = shop, folder, mails
        self.jobs: Jobs = shop.jobs
        self.end = time.monotonic() + LIMIT_S

    def tell(self) -> None:
        """All of it."""
        shop = self.shop
        say("People come; each is answered at once, and the work is stored:")
        report = shop.make_report.enqueue_sync(2.0)
        for name in self.pictures():
            shop.make_thumbnail.enqueue_sync(name)
        for number in range(MAILS):
            shop.send_mail.enqueue_sync(f"user-{number}@example.com", "Welcome")
        shop.tell_followers.enqueue_sync("a new product", datetime.now(UTC))
        shop.poison.enqueue_sync()
        answers = [self.payment(7) for _ in range(3)]
        say(f"  a payment is told three times, and answered with {answers}")
        say(f"  {len(self.jobs.list(limit=1000))} jobs wait")

        with self.worker("1") as first:
            self.until(lambda: report.status_sync() is JobStatus.RUNNING)
            with self.worker("2"):
                first.kill()
                say(f"Worker 1 is killed; it ran a report and {self.running()} more.")
                self.until(lambda: not self.open_jobs())
                self.until(lambda: len(self.named("count_stock")) >= 3)
        self.say_what_became()

    def pictures(self) -> Iterator[str]:
        """The names of pictures that people have brought."""
        for number in range(PICTURES):
            pixels = random.Random(number).randbytes(3 * SIDE * SIDE)
            name = f"{number}.ppm"
            (self.folder / name).write_bytes(b"P6 %d %d 255\n" % (SIDE, SIDE) + pixels)
            yield name

    def payment(self, order: int) -> int:
        """What the payment service sends; the status that it is answered with."""

        def store(event: Event) -> None:
            job = self.shop.take_payment.using(job_id=event.job_id)
            job.enqueue_sync(event.data["order"])

        body = json.dumps({"type": "payment.succeeded", "order": order}).encode()
        receiver = Receiver(StandardWebhook([SECRET]), store)
        return receiver.answer(signed(body, f"msg_{order}"), body).status

    @contextmanager
    def worker(self, name: str) -> Generator[subprocess.Popen[bytes]]:
        """A worker that serves the shop meanwhile."""
        command = [sys.executable, "-m", "cotality.jobs", "worker"]
        log = (self.folder / f"worker-{name}.log").open("wb")
        variables = {**os.environ, "COTALITY_SHOP_WORKER": name}
        with log:
            process = subprocess.Popen(
                [*command, "cotality.jobs.examples.shop:jobs"],
                stdout=log,
                stderr=log,
                env=variables,
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait()

    def until(self, is_so: Callable[[], object]) -> None:
        """Return when it *is_so*."""
        while not is_so():
            if time.monotonic() > self.end:
                raise SystemExit(f"not within {LIMIT_S:g} s; see {self.folder}")
            time.sleep(0.05)

    def open_jobs(self) -> list[JobInfo]:
        """Those that are not over, but for what the clock brings all the time."""
        every = self.jobs.list(limit=1000)
        return [each for each in every if each.status in OPEN and each.queue != "stock"]

    def running(self) -> int:
        """How many jobs run, without the report."""
        found = self.jobs.list(status=JobStatus.RUNNING, limit=1000)
        return sum(not each.name.endswith("make_report") for each in found)

    def named(self, name: str) -> list[JobInfo]:
        """The jobs of one function."""
        return self.jobs.list(name=f"{self.shop.__name__}.{name}", limit=1000)

    def say_what_became(self) -> None:
        """The table of all jobs, and what they have left."""
        say("What became of every job:")
        say(f"  {'job':18}{'jobs':>6}{'done':>6}{'dead':>6}  attempts")
        for name in sorted({each.name for each in self.jobs.list(limit=1000)}):
            jobs = self.jobs.list(name=name, limit=1000)
            states = Counter(each.status for each in jobs)
            done, dead = states[JobStatus.SUCCEEDED], states[JobStatus.FAILED]
            said = f"{name.rpartition('.')[2]:18}{len(jobs):6}{done:6}{dead:6}"
            say(f"  {said}  {self.attempts_of(jobs)}")
        self.say_more()

    def attempts_of(self, jobs: list[JobInfo]) -> str:
        """How many of their attempts came to what."""
        found = Counter(
            attempt.outcome
            for job in jobs
            for attempt in self.jobs.handle(job.id).attempts_sync()
        )
        return ", ".join(f"{count} {outcome}" for outcome, count in found.items())

    def say_more(self) -> None:
        """What others have of it: mail boxes, followers."""
        (letter,) = self.jobs.dead()
        say(f"The dead letter says: {letter.error_type}: {letter.error}")
        ids = [line for mail in self.mails.taken for line in mail.splitlines()]
        ids = [line for line in ids if line.startswith("Message-ID:")]
        say(
            f"The mail server was busy {self.mails.refused} times, has taken "
            f"{len(ids)} mails, and {len(ids) - len(set(ids))} of them twice."
        )
        with self.shop.feeds() as feeds:
            (post,) = feeds.read(f"user-{self.shop.FOLLOWERS - 1}")
        say(f"The last of {self.shop.FOLLOWERS:,} followers sees: {post.id}")
        (report,) = self.named("make_report")
        say(f"The report was {self.jobs.handle(report.id).result_sync(0)}.")


def signed(body: bytes, id: str) -> dict[str, str]:
    """The headers of a webhook, as of standardwebhooks.com."""
    at = int(time.time())
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{id}.{at}.".encode() + body, "sha256")
    return {
        "webhook-id": id,
        "webhook-timestamp": f"{at}",
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def say(text: str) -> None:
    """Print it in lines of a terminal; what is set in already stays as it is."""
    lines = [text] if text.startswith(" ") else textwrap.wrap(text, 79)
    print("\n".join(lines), flush=True)
