"""What blocks, done without blocking an event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import Any


async def in_thread(function: Any, *args: Any) -> None:  # Any: any of ours
    """Call *function* without blocking the loop. If cancelled it goes on by itself.

    In a thread of its own: the executor of the loop may be full of work that waits for
    this very flow.
    """
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    failure: list[BaseException] = []

    def run() -> None:
        try:
            function(*args)
        except BaseException as error:
            failure.append(error)
        finally:
            try:
                loop.call_soon_threadsafe(tell)
            except RuntimeError:
                pass  # the loop was closed meanwhile

    def tell() -> None:
        if not done.done():
            done.set_result(None)

    thread = threading.Thread(target=run, name="cotality-flow-wait", daemon=True)
    thread.start()
    await done
    thread.join()
    if failure:
        raise failure[0]
