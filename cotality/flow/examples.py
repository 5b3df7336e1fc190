"""A pipeline of images: ``python -m cotality.flow.examples``.

With the name of a folder it only makes photos there, for a service to classify.

Photos are decoded and made small in one step, and classified in the next, by a small
model of NumPy and in batches. It makes some photos and the model itself, sends the
photos from 64 callers at once, kills a worker in the middle, and says what that cost.

Needs NumPy: ``pip install 'cotality[numpy]'``.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import random
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from cotality.core.utils.process import WorkerCrashedError
from cotality.flow import Flow, Step

SIDE, SMALL = 96, 24  # pixels
LABELS = ("dark", "red", "green", "blue")
CALLERS = 64
PHOTOS, ROUNDS = 200, 10

Array = Any  # Any: NumPy is not needed by those who do not use it


def photo(label: int, seed: int) -> bytes:
    """A photo in the format PPM that is mostly of one colour."""
    import numpy

    chance = numpy.random.default_rng(seed)
    pixels = chance.integers(0, 120, (SIDE, SIDE, 3), dtype=numpy.uint8)
    if label:
        pixels[..., label - 1] += 120
    return b"P6 %d %d 255\n" % (SIDE, SIDE) + pixels.tobytes()


def decode(path: str) -> Array:
    """Read a photo, and make it small: the mean of squares of pixels."""
    import numpy

    head, _, data = Path(path).read_bytes().partition(b"\n")
    width, height = map(int, head.split()[1:3])
    pixels = numpy.frombuffer(data, numpy.uint8).reshape(height, width, 3)
    block = height // SMALL
    return pixels.reshape(SMALL, block, SMALL, block, 3).mean(axis=(1, 3))


class Classify:
    """Says which colour a photo is mostly of."""

    weights: Array
    bias: Array

    def start(self) -> None:
        """Make the model: one row of weights for each label."""
        import numpy

        self.weights = numpy.zeros((SMALL * SMALL * 3, len(LABELS)))
        for colour in range(3):
            self.weights[colour::3, colour + 1] = 1.0
        self.bias = numpy.array([SMALL * SMALL * 90.0, 0.0, 0.0, 0.0])

    def handle(self, items: list[Array]) -> list[str]:
        """One label for each of *items*, of which all are multiplied at once."""
        import numpy

        batch = numpy.stack(items).reshape(len(items), -1)
        scores = batch @ self.weights + self.bias
        return [LABELS[best] for best in scores.argmax(axis=1)]


def made_photos(folder: Path) -> list[tuple[str, str]]:
    """Where some photos are, and which label each should get."""
    photos: list[tuple[str, str]] = []
    for number in range(PHOTOS):
        label = number % len(LABELS)
        path = folder / f"{number}.ppm"
        path.write_bytes(photo(label, number))
        photos.append((str(path), LABELS[label]))
    return photos


async def load(
    flow: Flow[str, str], photos: list[tuple[str, str]], *, kill: bool
) -> list[str | Exception]:
    """What became of all photos, sent by many callers; a worker dies if wanted."""
    results: list[str | Exception] = []
    left: Iterator[tuple[str, str]] = iter(photos * ROUNDS)

    async def caller() -> None:
        for path, label in left:
            try:
                found = await flow(path, timeout=60)
            except WorkerCrashedError as error:
                results.append(error)
                continue
            results.append(found if found == label else ValueError(f"{path}: {found}"))

    async def killer() -> None:
        while len(results) < len(photos):
            await asyncio.sleep(0.001)
        status = await flow.status_async()
        os.kill(status.steps[0].pids[0], signal.SIGKILL)

    callers = [caller() for _ in range(CALLERS)]
    await asyncio.gather(*callers, *([killer()] if kill else []))
    return results


async def run(folder: Path) -> None:
    """The whole of it."""
    photos = made_photos(folder)
    steps = Step(decode, workers=2), Step(Classify, batch_size=32)
    async with Flow(*steps) as flow:
        for kill in (False, True):
            began = perf_counter()
            results = await load(flow, random.sample(photos, len(photos)), kill=kill)
            count, seconds = len(results), perf_counter() - began
            print(f"{count:,} photos, {count / seconds:,.0f} a second")
            failed = [each for each in results if isinstance(each, Exception)]
            kinds = {type(error).__name__ for error in failed}
            if kill:
                print("one worker was killed meanwhile:", end=" ")
            print(f"{len(failed)} failed {', '.join(kinds)}".rstrip())
        print(await flow.status_async())


def main() -> int:
    """Run it in a folder of its own; or make photos in a given one."""
    if importlib.util.find_spec("numpy") is None:
        print(
            "this example needs NumPy: pip install 'cotality[numpy]'", file=sys.stderr
        )
        return 1
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        folder.mkdir(exist_ok=True)
        print(len(made_photos(folder)), "photos")
        return 0
    with tempfile.TemporaryDirectory() as made:
        asyncio.run(run(Path(made)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
