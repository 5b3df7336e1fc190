"""What a worker that has checked the queues leaves to the next: alerts and figures."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

from .alert_file import OwnMemory
from .watch import HealthWatch, Past


def note_of(watch: HealthWatch, memory: OwnMemory) -> str:
    """All that the next one has to know, as text."""
    return json.dumps(
        {
            "told": sorted(memory.keys),
            "seen": {
                queue: {"dead": [*past.dead], "unserved_since": past.unserved_since}
                for queue, past in watch.pasts.items()
            },
        }
    )


def go_on_from(note: str, watch: HealthWatch, memory: OwnMemory) -> None:
    """Let *watch* know what the last one did; an empty note is of nobody."""
    found: dict[str, Any] = json.loads(note or "{}")  # Any: what `note_of` wrote
    memory.keys = set(found.get("told", ()))
    watch.bad.clear()
    watch.pasts = {
        queue: Past(
            deque((at, count) for at, count in seen["dead"]), seen["unserved_since"]
        )
        for queue, seen in found.get("seen", {}).items()
    }
