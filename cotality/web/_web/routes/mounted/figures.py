"""What a web process counts of its requests, and how Prometheus reads it."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # s
HEAD = "cotality_web"


@dataclass
class Figures:
    """What was counted, by one process or by several.

    Attributes:
        requests: How many requests were answered, by method, route and status.
        buckets: How many took up to each bound, and how many longer, by route.
        seconds: How long all of them took, by route.
        in_flight: How many are not answered yet.
        streams: How many of these are streams of events.
    """

    requests: Counter[tuple[str, str, int]] = field(
        default_factory=Counter[tuple[str, str, int]]
    )
    buckets: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    in_flight: int = 0
    streams: int = 0

    def count(
        self, method: str, route: str, status: int, seconds: float | None
    ) -> None:
        """Count one request that was answered; None for how long does not count."""
        self.requests[method, route, status] += 1
        if seconds is None:
            return
        self.row_of(route)[bisect_left(BOUNDS, seconds)] += 1
        self.seconds[route] = self.seconds.get(route, 0.0) + seconds

    def row_of(self, route: str) -> list[int]:
        return self.buckets.setdefault(route, [0] * (len(BOUNDS) + 1))

    def add(self, other: Figures, *, is_over: bool = False) -> None:
        """Add what another process has counted; *is_over* if that has ended."""
        self.requests.update(other.requests)
        for route, row in other.buckets.items():
            ours = self.row_of(route)
            for place, count in enumerate(row):
                ours[place] += count
        for route, seconds in other.seconds.items():
            self.seconds[route] = self.seconds.get(route, 0.0) + seconds
        if not is_over:
            self.in_flight += other.in_flight
            self.streams += other.streams

    def as_json(self) -> str:
        """For another process."""
        return json.dumps(
            {
                "requests": [[*key, count] for key, count in self.requests.items()],
                "buckets": self.buckets,
                "seconds": self.seconds,
                "in_flight": self.in_flight,
                "streams": self.streams,
            }
        )

    @classmethod
    def of_json(cls, text: str) -> Figures:
        """What `as_json` gave.

        Raises:
            ValueError: It is something else, or a part of it.
        """
        try:
            told: dict[str, Any] = json.loads(text)  # Any: as `as_json` has it
            return cls(
                Counter({(a, b, c): count for a, b, c, count in told["requests"]}),
                {route: checked_row(row) for route, row in told["buckets"].items()},
                {route: float(each) for route, each in told["seconds"].items()},
                int(told["in_flight"]),
                int(told["streams"]),
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"these are not figures: {text[:100]!r}") from error


def checked_row(row: list[int]) -> list[int]:
    """One with other bounds, of another version of us, cannot be added."""
    if len(row) != len(BOUNDS) + 1:
        raise ValueError(f"{len(row)} buckets, and {len(BOUNDS) + 1} are counted here")
    return row


def text_of(figures: Figures, labels: str = "") -> str:
    """The text that Prometheus reads.

    Args:
        figures: What was counted.
        labels: What each line says in addition, such as ``pid="7"``.
    """
    return (
        "\n".join([*of_requests(figures, labels), *of_gauges(figures, labels)]) + "\n"
    )


def of_requests(figures: Figures, labels: str) -> Iterator[str]:
    yield f"# HELP {HEAD}_requests_total Requests that were answered."
    yield f"# TYPE {HEAD}_requests_total counter"
    for (method, route, status), count in sorted(figures.requests.items()):
        said = joined(labels, method=method, route=route, status=f"{status}")
        yield f"{HEAD}_requests_total{said} {count}"
    yield f"# HELP {HEAD}_request_seconds How long requests took to answer."
    yield f"# TYPE {HEAD}_request_seconds histogram"
    for route, row in sorted(figures.buckets.items()):
        done = 0
        for bound, count in zip((*BOUNDS, None), row, strict=True):
            done += count
            le = "+Inf" if bound is None else f"{bound:g}"
            said = joined(labels, route=route, le=le)
            yield f"{HEAD}_request_seconds_bucket{said} {done}"
        said = joined(labels, route=route)
        yield f"{HEAD}_request_seconds_sum{said} {figures.seconds[route]:.6f}"
        yield f"{HEAD}_request_seconds_count{said} {done}"


def of_gauges(figures: Figures, labels: str) -> Iterable[str]:
    for name, what, value in (
        ("in_flight", "Requests that are not answered yet.", figures.in_flight),
        ("streams", "Streams of events that are open.", figures.streams),
    ):
        yield f"# HELP {HEAD}_{name} {what}"
        yield f"# TYPE {HEAD}_{name} gauge"
        yield f"{HEAD}_{name}{joined(labels)} {value}"


def joined(labels: str, **more: str) -> str:
    """All labels of one line, in their braces; nothing for none."""
    said = ",".join(f'{name}="{escaped(value)}"' for name, value in more.items())
    both = ",".join(part for part in (labels, said) if part)
    return f"{{{both}}}" if both else ""


def escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
