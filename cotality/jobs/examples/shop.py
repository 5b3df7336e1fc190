"""The jobs of the shop, which its workers import.

``COTALITY_SHOP`` names the folder in which the shop has all its files.
"""

from __future__ import annotations

import os
import signal
import smtplib
import time
from collections.abc import Iterator
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path

from cotality.jobs import Jobs, Retry, current_job
from cotality.jobs.feeds import Feeds, Post

FOLDER = Path(os.environ.get("COTALITY_SHOP", "."))
FOLLOWERS = 10_000
SMALL = 16  # pixels
jobs: Jobs = Jobs(f"sqlite:///{FOLDER.absolute()}/jobs.db")

# A mail server that is busy, or away for a minute, is worth another attempt.
BUSY = Retry(4, on=(OSError, smtplib.SMTPException), backoff=0.2, max_delay=600)


@jobs.job(queue="image", timeout=60)
def make_thumbnail(name: str) -> str:
    """Make a picture of the format PPM small: each pixel the mean of a square."""
    head, _, pixels = (FOLDER / name).read_bytes().partition(b"\n")
    width, height = map(int, head.split()[1:3])
    block = width // SMALL
    small = bytearray()
    for top in range(0, height, block):
        current_job().progress(top, height, "rows")
        for left in range(0, width, block):
            for colour in range(3):
                square = (
                    pixels[3 * ((top + y) * width + left + x) + colour]
                    for y in range(block)
                    for x in range(block)
                )
                small.append(sum(square) // block**2)
    to = FOLDER / f"small-{name}"
    to.write_bytes(b"P6 %d %d 255\n" % (SMALL, height // block) + small)
    return to.name


@jobs.job(queue="mail", retries=BUSY, runs_on="threads")
def send_mail(address: str, subject: str) -> str:
    """Mail somebody; the id of the mail is the same at each attempt."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "shop@example.com", address, subject
    mail["Message-ID"] = f"<{current_job().id}@example.com>"
    mail.set_content("Thank you.")
    port = int((FOLDER / "mail-port").read_text("ascii"))
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as server:
        server.send_message(mail)
    return address


@jobs.on("order.paid")
@jobs.job(queue="orders", runs_on="threads")
def ship(order: int) -> str:
    """Somebody who listens to what is paid."""
    return f"order {order} is on its way"


@jobs.on("order.paid")
@jobs.job(queue="mail", runs_on="threads")
def thank(order: int) -> None:
    """Another one."""
    send_mail.enqueue_sync(f"buyer-{order}@example.com", "We have your payment")


@jobs.job(queue="orders", runs_on="threads")
def take_payment(order: int) -> None:
    """What a webhook of the payment service has told: tell all who listen."""
    jobs.publish("order.paid", order)


def followers(author: str) -> Iterator[str]:
    """Of whoever it is."""
    return (f"user-{number}" for number in range(FOLLOWERS))


def feeds() -> Feeds:
    """What each user sees."""
    return Feeds(
        f"sqlite:///{FOLDER.absolute()}/feeds.db",
        followers=followers,
        following=lambda user: ["shop"],
    )


@jobs.job(queue="feeds")
def tell_followers(post: str, at: datetime) -> int:
    """Write a post into 10,000 feeds."""
    with feeds() as shown:
        return shown.deliver(
            Post(post, "shop", at),
            lambda done: current_job().progress(done, FOLLOWERS),
        )


@jobs.job(queue="reports")
def make_report(seconds: float) -> str:
    """Something that takes a while, at which a worker is killed."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        current_job().progress(seconds - left, seconds)
        time.sleep(min(left, 0.1))
    return f"made by worker {os.environ.get('COTALITY_SHOP_WORKER', '?')}"


@jobs.job(queue="stock", runs_on="threads")
def count_stock() -> str:
    """By the clock."""
    return current_job().id


@jobs.job(queue="risky", retries=Retry(2, backoff=0.1, jitter=False))
def poison() -> None:
    """Kill the process that runs it, each time."""
    os.kill(os.getpid(), signal.SIGKILL)


jobs.schedule("count-stock", job=count_stock, every=1)
