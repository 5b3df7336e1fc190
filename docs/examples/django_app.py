"""A Django project in one file that computes.

``gunicorn --threads 64 django_app:application`` serves it, and ``python django_app.py
recount --data numbers.txt`` runs its management command. In a project of the usual
layout the parts go to ``settings.py``, ``urls.py``, ``views.py``, ``wsgi.py`` and
``management/commands/recount.py``, and change in nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandParser, execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

from cotality.core.utils.process import TaskTimeoutError, WorkerCrashedError
from cotality.tuning import get_global_pool_manager, managed_pool

LIMIT_S = 30  # that one part of a request may take

# settings.py. Workers import this module too, to find what they are to call.
if not settings.configured:
    settings.configure(ALLOWED_HOSTS=["127.0.0.1", "localhost"], ROOT_URLCONF=__name__)


# views.py


def health(request: HttpRequest) -> JsonResponse:
    """Needs no worker, so it is answered also while all of them compute."""
    status = get_global_pool_manager().status()
    return JsonResponse({"status": "ok", "busy": status.busy, "calls": status.calls})


def primes(request: HttpRequest) -> JsonResponse:
    """How many primes there are below *limit*, counted in *parts* tasks."""
    try:
        limit = int(request.GET["limit"])
        parts = int(request.GET.get("parts", 4))
    except (KeyError, ValueError):
        limit = parts = 0
    if not (2 <= limit <= 10_000_000 and 1 <= parts <= 100):
        message = "limit must be 2 to 10,000,000, parts 1 to 100"
        return JsonResponse({"error": message}, status=422)
    manager = get_global_pool_manager()
    try:
        counts = manager.execute(count_primes, ranges(limit, parts), timeout=LIMIT_S)
    except (WorkerCrashedError, TaskTimeoutError):
        message = "this request could not be computed"
        return JsonResponse({"error": message}, status=503)
    return JsonResponse({"limit": limit, "primes": sum(counts)})


def ranges(limit: int, parts: int) -> list[range]:
    """The numbers below *limit*, in at most so many parts."""
    step = -(-limit // parts)
    return [range(start, min(start + step, limit)) for start in range(0, limit, step)]


def count_primes(numbers: range) -> int:
    """The work: it runs in a process of its own, so it may compute as it likes."""
    return sum(
        all(number % divisor for divisor in range(2, int(number**0.5) + 1))
        for number in numbers
        if number > 1
    )


# urls.py
urlpatterns = [path("health", health), path("primes", primes)]


# management/commands/recount.py


class Command(BaseCommand):
    """A command runs alone, so it has workers of its own and ends them."""

    help = "Count the primes below each number of a file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--data", type=Path, required=True)
        parser.add_argument("--workers", type=int, help="one for each CPU by default")

    def handle(self, *args: Any, **options: Any) -> None:
        limits = [int(line) for line in options["data"].read_text("utf-8").split()]
        with managed_pool(options["workers"]) as manager:
            counts = manager.execute(count_primes, map(range, limits), progress=True)
        for limit, count in zip(limits, counts, strict=True):
            self.stdout.write(f"{limit}: {count}")


# wsgi.py. In a worker it makes models usable, should tasks need them.
application = get_wsgi_application()

# manage.py, which finds the command in an app of the project.
if __name__ == "__main__":
    if sys.argv[1:2] == ["recount"]:
        Command().run_from_argv(sys.argv)
    else:
        execute_from_command_line(sys.argv)
