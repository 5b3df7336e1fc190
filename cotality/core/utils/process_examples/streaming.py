"""More records than should be in memory at a time."""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

from cotality.core.utils.process import Task, execute_tasks_in_parallel_streaming

from .memory import say_memory
from .output import (
    CannotRunError,
    Measured,
    Stopwatch,
    confirm,
    say,
    say_measured,
    say_prose,
)

RECORDS = 200_000
MEMORY_LINES = 8  # how often `streaming` looks at the memory in use
Row: TypeAlias = tuple[int, str, str, int]


def orders(count: int) -> Iterator[str]:
    """*count* orders of a shop as JSON, made one at a time."""
    carts = [
        [[f"{(7 * cart + line) % 90}.{line}9", 1 + line % 4] for line in range(12)]
        for cart in range(50)
    ]
    lines = [json.dumps(cart) for cart in carts]
    for number in range(count):
        customer = f"customer{number % 9973}@example.org"
        yield f'{{"id": {number}, "who": "{customer}", "cart": {lines[number % 50]}}}'


def priced(order: str) -> Row:
    """The row for *order*: number, pseudonym of the customer, total, count of items."""
    data = json.loads(order)
    who = hashlib.sha256(data["who"].encode()).hexdigest()[:16]
    total = sum(Decimal(price) * count for price, count in data["cart"])
    return data["id"], who, f"{total:.2f}", sum(count for _, count in data["cart"])


def streaming(scale: float) -> None:
    """Stream 200,000 records through processes into an SQLite file.

    A generator makes each task when there is room for it, and each result is
    stored as it comes. Neither tasks nor results pile up, so the memory stays
    flat, whether there are a thousand records or a billion.

        tasks = (Task.of(priced, order) for order in orders(count))
        stream = execute_tasks_in_parallel_streaming(tasks, use_processes=True)
    """
    require_sqlite()
    count = max(1000, round(RECORDS * scale))
    with tempfile.TemporaryDirectory(prefix="cotality-examples-") as folder:
        file, tenth = Path(folder, "orders.db"), Path(folder, "tenth.db")
        clock = Stopwatch()
        store(tenth, enumerate(map(priced, orders(count // 10))), count)
        loop = Measured("plain loop, a tenth", count // 10, clock.lap())

        tasks = (Task.of(priced, order) for order in orders(count))
        stream = execute_tasks_in_parallel_streaming(tasks, use_processes=True)
        with closing(stream):
            used = store(file, stream, every=max(1, count // MEMORY_LINES))
        processes = Measured("processes", count, clock.lap())
        stored, size = rows_in(file), file.stat().st_size / 1e6

    say_flat(used, count)
    say_measured("records", loop, processes)
    say(f"The file held {size:.1f} MB; it is deleted again.")
    confirm("every record was in the file exactly once", stored == count)


def store(file: Path, rows: Iterable[tuple[int, Row]], every: int) -> list[int]:
    """Put *rows* into a new SQLite *file*; the memory in use after *every* so many."""
    import sqlite3

    used: list[int] = []
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE orders (id, who, total, items)")
        for index, row in rows:
            database.execute("INSERT INTO orders VALUES (?, ?, ?, ?)", row)
            if (index + 1) % every == 0:
                used.append(say_memory(index + 1))
    return used


def rows_in(file: Path) -> int:
    """How many different orders are in *file*; -1 if some are there twice."""
    import sqlite3

    with closing(sqlite3.connect(file)) as database:
        query = "SELECT count(*), count(DISTINCT id) FROM orders"
        rows, different = database.execute(query).fetchone()
    return int(rows) if rows == different else -1


def require_sqlite() -> None:
    """Fail with a clear message on a Python that was built without SQLite."""
    try:
        importlib.import_module("sqlite3")
    except ImportError as error:
        raise CannotRunError(f"this Python has no sqlite3 module ({error}).") from error


def say_flat(used: Sequence[int], count: int) -> None:
    """Print how the memory in use changed, against what lists would have taken."""
    order = next(orders(1))
    row = priced(order)
    each = sum(map(sys.getsizeof, [order, row, *row]))
    lists = f"lists of all orders and rows would have taken {each * count / 1e6:.0f} MB"
    if not any(used):
        say_prose(f"This system does not tell how much memory is in use; {lists}.")
        return
    change = (used[-1] - used[0]) / 1e6
    say_prose(f"From the first of these lines to the last: {change:+.1f} MB; {lists}.")
