"""Heavy work over HTTP, and the plain ways: ``python benchmarks/run.py web --help``.

Every contender is a server of its own, on loopback, and all do the same items. They
take turns in each round, because a machine is never the same for long.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.web_contenders import (
    NAMES,
    OURS,
    QUICK,
    TASKS,
    WORKERS,
    Contender,
    path,
)

AT_ONCE = 8
PING_PAUSE_S = 0.02
BEGUN_S = 0.3  # after which all of the requests have begun
DONE_LIMIT_S = 300.0
BACK_LIMIT_S = 5.0  # for which a service that refuses is asked again after a crash
AFTERWARDS = 4
SHORT = 10  # items of a request that only finds out whether there are answers
SETTLED_S = 3.0  # after which nothing more is done, and nobody ends any more
FIFTY = 50_000
PINGS = 500

Figures = dict[str, float]
# By case and contender, one for each round.
Found = dict[tuple[str, str], list[Figures]]


@contextmanager
def running(name: str) -> Iterator[Contender]:
    with tempfile.TemporaryDirectory(prefix="web-") as folder:
        contender = Contender(name, Path(folder))
        try:
            contender.start()
            warm_up(contender)
            yield contender
        finally:
            contender.stop()


def warm_up(contender: Contender) -> None:
    """Have its workers import what they need."""
    with ThreadPoolExecutor(AT_ONCE) as clients:
        if not all(clients.map(lambda _: contender.work(SHORT), range(AT_ONCE))):
            raise RuntimeError(f"{contender.name} does not work")
    if contender.is_later:
        wait_until(lambda: contender.results_there() >= AT_ONCE)


def wait_until(is_so: Callable[[], bool], limit_s: float = DONE_LIMIT_S) -> bool:
    end = time.monotonic() + limit_s
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(PING_PAUSE_S)
    return True


class Pings:
    """Asks again and again whether the service is alive, meanwhile.

    Attributes:
        took_s: How long each answer took.
    """

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self.took_s: list[float] = []
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.keep_asking)

    def __enter__(self) -> Pings:
        self.thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self.ending.set()
        self.thread.join()

    def keep_asking(self) -> None:
        while not self.ending.is_set():
            began = time.perf_counter()
            self.contender.ask("GET", self.contender.ping_path)
            self.took_s.append(time.perf_counter() - began)
            self.ending.wait(PING_PAUSE_S)


def eight_at_once(contender: Contender, items: int) -> Figures:
    """How fast they are done, and how soon a ping is answered meanwhile."""
    before = contender.results_there() if contender.is_later else 0
    with Pings(contender) as pings:
        wait_until(lambda: len(pings.took_s) > 0)
        cpu_s, began = contender.cpu_s(), time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as clients:
            good = sum(clients.map(contender.work, [items] * AT_ONCE))
        if contender.is_later:
            wait_until(lambda: contender.results_there() >= before + AT_ONCE)
        took_s = time.perf_counter() - began
    if good != AT_ONCE:
        raise RuntimeError(f"{contender.name}: {good} of {AT_ONCE} requests are done")
    return {
        "items_per_second": AT_ONCE * items / took_s,
        "worst_ping_ms": 1e3 * max(pings.took_s),
        "pings": len(pings.took_s),
        "cpu_ms": 1e3 * (contender.cpu_s() - cpu_s) / (AT_ONCE * items),
    }


def crash(contender: Contender, items: int) -> Figures:
    """The process that computes most is killed while eight requests are there."""
    with ThreadPoolExecutor(AT_ONCE) as clients:
        asked = [clients.submit(contender.work, items) for _ in range(AT_ONCE)]
        time.sleep(BEGUN_S)
        contender.busiest().kill()
        killed = time.perf_counter()
        is_back = wait_until(lambda: contender.work(SHORT), BACK_LIMIT_S)
        back_s = time.perf_counter() - killed
        answered = sum(each.result() for each in asked)
    if contender.is_later:
        # It has answered them all: what counts is what has become of them.
        answered = contender.results_there() - AT_ONCE if is_back else 0
    later = sum(contender.work(SHORT) for _ in range(AFTERWARDS))
    return {
        "lost": AT_ONCE - answered,
        "later_answered": later,
        "back_s": back_s if is_back else float("inf"),
    }


def restart(contender: Contender, items: int) -> Figures:
    """The server is killed in the middle of eight requests, and started again."""
    before = contender.results_there() if not is_forgetful(contender) else 0
    with ThreadPoolExecutor(AT_ONCE) as clients:
        asked = [clients.submit(contender.work, items) for _ in range(AT_ONCE)]
        time.sleep(BEGUN_S)
        if contender.is_later:
            wait_until(lambda: all(each.done() for each in asked))
        contender.kill()
        heard = 0 if contender.is_later else sum(each.result() for each in asked)
    time.sleep(SETTLED_S)
    left = contender.left()
    starts = contender.starts()
    if not starts:
        # Those that it has left behind have its port.
        for each in left:
            each.kill()
        psutil.wait_procs(left)
        contender.start()
    if not is_forgetful(contender):
        wait_until(lambda: contender.results_there() >= before + AT_ONCE)
        heard = contender.results_there() - before
    elif contender.is_later:
        heard = contender.results_there()
    return {"lost": AT_ONCE - heard, "left_behind": len(left), "starts": starts}


def is_forgetful(contender: Contender) -> bool:
    """Whether it knows nothing any more of what was before it began."""
    return contender.kind is not None


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
        found = execute(call, range(several), max_workers=workers, executor="process")
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


CASES = ("eight", "crash", "restart", "fifty")


def measure(case: str, given: argparse.Namespace, found: Found) -> None:
    """Let all contenders of *case* take turns."""
    rounds = given.rounds if case == "eight" else min(given.rounds, MOST_ROUNDS)
    for number in range(rounds):
        if case == "fifty":
            with running(OURS) as contender:
                for name, do in ((OUTSIDE, outside), (OURS, inside)):
                    add(found, case, name, do(contender, given.fifty))
        else:
            for name in NAMES:
                with running(name) as contender:
                    figures = DO[case](contender, given.items)
                add(found, case, name, figures)
        print(f"{case}: round {number + 1} of {rounds}", file=sys.stderr, flush=True)


MOST_ROUNDS = 3  # of what takes long, and differs little
DO = {"eight": eight_at_once, "crash": crash, "restart": restart}


def add(found: Found, case: str, name: str, figures: Figures) -> None:
    found.setdefault((case, name), []).append(figures)
    told = ", ".join(f"{key} {value:,.4g}" for key, value in figures.items())
    print(f"  {case}, {name}: {told}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Measure, print the tables, and write the figures if wanted."""
    from benchmarks.web_page import tables, write_page

    parser = argparse.ArgumentParser(prog="run.py web", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--rounds", type=int, default=5, help="5 by default")
    parser.add_argument("--items", type=int, default=400, help="of a request")
    parser.add_argument("--fifty", type=int, default=FIFTY, help="items of one task")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    parser.add_argument("--add", type=Path, help="a JSON file of an earlier run")
    parser.add_argument("--page", action="store_true", help="write the page")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.cases if name not in CASES]:
        parser.error(f"no such case: {', '.join(unknown)}")
    found: Found = read_json(given.add) if given.add else {}
    for case in given.cases or CASES:
        for key in [key for key in found if key[0] == case]:
            del found[key]
        measure(case, given, found)
    print(tables(found, given))
    if given.json:
        kept = [[*key, figures] for key, figures in found.items()]
        given.json.write_text(json.dumps(kept, indent=1), "utf-8")
    if given.page:
        write_page(found, given)
    return 0


def read_json(file: Path) -> Found:
    return {(case, name): each for case, name, each in json.loads(file.read_text())}
