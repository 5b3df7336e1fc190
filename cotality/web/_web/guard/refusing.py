"""What is wrong with input: which field, which value, which limit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from cotality._kit.safe_text import clipped, printable, shortened

from .problems import Problem

LONGEST = 200  # characters of a value that are repeated
MOST = 20  # wrong fields that are told of
LARGEST_INT = 2**63


def of_input(error: RequestValidationError, content_type: str | None) -> Problem:
    """What is wrong with a request that does not fit its route.

    Args:
        content_type: What the request says that its body is.
    """
    found = cast("Sequence[Mapping[str, Any]]", error.errors())  # Any: of pydantic
    if any(is_not_json(each) for each in found):
        return Problem(
            415,
            "not-json",
            f"the body has to be JSON, and the request says that it is "
            f"{shown(content_type or 'nothing')}: send it with the header "
            f"Content-Type: application/json",
        )
    unread = next((each for each in found if each["type"] == "json_invalid"), None)
    if unread is not None:
        return Problem(
            400, "bad-json", f"the body is not valid JSON: {why_unread(unread)}"
        )
    wrong = [of_field(each) for each in found[:MOST]]
    text = "; ".join(f"{each['field']}: {each['problem']}" for each in wrong)
    return Problem(422, "invalid-input", text, more={"errors": wrong})


def is_not_json(found: Mapping[str, Any]) -> bool:  # Any: of pydantic
    """Whether a body was there, and was not read because nobody said it is JSON."""
    return found["loc"] == ("body",) and isinstance(found.get("input"), bytes)


def why_unread(found: Mapping[str, Any]) -> str:  # Any: of FastAPI
    """Why a body cannot be read, and where that is seen."""
    why = shown(f"{found['ctx']['error']}")
    where = found["loc"][-1]
    return f"{why}, at character {where}" if where else why


def of_field(found: Mapping[str, Any]) -> dict[str, object]:  # Any: of pydantic
    place = ".".join(shown(f"{part}") for part in found["loc"])
    value = as_json(found.get("input"))
    problem = shown(str(found["msg"]).removeprefix("Value error, "))
    if found["type"] == "missing":
        return {"field": place, "value": None, "problem": problem, "limit": {}}
    context = cast("Mapping[str, object]", found.get("ctx") or {})
    limit = {
        name: as_json(each)
        for name, each in context.items()
        if isinstance(each, (bool, int, float, str)) and name != "error"
    }
    said = value if isinstance(value, str) else repr(value)
    return {
        "field": place,
        "value": value,
        "problem": f"{problem}, got {shown(said)}",
        "limit": limit,
    }


def as_json(value: object) -> object:
    """*value*, if JSON has it and it is short; otherwise what it looks like."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < LARGEST_INT else "an integer of many digits"
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    return shown(value) if isinstance(value, str) else shortened(value, LONGEST)


def shown(text: str) -> str:
    """*text* without what would disturb a terminal, and not too much of it."""
    return clipped(printable(text[: 2 * LONGEST]), LONGEST)


KINDS = {404: "no-such-path", 405: "no-such-method"}


def of_status(error: HTTPException) -> Problem:
    """What Starlette, FastAPI or a dependency refuse."""
    phrase = HTTPStatus(error.status_code).phrase
    return Problem(
        error.status_code,
        KINDS.get(error.status_code, phrase.lower().replace(" ", "-")),
        shown(f"{error.detail}"),
        headers=error.headers or {},
    )
