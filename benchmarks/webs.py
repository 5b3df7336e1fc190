"""Heavy work over HTTP, and the plain ways: ``python benchmarks/run.py web --help``.

Every contender is a server of its own, on loopback, and all do the same items. They
take turns in each round, because a machine is never the same for long.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.web_contenders import NAMES, OURS, Contender
from benchmarks.web_tasks import OUTSIDE, compared, inside, outside

AT_ONCE = 8
PING_PAUSE_S = 0.02
BEGUN_S = 0.3  # after which all of the requests have begun
DONE_LIMIT_S = 300.0
BACK_LIMIT_S = 5.0  # for which a service that refuses is asked again after a crash
AFTERWARDS = 4
SHORT = 10  # items of a request that only finds out whether there are answers
SETTLED_S = 3.0  # after which nothing more is done, and nobody ends any more
FIFTY = 50_000

Figures = dict[str, float]
# By case and contender, one for each round.
Found = dict[tuple[str, str], list[Figures]]


@contextmanager
def running(name: str) -> Iterator[Contender]:
    with tempfile.TemporaryDirectory(prefix="web-") as folder:
        contender = Contender(name, Path(folder))
        try:
            contender.start()
            for _ in range(2):
                warm_up(contender)
            yield contender
        finally:
            contender.stop()


def warm_up(contender: Contender) -> None:
    """Have its workers import what they need."""
    before = contender.results_there() if contender.is_later else 0
    with ThreadPoolExecutor(AT_ONCE) as clients:
        if not all(clients.map(lambda _: contender.work(SHORT), range(AT_ONCE))):
            raise RuntimeError(f"{contender.name} does not work")
    if contender.is_later:
        wait_until(lambda: contender.results_there() >= before + AT_ONCE)


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
    before = contender.results_there() if contender.is_later else 0
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
        answered = contender.results_there() - before if is_back else 0
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


CASES = ("eight", "crash", "restart", "fifty", "compare")


def measure(case: str, given: argparse.Namespace, found: Found) -> None:
    """Let all contenders of *case* take turns."""
    rounds = given.rounds if case == "eight" else min(given.rounds, MOST_ROUNDS)
    for number in range(rounds):
        if case == "fifty":
            with running(OURS) as contender:
                for name, do in ((OUTSIDE, outside), (OURS, inside)):
                    add(found, case, name, do(contender, given.fifty))
        elif case == "compare":
            with running(OURS) as contender:
                for name, figures in compared(contender).items():
                    add(found, case, name, figures)
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
    # Also whoever is ended ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
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
