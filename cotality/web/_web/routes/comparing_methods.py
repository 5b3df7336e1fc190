"""All methods on the same items, and what follows from that."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from cotality.jobs import StoreError
from cotality.web._web.desk.desk import Desk
from cotality.web._web.guard.door import owner_of
from cotality.web._web.guard.problems import Problem, ProblemError
from cotality.web._web.models.advice import Recommendations
from cotality.web._web.models.comparisons import PerformanceComparison
from cotality.web._web.models.configs import CompareConfig
from cotality.web._web.models.tasks import TaskResponse, TaskResult

from .answering import RETRY_S, accepted, with_root
from .documenting import COMPARING, LINKS, refusals, taken
from .ids import TASK_ID
from .offers import TASKS
from .standing import TaskId
from .waiting import Waiting, checked, unseen

NOTHING = (b"", b"{}", b"null")
REFERENCE = "#/components/schemas/{model}"


def add_comparing(
    router: APIRouter,
    desk: Desk,
    waiting: Waiting,
    *,
    sync_limit_s: float,
    budget_s: float,
) -> None:
    """Add the routes that compare methods.

    Args:
        router: Where to.
        desk: Where tasks are.
        waiting: For the end of one.
        sync_limit_s: For how many seconds a request waits, beside the budget.
        budget_s: Seconds in which the methods are measured, if nobody says.
    """

    @router.post(
        "/compare",
        response_model=PerformanceComparison,
        responses={**taken(TaskResponse, COMPARING), **refusals(404, 409, 500)},
        summary="Compare all methods",
        openapi_extra={"parameters": parameters()},
    )
    async def compare_methods(
        request: Request, config: Annotated[CompareConfig, Depends(config_in)]
    ) -> PerformanceComparison | Response:
        """On the same items, in turns, for as long as the budget allows.

        The answer waits for that; `Prefer: respond-async` does not.
        """
        task = await desk.compare(config, owner=owner_of(request))
        # There is what it finds, and how it stands until then.
        url = f"{TASKS}/compare/{task.task_id}"
        task = task.model_copy(update={"status_url": url})
        # Who asks for a longer one than is usual does not wait for it.
        limit_s = min(config.budget_s or budget_s, budget_s) + sync_limit_s
        result = await waiting.answer(request, task, limit_s)
        if isinstance(result, Response):
            return result
        try:
            return await found(desk, result)
        except StoreError as error:
            return unseen(request, task, error)

    @router.get(
        f"/compare/{TASK_ID}",
        response_model=PerformanceComparison,
        responses={**taken(TaskResult, LINKS), **refusals(404, 409, 500)},
        summary="What a comparison has found",
    )
    async def get_comparison(
        request: Request, task_id: TaskId
    ) -> PerformanceComparison | Response:
        """How it stands, as long as it is not over."""
        comparison = await desk.comparison(task_id)
        if comparison is not None:
            return comparison
        state = with_root(request, await desk.look(task_id, results=0))
        if not state.status.is_over:
            headers = accepted(request.url.path, wait_s=RETRY_S)
            return Response(state.model_dump_json(), 202, headers, "application/json")
        return await found(desk, checked(state))

    @router.get(
        "/recommendations", responses=refusals(), summary="Which method for what"
    )
    async def recommendations() -> Recommendations:
        """From what was measured on this machine."""
        return await desk.recommendations()


async def found(desk: Desk, result: TaskResult) -> PerformanceComparison:
    comparison = await desk.comparison(result.task_id)
    if comparison is None:
        text = f"task {result.task_id} has compared nothing"
        raise ProblemError(Problem(409, "no-comparison", text))
    return comparison


async def config_in(request: Request) -> CompareConfig:
    """What the query of a request asks for: numbers as JSON has them.

    Truth values as clients write them, which is also ``True`` and ``1``.

    Raises:
        RequestValidationError: A value is outside of its limits, or stands in the body,
            where it would be without effect.
    """
    body = (await request.body()).strip()
    if body not in NOTHING:
        raise RequestValidationError([in_body(body)])
    given = {
        name: value_of(name, text) for name, text in request.query_params.multi_items()
    }
    try:
        return CompareConfig.model_validate(given)
    except ValidationError as error:
        wrong = error.errors(include_url=False)
        for each in wrong:
            each["loc"] = ("query", *each["loc"])
        raise RequestValidationError(wrong) from None


FLAGS = frozenset(
    name for name, each in CompareConfig.model_fields.items() if each.annotation is bool
)
TRUE_OR_FALSE = TypeAdapter(bool)


def in_body(body: bytes) -> dict[str, object]:
    """What is wrong with a comparison that is asked for as tasks are."""
    return {
        "type": "in_body",
        "loc": ("body",),
        "msg": "a comparison takes all of this in the query, such as "
        "?items_count=1000&workers=4",
        "input": body.decode("utf-8", "replace"),
    }


def value_of(name: str, text: str) -> object:
    """The number or the truth value that a text is; the text itself, if it is none."""
    try:
        if name in FLAGS:
            return TRUE_OR_FALSE.validate_python(text)
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def parameters() -> list[dict[str, Any]]:  # Any: of OpenAPI
    """What the query of a comparison may have, for OpenAPI."""
    schema = CompareConfig.model_json_schema(ref_template=REFERENCE)
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": field.pop("description", ""),
            "schema": field,
        }
        for name, field in schema["properties"].items()
    ]
