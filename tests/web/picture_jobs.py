"""Jobs that are in the picture of the page of queues."""

from __future__ import annotations

import os

from cotality.jobs import Jobs, Retry

jobs = Jobs(os.environ.get("COTALITY_JOBS_URL", "sqlite:///jobs.db"))


@jobs.job(name="shop.send_receipt", queue="mail", retries=Retry(3, backoff=0.05))
def send_receipt(order: int) -> None:
    """Fails for two of three."""
    if order % 3:
        raise ConnectionRefusedError("mail.example.org, port 25: nobody answers")


@jobs.job(name="shop.make_thumbnail", queue="images")
def make_thumbnail(photo: str) -> str:
    if "broken" in photo:
        raise ValueError(f"{photo} ends after 1,024 of 48,112 bytes")
    return f"small/{photo}"


@jobs.job(name="shop.nightly_report", queue="reports")
def nightly_report() -> None:
    """Its queue has no worker."""
