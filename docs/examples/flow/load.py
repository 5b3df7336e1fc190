"""Asks the service for the labels of all photos: ``python load.py PORT FOLDER``."""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

CALLERS = 32


def caller(port: int, names: Iterator[str]) -> Counter[str]:
    """What one of the callers is told, one photo after the other."""
    told: Counter[str] = Counter()
    connection = HTTPConnection("127.0.0.1", port)
    for name in names:
        connection.request("GET", f"/label?name={name}")
        answer = connection.getresponse()
        found = json.load(answer)
        told[found["label"] if answer.status == 200 else f"{answer.status}"] += 1
    connection.close()
    return told


def main(port: int, folder: Path) -> None:
    """Have all of them ask at once, and say what came of it."""
    names = [path.name for path in sorted(folder.glob("*.ppm"))]
    began = time.perf_counter()
    with ThreadPoolExecutor(CALLERS) as threads:
        shares = [iter(names[start::CALLERS]) for start in range(CALLERS)]
        told = sum(threads.map(caller, [port] * CALLERS, shares), Counter[str]())
    rate = len(names) / (time.perf_counter() - began)
    print(f"{len(names):,} photos, {rate:,.0f} a second: ", end="")
    print(", ".join(f"{count:,} {label}" for label, count in sorted(told.items())))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
