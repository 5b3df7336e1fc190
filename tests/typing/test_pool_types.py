"""The types of pool managers that callers get to see."""

from __future__ import annotations

import asyncio
from typing import assert_type

from cotality.tuning import (
    PoolManager,
    PoolStatus,
    get_global_pool_manager,
    managed_pool,
    shutdown_global_pool_manager,
)


def half(number: int) -> float:
    return number / 2


def ratio(a: int, b: int) -> float:
    return a / b


def test_a_manager_carries_the_result_type() -> None:
    """What the function returns is what the list holds."""
    with managed_pool(1) as manager:
        assert_type(manager, PoolManager)
        assert_type(manager.execute(half, [1, 2]), list[float])
        assert_type(manager.execute(half, range(3), timeout=30.0), list[float])
        assert_type(manager.execute(ratio, [(2, 3)], unpack=True), list[float])
        assert_type(
            manager.execute(half, [1], on_error="return"), list[float | Exception]
        )
        assert_type(manager.status(), PoolStatus)
        assert_type(manager.status().pids, tuple[int, ...])

        async def main() -> None:
            assert_type(await manager.execute_async(half, [1]), list[float])

        asyncio.run(main())


def test_the_global_manager_has_a_type() -> None:
    """It is a manager like others."""
    assert_type(get_global_pool_manager(), PoolManager)
    shutdown_global_pool_manager(grace=None)


def wrong_uses(manager: PoolManager) -> None:
    """Never called: each line must stay an error."""
    manager.execute(half, ["text"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    manager.execute(half, [1], time_out=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    PoolManager(niceness="10")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
