"""Try random programs for some time: ``python -m tests.compare --help``."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator

from .generate import program_of
from .program import text_of
from .running import PROGRAMS_EACH, House, run
from .shrink import shrunk


def main() -> None:
    options = parsed()
    found, tried = 0, 0
    house = House()
    try:
        for seed in seeds(options):
            program = program_of(seed)
            if options.show:
                print(text_of(program))
            complaints = run(program, house)
            tried += 1
            if complaints:
                found += 1
                print(f"\nseed {seed}:", *complaints[:10], sep="\n  ")
                if options.shrink:
                    program, complaints = shrunk(program, complaints, house)
                    print("which comes down to:", *complaints[:5], sep="\n  ")
                print(f"\n{text_of(program)}", flush=True)
            if tried % PROGRAMS_EACH == 0:
                house.close()
    finally:
        house.close()
    print(f"{tried} programs, {found} with a discrepancy")
    sys.exit(found > 0)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.compare", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for how long")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--from-seed", type=int, help="from this one on")
    parser.add_argument("--show", action="store_true", help="print each program")
    parser.add_argument(
        "--no-shrink",
        dest="shrink",
        action="store_false",
        help="leave a program as it is, if something is wrong with it",
    )
    return parser.parse_args()


def seeds(options: argparse.Namespace) -> Iterator[int]:
    if options.seed is not None:
        yield options.seed
        return
    end = time.monotonic() + options.seconds
    seed = options.from_seed
    if seed is None:
        seed = random.randrange(10**9)
        print(f"seeds from {seed}", flush=True)
    while time.monotonic() < end:
        yield seed
        seed += 1


if __name__ == "__main__":
    main()
