"""A process that sends items to a flow, as a web worker does, and says what came of it.

``python -m tests.flow_web_worker SOCKET CALLERS ORDERS`` where *ORDERS* is JSON: a list
of items, or the number of items of a load that goes on until standard input ends. It
prints a line ``ready``, and as its last line JSON: what each call came to.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from typing import Any

from cotality.flow import FlowClient


async def call(client: FlowClient[Any, Any], item: Any) -> Any:
    try:
        return await client(tuple(item) if isinstance(item, list) else item, timeout=30)
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
        else:
            print(json.dumps(await go_on(client, callers)))


if __name__ == "__main__":
    asyncio.run(main())
