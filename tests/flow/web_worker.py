"""A process that sends items to a flow, as a web worker does, and says what came of it.

``python -m tests.flow.web_worker SOCKET CALLERS ORDERS`` where *ORDERS* is JSON. It
prints a line ``ready``, and as its last line JSON: what each call came to.

* A list: the items to send.
* A number: a load goes on until standard input ends.
* A dict: its ``items``, so many ``times``, are sent all at once, each with that
  ``timeout``, and every other one is cancelled when standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from typing import Any

from cotality.flow import FlowClient


async def call(
    client: FlowClient[Any, Any], item: Any, timeout: float | None = 30
) -> Any:
    try:
        return await client(
            tuple(item) if isinstance(item, list) else item, timeout=timeout
        )
    except Exception as error:
        return f"{type(error).__name__}: {error}"


async def send_all(client: FlowClient[Any, Any], callers: int, items: list[Any]) -> Any:
    """Each item once, so many at a time."""
    results: list[Any] = [None] * len(items)
    numbers = iter(range(len(items)))

    async def caller() -> None:
        for number in numbers:
            results[number] = await call(client, items[number])

    await asyncio.gather(*[caller() for _ in range(callers)])
    return results


async def send_and_cancel(client: FlowClient[Any, Any], orders: dict[str, Any]) -> Any:
    """All items at once; half of them are given up when standard input ends."""
    tasks = [
        asyncio.ensure_future(call(client, item, orders.get("timeout")))
        for item in orders["items"] * orders.get("times", 1)
    ]
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return [
        type(each).__name__ if isinstance(each, BaseException) else each
        for each in results
    ]


async def go_on(client: FlowClient[Any, Any], callers: int) -> Any:
    """The same item again and again, until standard input ends; how often what came."""
    counts: Counter[str] = Counter()
    is_over = False

    async def caller() -> None:
        while not is_over:
            counts[str(await call(client, ["return", 1])).partition(":")[0]] += 1

    tasks = [asyncio.ensure_future(caller()) for _ in range(callers)]
    await asyncio.to_thread(sys.stdin.read)
    is_over = True
    await asyncio.gather(*tasks)
    return counts


async def main() -> None:
    path, callers, orders = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
    async with FlowClient[Any, Any](path) as client:
        await client.status_async()
        print("ready", flush=True)
        if isinstance(orders, list):
            print(json.dumps(await send_all(client, callers, orders)))
        elif isinstance(orders, dict):
            print(json.dumps(await send_and_cancel(client, orders)))
        else:
            print(json.dumps(await go_on(client, callers)))


if __name__ == "__main__":
    asyncio.run(main())
