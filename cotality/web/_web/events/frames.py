"""An event as a browser reads it: a few lines of ``text/event-stream``."""

from __future__ import annotations

MEDIA_TYPE = "text/event-stream"
AGAIN_MS = 2000  # after which a browser connects again when a stream has ended
BEGIN = f"retry: {AGAIN_MS}\n\n".encode()
ALIVE = b": alive\n\n"


def frame(data: str, *, id: str, kind: str) -> bytes:
    """One event.

    Args:
        data: What it says. Each line of it becomes one of the event.
        id: What a client says that has heard it and connects again; one line.
        kind: By which a page listens to it; one line.
    """
    lines = "".join(f"data: {line}\n" for line in data.splitlines() or [""])
    return f"id: {id}\nevent: {kind}\n{lines}\n".encode()
