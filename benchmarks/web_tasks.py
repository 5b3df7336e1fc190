"""What is measured of `cotality.web` alone: a long task, and what comparisons say.

The long task is compared with the same call in a program without a web service, and a
comparison with what each method then takes.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.web_contenders import QUICK, TASKS, WORKERS, Contender, path

Figures = dict[str, float]

PING_PAUSE_S = 0.02
SHORT = 10  # items of a short task meanwhile
POLL_S = 0.1
LIMIT_S = 1800.0

OUTSIDE = "execute, no web"
CALL = """
import sys, time
from functools import partial
from cotality.tuning import execute
from cotality.web._web.parts.items import do_item
from cotality.web._web.parts.recipe import Recipe

url, items, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
call = partial(do_item, Recipe(url))
if __name__ == "__main__":
    for several in (64, items):
        began = time.perf_counter()
        found = execute(call, range(several), max_workers=workers, executor="processes")
    assert len(found) == items
    print(time.perf_counter() - began)
"""


def outside(contender: Contender, items: int) -> Figures:
    """The same items by the same function, by a program that has no web service."""
    program = contender.folder / "outside.py"
    program.write_text(CALL, "utf-8")
    url = contender.variables()["COTALITY_WEB_DB_URL"]
    ended = subprocess.run(
        [sys.executable, f"{program}", url, f"{items}", f"{WORKERS}"],
        env={**os.environ, "PYTHONPATH": path()},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {"seconds": float(ended.stdout)}


def inside(contender: Contender, items: int) -> Figures:
    """As a task of the service, which is asked whether it is alive meanwhile."""
    assert contender.process is not None
    body = {"items_count": items, "workers": WORKERS, "method": "multiprocessing"}
    before = contender.process.memory_info().rss
    began = time.perf_counter()
    status, told = contender.ask("POST", f"{TASKS}/background", body | QUICK)
    if status != 202:
        raise RuntimeError(f"the task was not taken: {status}, {told}")
    task = told["task_id"]
    pings: list[float] = []
    short_s = 0.0
    while (state := contender.ask("GET", f"{TASKS}/status/{task}?results=0")[1])[
        "status"
    ] in ("pending", "running"):
        for _ in range(10):
            asked = time.perf_counter()
            contender.ask("GET", contender.ping_path)
            pings.append(1e3 * (time.perf_counter() - asked))
            time.sleep(PING_PAUSE_S)
        if not short_s and state["items_processed"]:
            asked = time.perf_counter()
            if not contender.work(SHORT):
                raise RuntimeError("a short task was not done meanwhile")
            short_s = time.perf_counter() - asked
    seconds = time.perf_counter() - began
    grown = contender.process.memory_info().rss - before
    if (state["items_processed"], state["items_failed"]) != (items, 0):
        raise RuntimeError(f"not all items are done: {state}")
    return {
        "seconds": seconds,
        "p99_ms": percentile(pings, 99),
        "worst_ms": max(pings),
        "pings": len(pings),
        "short_s": short_s,
        "short_to_long": short_s / seconds,
        "read": read_all(contender, task),
        "grown_mb": grown / 2**20,
    }


def read_all(contender: Contender, task: str) -> int:
    """How many items of it can be read, page by page."""
    found, cursor = 0, ""
    while cursor is not None:
        _, page = contender.ask(
            "GET",
            f"{TASKS}/results/{task}/items?limit=1000{cursor and '&cursor='}{cursor}",
        )
        found += len(page["items"])
        cursor = page["next_cursor"]
    return found


def percentile(values: Sequence[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


METHODS = {
    "sequential": "sequential",
    "threading": "threading",
    "multiprocessing": "multiprocessing",
    "batch_async": "async-batch",
    "concurrent_futures": "concurrent-futures",
    "background": "background",
    "auto": "auto",
}
COMPARED = {
    "items_count": 600,
    "workers": WORKERS,
    "db_delay_s": 0.02,
    "simulate_redis_delay": False,
}


def compared(contender: Contender) -> dict[str, Figures]:
    """What two comparisons say of each method, and what it takes then, in seconds."""
    first, second = (comparison(contender) for _ in range(2))
    return {
        method: {
            "first": first[f"{method}_time"],
            "second": second[f"{method}_time"],
            "full": seconds_of(contender, kind),
        }
        for method, kind in METHODS.items()
    }


def comparison(contender: Contender) -> dict[str, float]:
    query = "&".join(f"{name}={value}" for name, value in COMPARED.items())
    path = f"{TASKS}/compare?{query}"
    status, told = contender.ask("POST", path)
    until = time.monotonic() + LIMIT_S
    while status == 202 and time.monotonic() < until:
        time.sleep(POLL_S)
        status, told = contender.ask("GET", f"{TASKS}/compare/{told['task_id']}")
    if status != 200 or not told["checksums_equal"]:
        raise RuntimeError(f"the comparison has failed: {status}, {told}")
    found: dict[str, float] = told
    return found


def seconds_of(contender: Contender, kind: str) -> float:
    """How long all of the items take in one go."""
    status, told = contender.ask("POST", f"{TASKS}/{kind}", COMPARED)
    until = time.monotonic() + LIMIT_S
    while told["status"] in ("pending", "running") and time.monotonic() < until:
        time.sleep(POLL_S)
        status, told = contender.ask("GET", f"{TASKS}/status/{told['task_id']}")
    if status >= 300 or told["status"] != "completed":
        raise RuntimeError(f"{kind} was not done: {status}, {told}")
    return float(told["duration_seconds"])


def farthest_off(of_methods: Sequence[Figures]) -> float:
    """How many times too long or too short the worst estimate is."""
    ratios = [
        statistics.mean((each["first"], each["second"])) / each["full"]
        for each in of_methods
    ]
    return max(max(ratio, 1 / ratio) for ratio in ratios)


def swapped(of_methods: Sequence[Figures], near: float = 1.1) -> int:
    """How many pairs of methods have the other order in the second comparison.

    Without those that are nearly equal: whose times differ by a tenth in either.
    """
    return sum(
        one["first"] * near < other["first"] and one["second"] > near * other["second"]
        for one in of_methods
        for other in of_methods
    )
