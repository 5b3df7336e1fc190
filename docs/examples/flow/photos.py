"""A web service that says which colour photos are mostly of.

``gunicorn -c gunicorn_photos.py``, with the folder of the photos in ``PHOTOS``.
"""

import os
from pathlib import Path

from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse

from cotality.core.utils.process import WorkerCrashedError
from cotality.flow import Flow, FlowClient, QueueFullError, Step
from cotality.flow.asgi import CancelOnDisconnect
from cotality.flow.examples import Classify, decode

flow = Flow(Step(decode, workers=2), Step(Classify, batch_size=32))
client: FlowClient[str, str] = FlowClient()
folder = Path(os.environ.get("PHOTOS", "pictures"))

app = FastAPI()
app.add_middleware(CancelOnDisconnect)


@app.get("/label")
async def label(name: str) -> dict[str, str]:
    path = folder / Path(name).name
    try:
        return {"label": await client(str(path))}
    except FileNotFoundError as error:
        raise HTTPException(404, f"no photo {name!r}") from error
    except (QueueFullError, WorkerCrashedError) as error:
        raise HTTPException(503, str(error), {"Retry-After": "1"}) from error


@app.get("/flow")
async def flow_page() -> HTMLResponse:
    return HTMLResponse((await client.status_async()).html())


@app.get("/health")
async def health() -> dict[str, str]:
    if not (await client.status_async()).ready:
        raise HTTPException(503, "not ready")
    return {"status": "ok"}
