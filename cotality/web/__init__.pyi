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
# Written by docs/write_stubs.py: a change here is lost.

from cotality.web._web.app.create import create_app as create_app
from cotality.web._web.desk.desk import Desk as Desk
from cotality.web._web.desk.errors import DeskError as DeskError
from cotality.web._web.desk.errors import QueueFullError as QueueFullError
from cotality.web._web.desk.errors import TooManyTasksError as TooManyTasksError
from cotality.web._web.desk.errors import UnknownTaskError as UnknownTaskError
from cotality.web._web.events.streams import Streams as Streams
from cotality.web._web.page.queues import queues_page_router as queues_page_router
from cotality.web._web.routes.mounted.adding_up import RequestFigures as RequestFigures
from cotality.web._web.routes.mounted.counting import CountRequests as CountRequests
from cotality.web._web.routes.mounted.flow import flow_router as flow_router
from cotality.web._web.routes.mounted.health import health_router as health_router
from cotality.web._web.routes.mounted.jobs import jobs_router as jobs_router
from cotality.web._web.routes.mounted.metrics import metrics_router as metrics_router
from cotality.web._web.routes.mounted.queues import queues_router as queues_router
from cotality.web._web.routes.mounted.webhooks import webhooks_router as webhooks_router
from cotality.web._web.settings.settings import Settings as Settings

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
