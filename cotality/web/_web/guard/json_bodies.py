"""Bodies as JSON. One that could mean two things, or nothing, is refused."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request

from cotality._kit.safe_text import printable

LONGEST = 100  # characters of a name that is repeated


class JsonRequest(Request):
    """A request whose body is read by `parsed`."""

    async def json(self) -> Any:  # Any: of JSON
        """What its body says."""
        return parsed(await self.body())


def parsed(body: bytes) -> Any:  # Any: of JSON
    """What *body* says.

    Raises:
        JSONDecodeError: It cannot be read, whatever keeps one from that; or an object
            has a name twice, of which most readers take the last one in silence.
    """
    try:
        return json.loads(body, object_pairs_hook=once_each)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise unreadable("it is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise unreadable(f"it is not {error.encoding}: {error.reason}") from None
    except ValueError as error:
        raise unreadable(f"{error}") from None


def unreadable(why: str) -> json.JSONDecodeError:
    # FastAPI passes on this one alone, with its text.
    return json.JSONDecodeError(why, "", 0)


def once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:  # Any: likewise
    found: dict[str, Any] = {}  # Any: likewise
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{printable(name[:LONGEST])!r} stands there twice")
        found[name] = value
    return found
