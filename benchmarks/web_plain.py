"""The plain ways to serve heavy work with FastAPI, which `cotality.web` is compared to.

``WEB_BENCH`` in the environment says which. All of them do the items of `cotality.web`
with the same function, in a server of one process.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, FastAPI

from cotality.web._web.parts.items import do_item
from cotality.web._web.parts.recipe import Recipe

KIND = os.environ["WEB_BENCH"]
RECIPE = Recipe(os.environ["WEB_BENCH_DATABASE"])
done: list[int] = []


def work(items: int) -> int:
    """What a request is for: *items* items, one after the other; their sum."""
    return sum(do_item(RECIPE, index) for index in range(items))


def work_and_note(items: int) -> None:
    done.append(work(items))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    if KIND == "pool":
        with ProcessPoolExecutor() as app.state.pool:
            yield
    else:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/ping")
async def ping() -> dict[str, int]:
    return {"done": len(done)}


if KIND == "async":

    @app.post("/work")
    async def in_the_loop(items: int) -> dict[str, int]:
        return {"sum": work(items)}

elif KIND == "def":

    @app.post("/work")
    def in_a_thread(items: int) -> dict[str, int]:
        return {"sum": work(items)}

elif KIND == "pool":

    @app.post("/work")
    async def in_a_pool(items: int) -> dict[str, int]:
        loop = asyncio.get_running_loop()
        return {"sum": await loop.run_in_executor(app.state.pool, work, items)}

elif KIND == "background":

    @app.post("/work", status_code=202)
    async def later(items: int, tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(work_and_note, items)
        return {"status": "accepted"}
