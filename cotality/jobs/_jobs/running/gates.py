"""How many jobs of each queue a worker runs at once."""

from __future__ import annotations

import threading
from collections.abc import Mapping


class Gates:
    """What holds for this worker alone, whatever the engine hands it."""

    def __init__(self, queues: Mapping[str, int] | None, each: int) -> None:
        self.slots, self.each = dict(queues or {}), each
        self.lock = threading.Lock()
        self.made: dict[str, threading.Semaphore] = {}

    def slots_of(self, queue: str) -> int:
        return self.slots.get(queue, self.each)

    def of(self, queue: str) -> threading.Semaphore:
        with self.lock:
            if queue not in self.made:
                self.made[queue] = threading.Semaphore(self.slots_of(queue))
            return self.made[queue]
