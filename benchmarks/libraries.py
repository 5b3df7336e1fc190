"""Work as real libraries do it: what computes in C, with and without the lock.

And what waits. Each needs a library that is in the group of the benchmarks and nowhere
else. A workload is a function and items, about 0.3 to 1 s of work in a loop.
"""

from __future__ import annotations

import io
import json
import random
import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any


@dataclass(frozen=True)
class Workload:
    """A function and its items."""

    function: Callable[[Any], Any]
    items: Sequence[Any]


def pandas_groups(port: int) -> Workload:
    """A group-by-apply: thirteen sorts and a line through the points of each group."""
    import numpy
    import pandas

    rng = numpy.random.default_rng(1)
    frame = pandas.DataFrame(
        {
            "group": numpy.repeat(numpy.arange(400), 100),
            "x": rng.random(40_000),
            "y": rng.random(40_000),
        }
    )
    return Workload(fit_group, [group for _, group in frame.groupby("group")])


def fit_group(group: Any) -> float:
    import numpy

    for number in range(13):
        group = group.sort_values("x" if number % 2 else "y")
    return float(numpy.polyfit(group["x"], group["y"], 2)[0])


def polars_sums(port: int) -> Workload:
    """Sums by group; the library has threads of its own."""
    return Workload(sum_by_group, range(100))


def sum_by_group(seed: int) -> float:
    import polars

    frame = polars.DataFrame(
        {"key": [n % 97 for n in range(20_000)], "value": list(range(20_000))}
    )
    found = frame.group_by("key").agg(polars.col("value").sum())
    return float(found["value"].sum()) + seed


def sklearn_fits(port: int) -> Workload:
    """A small model for each of many data sets."""
    return Workload(fit_model, range(60))


def fit_model(seed: int) -> float:
    import numpy
    from sklearn.linear_model import LogisticRegression

    rng = numpy.random.default_rng(seed)
    points = rng.random((400, 10))
    classes = (points.sum(axis=1) > 5).astype(int)
    model = LogisticRegression(max_iter=200).fit(points, classes)
    return float(model.score(points, classes))


WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "13",
    "lazy",
    "dogs",
    "at",
    "09:45",
    "on",
    "2026-11-28",
]


def text_of(seed: int, words: int) -> str:
    rng = random.Random(seed)
    return " ".join(rng.choice(WORDS) for _ in range(words))


def re_matches(port: int) -> Workload:
    """A pattern over texts, which keeps the lock."""
    return Workload(count_dates, [text_of(seed, 4000) for seed in range(300)])


DATE = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b|\b(\d\d):(\d\d)\b|\b[a-z]+s\b")


def count_dates(text: str) -> int:
    return sum(1 for _ in DATE.finditer(text))


def json_texts(port: int) -> Workload:
    """Texts are read and written again, which keeps the lock."""
    rows = [{"number": n, "text": text_of(n, 8), "parts": [n] * 5} for n in range(200)]
    return Workload(read_and_write, [json.dumps(rows)] * 400)


def read_and_write(text: str) -> int:
    return len(json.dumps(json.loads(text), sort_keys=True))


def lxml_pages(port: int) -> Workload:
    """Pages are parsed, which leaves the lock, and searched."""
    rows = "".join(f"<tr><td>{n}</td><td>{text_of(n, 5)}</td></tr>" for n in range(300))
    page = f"<html><body><table>{rows}</table></body></html>".encode()
    return Workload(cells_of, [page] * 250)


def cells_of(page: bytes) -> int:
    from lxml import html

    return len(html.fromstring(page).xpath("//td/text()"))


def pillow_thumbnails(port: int) -> Workload:
    """Pictures are made smaller, which leaves the lock."""
    from PIL import Image

    picture = Image.effect_noise((1200, 900), 60).convert("RGB")
    data = io.BytesIO()
    picture.save(data, "JPEG")
    return Workload(thumbnail, [data.getvalue()] * 50)


def thumbnail(data: bytes) -> int:
    from PIL import Image

    picture = Image.open(io.BytesIO(data)).convert("RGB").resize((300, 225))
    answer = io.BytesIO()
    picture.save(answer, "JPEG")
    return len(answer.getvalue())


def sqlite_queries(port: int) -> Workload:
    """A database in memory for each item: C code that leaves the lock now and then."""
    return Workload(ask_database, range(60))


def ask_database(seed: int) -> int:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("create table numbers (n integer, m integer)")
        connection.executemany(
            "insert into numbers values (?, ?)", ((n, n % 7) for n in range(8000))
        )
        found = connection.execute(
            "select m, sum(n) from numbers group by m order by 2"
        ).fetchall()
    connection.close()
    return len(found) + seed


def sqlite_of_caller(port: int) -> Workload:
    """One connection, which belongs to the thread that made it."""
    connection = sqlite3.connect(":memory:")
    connection.execute("create table numbers (n integer, m integer)")
    connection.executemany(
        "insert into numbers values (?, ?)", ((n, n % 7) for n in range(20_000))
    )
    return Workload(partial(ask_connection, connection), range(300))


def ask_connection(connection: sqlite3.Connection, number: int) -> int:
    found = connection.execute("select sum(n) from numbers where m = ?", (number % 7,))
    return int(found.fetchone()[0])


def requests_to_server(port: int) -> Workload:
    """Requests to a server on this machine that takes 5 ms for each."""
    return Workload(partial(fetch, port), range(100))


def fetch(port: int, number: int) -> int:
    import requests

    return len(requests.get(f"http://127.0.0.1:{port}/0.005", timeout=60).content)


LIBRARIES: dict[str, Callable[[int], Workload]] = {
    "pandas": pandas_groups,
    "polars": polars_sums,
    "scikit-learn": sklearn_fits,
    "re": re_matches,
    "json": json_texts,
    "lxml": lxml_pages,
    "Pillow": pillow_thumbnails,
    "sqlite3": sqlite_queries,
    "sqlite3 of the caller": sqlite_of_caller,
    "requests": requests_to_server,
}
