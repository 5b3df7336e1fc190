"""A service for heavy work: over HTTP, in seven ways that are measured, with a page.

::

    python -m cotality.web --port 8001
    gunicorn -k uvicorn_worker.UvicornWorker "cotality.web:create_app()"

* :func:`create_app` of :class:`Settings` is the whole service, for any ASGI server;
* :class:`Desk` is the same without HTTP: what the routes call;
* :func:`jobs_router`, :func:`queues_router` (with its page, which is also
  :func:`queues_page_router`), :func:`webhooks_router`, :func:`health_router`,
  :func:`metrics_router` and :func:`flow_router` are for services of your own, which
  mount what they need.

Every task is a job of :mod:`cotality.jobs` in one store. So the process that answers
requests computes nothing, and tasks survive its restart. Nothing else has to run: the
store is a file, and the service starts the worker of the jobs, and another one if that
dies.
"""

from cotality._kit.front_door import front_door

# Type checkers take a variable of this name for true, and see what each name is.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from ._web.app.create import create_app
    from ._web.desk.desk import Desk
    from ._web.desk.errors import (
        DeskError,
        QueueFullError,
        TooManyTasksError,
        UnknownTaskError,
    )
    from ._web.events.streams import Streams
    from ._web.page.queues import queues_page_router
    from ._web.routes.mounted.adding_up import RequestFigures
    from ._web.routes.mounted.counting import CountRequests
    from ._web.routes.mounted.flow import flow_router
    from ._web.routes.mounted.health import health_router
    from ._web.routes.mounted.jobs import jobs_router
    from ._web.routes.mounted.metrics import metrics_router
    from ._web.routes.mounted.queues import queues_router
    from ._web.routes.mounted.webhooks import webhooks_router
    from ._web.settings.settings import Settings

__all__ = [
    "CountRequests",
    "Desk",
    "DeskError",
    "QueueFullError",
    "RequestFigures",
    "Settings",
    "Streams",
    "TooManyTasksError",
    "UnknownTaskError",
    "create_app",
    "flow_router",
    "health_router",
    "jobs_router",
    "metrics_router",
    "queues_page_router",
    "queues_router",
    "webhooks_router",
]

# Where each of them is, which is imported when somebody asks for it.
LATER = {
    "CountRequests": "routes.mounted.counting",
    "Desk": "desk.desk",
    "DeskError": "desk.errors",
    "QueueFullError": "desk.errors",
    "RequestFigures": "routes.mounted.adding_up",
    "Settings": "settings.settings",
    "Streams": "events.streams",
    "TooManyTasksError": "desk.errors",
    "UnknownTaskError": "desk.errors",
    "create_app": "app.create",
    "flow_router": "routes.mounted.flow",
    "health_router": "routes.mounted.health",
    "jobs_router": "routes.mounted.jobs",
    "metrics_router": "routes.mounted.metrics",
    "queues_page_router": "page.queues",
    "queues_router": "routes.mounted.queues",
    "webhooks_router": "routes.mounted.webhooks",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = front_door(
        globals(), "cotality.web._web", LATER, extra="cotality[web]"
    )
