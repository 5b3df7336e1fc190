"""How the service is put together."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import metadata
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Match

from cotality._kit.public import public_in
from cotality.web._web.desk.desk import Desk
from cotality.web._web.events.ending import Ending
from cotality.web._web.events.streams import Streams
from cotality.web._web.guard.bodies import Bodies
from cotality.web._web.guard.door import Door
from cotality.web._web.guard.keys import Keys
from cotality.web._web.guard.peers import Peers
from cotality.web._web.guard.problems import declared
from cotality.web._web.guard.rates import Rates
from cotality.web._web.guard.refusing import of_input, of_status
from cotality.web._web.guard.shield import Shield
from cotality.web._web.page.service import page_router
from cotality.web._web.routes.answering import Route
from cotality.web._web.routes.api_page import add_api_page
from cotality.web._web.routes.comparing_methods import add_comparing
from cotality.web._web.routes.documenting import ANYWHERE, refusals
from cotality.web._web.routes.mounted.adding_up import RequestFigures
from cotality.web._web.routes.mounted.counting import METHODS, CountRequests
from cotality.web._web.routes.mounted.health import health_router
from cotality.web._web.routes.mounted.metrics import metrics_router
from cotality.web._web.routes.mounted.queues import queues_router
from cotality.web._web.routes.offers import TASKS, Offers, offers
from cotality.web._web.routes.standing import add_lists, add_one
from cotality.web._web.routes.starting import add_starts
from cotality.web._web.routes.waiting import Waiting
from cotality.web._web.routes.well import well_router
from cotality.web._web.settings.settings import Settings

from .life import living

TITLE = "Heavy work over HTTP"
DESCRIPTION = (
    "Items that ask a database and a cache, and compute, in seven ways that are "
    "measured against each other. Each task survives a restart, says how far it is, "
    "and can be cancelled."
)
# What says nothing of anybody, and what a load balancer asks.
OPEN_PATHS = (
    *("/", "/docs", "/docs/", "/redoc", "/openapi.json", "/favicon.ico"),
    *("/health/live", "/health/ready"),
    *("/page/", "/queues/page", "/queues/page/"),
)


@public_in("cotality.web")
def create_app(settings: Settings | None = None) -> FastAPI:
    """The service, for any ASGI server.

    It opens nothing before the server has started, so a server may call this before it
    forks.

    Args:
        settings: The settings; None takes them from the environment.

    Raises:
        ValueError: A setting cannot be used, such as a key or a URL.
        ImportError: A setting needs a package that is not installed.
    """
    given = Settings() if settings is None else settings
    return made_app(given, Desk(given))


class Service(FastAPI):
    """An application whose OpenAPI says whether keys are asked for."""

    needs_key = False

    def openapi(self) -> dict[str, Any]:  # Any: of OpenAPI
        """What it offers, for programs."""
        document = super().openapi()
        if self.needs_key and "security" not in document:
            add_security(document)
        return document


def add_security(document: dict[str, Any]) -> None:  # Any: of OpenAPI
    schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["key"] = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    schemes["bearer"] = {"type": "http", "scheme": "bearer"}
    document["security"] = [{"key": []}, {"bearer": []}]
    for path in OPEN_PATHS:
        for operation in document["paths"].get(path, {}).values():
            operation["security"] = []


def made_app(settings: Settings, desk: Desk) -> FastAPI:
    """The service with a desk that was made before."""
    keys = Keys(each.get_secret_value() for each in settings.api_keys)
    rates = Rates(settings.rate_per_minute, settings.rate_url)
    requests = RequestFigures(settings.state_dir.absolute() / "figures")
    ending = Ending()
    streams = Streams(
        settings.streams,
        heartbeat_s=settings.heartbeat_s,
        longest_s=settings.stream_s,
        ending=ending,
    )
    version = version_of()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with living(desk, ending, requests, rates):
            yield

    app = Service(
        title=TITLE,
        description=DESCRIPTION,
        version=version,
        lifespan=lifespan,
        generate_unique_id_function=name_of,
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(CountRequests, requests=requests),
            Middleware(Shield),
            Middleware(
                Door,
                peers=Peers(settings.allowed_hosts, has_keys=bool(keys)),
                keys=keys,
                rates=rates,
                open_paths=OPEN_PATHS,
            ),
            Middleware(Bodies, most=settings.body_limit, limit_s=settings.body_limit_s),
        ],
    )
    app.needs_key = bool(keys)
    add_refusals(app)
    app.include_router(tasks_router(settings, desk, Waiting(desk, ending), streams))
    app.include_router(well_router(desk, rates, needs_key=bool(keys), version=version))
    app.include_router(health_router({"desk": lambda: is_ready(desk)}))
    app.include_router(metrics_router(desk.jobs, requests=requests))
    app.include_router(
        queues_router(desk.jobs), responses=declared(*ANYWHERE, 408, 413)
    )
    app.include_router(page_router())
    add_api_page(app, needs_key=bool(keys))
    return app


def tasks_router(
    settings: Settings, desk: Desk, waiting: Waiting, streams: Streams
) -> APIRouter:
    """All about tasks."""
    router = APIRouter(prefix=TASKS, tags=["tasks"], route_class=Route)

    @router.get("/", responses=refusals(), summary="What the service does")
    async def what_it_does() -> Offers:
        """The methods, and what a task may have."""
        return offers(
            settings.sync_limit_s, settings.compare_budget_s, settings.db_delay_s
        )

    limit_s, budget_s = settings.sync_limit_s, settings.compare_budget_s
    add_starts(router, desk, waiting, sync_limit_s=limit_s)
    add_comparing(router, desk, waiting, sync_limit_s=limit_s, budget_s=budget_s)
    add_lists(router, desk)
    add_one(router, desk, streams)
    return router


def name_of(route: APIRoute) -> str:
    """What an operation is called, by which clients are generated."""
    return route.name


async def is_ready(desk: Desk) -> bool:
    return (await desk.health()).is_ready


def add_refusals(app: FastAPI) -> None:
    """Answer with problems also where no route of ours was found."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        answer = of_status(error).answer()
        if error.status_code == 405:
            answer.headers["Allow"] = ", ".join(allowed(request))
        return answer

    @app.exception_handler(RequestValidationError)
    async def unfit(request: Request, error: RequestValidationError) -> Response:
        return of_input(error, request.headers.get("content-type")).answer()


def allowed(request: Request) -> list[str]:
    """By which methods the path of a request may be asked for.

    Who has refused it knows those of one route only, and each method has its own.
    """
    app: FastAPI = request.app
    return [
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in app.routes
        )
    ]


def version_of() -> str:
    """The version of the package, where it is installed."""
    try:
        return metadata.version("cotality")
    except metadata.PackageNotFoundError:
        return "unreleased"  # run from a folder
