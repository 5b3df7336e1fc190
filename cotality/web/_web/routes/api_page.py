"""What the service offers, as a page: from its OpenAPI, and from nowhere else.

The pages that FastAPI has for that load scripts from another host. This one has none:
it is a text with tables, a style of its own, and works without the network.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, TypeAlias

from fastapi import FastAPI, Request, Response
from starlette.responses import HTMLResponse, RedirectResponse

PAGE, STYLE, OTHER = "/docs", "/docs/api.css", "/redoc"
DAY_S = 86_400
PLAIN = "Successful Response"  # as FastAPI says where nobody says more
Json: TypeAlias = Mapping[str, Any]  # Any: of OpenAPI

HEAD = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: the API</title>
<link rel="stylesheet" href="{root}{style}">
</head>
<body>
<header>
<h1>{title} <span class="quiet">{version}</span></h1>
<p>{description}</p>
<p class="quiet">For programs: <a href="{root}/openapi.json">openapi.json</a>.
{keys}</p>
</header>
"""
NEEDS_KEY = (
    "Requests need an API key, in the header <code>X-API-Key</code> or as "
    "<code>Authorization: Bearer</code>."
)
NO_KEY = "No API keys are set: this machine alone is served."


def add_api_page(app: FastAPI, *, needs_key: bool) -> None:
    """Add ``/docs``, and ``/redoc`` as another name of it."""
    pages: dict[str, str] = {}  # by the path that the application is below

    @app.get(PAGE, include_in_schema=False)
    async def api_page(request: Request) -> Response:
        root = str(request.scope.get("root_path", "")).rstrip("/")
        if root not in pages:
            pages.clear()  # as a rule there is one
            pages[root] = as_page(app.openapi(), root, needs_key=needs_key)
        return HTMLResponse(pages[root])

    @app.get(STYLE, include_in_schema=False)
    async def style() -> Response:
        text = Path(__file__).with_name("api.css").read_text("utf-8")
        headers = {"Cache-Control": f"max-age={DAY_S}"}
        return Response(text, headers=headers, media_type="text/css")

    @app.get(OTHER, include_in_schema=False)
    async def other_page(request: Request) -> Response:
        root = str(request.scope.get("root_path", "")).rstrip("/")
        return RedirectResponse(f"{root}{PAGE}")


def as_page(document: Json, root: str, *, needs_key: bool) -> str:
    """The whole page.

    Args:
        document: The OpenAPI of the service.
        root: The path that the application is below.
        needs_key: Whether requests need one.
    """
    info: Json = document["info"]
    head = HEAD.format(
        title=escape(info["title"]),
        version=escape(info["version"]),
        description=escape(info.get("description", "")),
        keys=NEEDS_KEY if needs_key else NO_KEY,
        root=escape(root),
        style=STYLE,
    )
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tag = (operation.get("tags") or ["more"])[0]
            part = "\n".join(of_operation(document, root, path, method, operation))
            groups.setdefault(tag, []).append(part)
    return "\n".join(
        [head, *navigation(groups), *sections(groups), "</body>", "</html>"]
    )


def navigation(groups: Mapping[str, list[str]]) -> Iterator[str]:
    yield '<nav aria-label="Groups"><ul>'
    for tag in groups:
        yield f'<li><a href="#{escape(tag)}">{escape(tag)}</a></li>'
    yield "</ul></nav>"


def sections(groups: Mapping[str, list[str]]) -> Iterator[str]:
    yield "<main>"
    for tag, parts in groups.items():
        yield f'<h2 id="{escape(tag)}">{escape(tag)}</h2>'
        yield from parts
    yield "</main>"


def of_operation(
    document: Json, root: str, path: str, method: str, operation: Json
) -> Iterator[str]:
    """One route: what it does, what it takes, what it answers, and how to try it."""
    yield (
        f'<details id="{escape(operation["operationId"])}"><summary>'
        f'<span class="method {escape(method)}">{escape(method.upper())}</span> '
        f"<code>{escape(root + path)}</code> "
        f'<span class="quiet">{escape(operation.get("summary", ""))}</span></summary>'
        f'<div class="inside">'
    )
    for text in operation.get("description", "").split("\n\n"):
        yield f"<p>{escape(text)}</p>"
    parameters = [of_parameter(each) for each in operation.get("parameters", [])]
    yield from table("Parameters", ("name", "where", "what", "limits"), parameters)
    fields = list(of_body(document, operation))
    yield from table("Body, as JSON", ("field", "what", "limits"), fields)
    answers = [
        (status, each["description"].replace(PLAIN, "It is done."))
        for status, each in sorted(operation["responses"].items())
    ]
    yield from table("Answers", ("status", "what"), answers)
    yield f"<pre><code>{escape(line_of(root, path, method, operation))}</code></pre>"
    yield "</div></details>"


def table(
    caption: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]
) -> Iterator[str]:
    if not rows:
        return
    yield f'<div class="wide"><table><caption>{escape(caption)}</caption><thead><tr>'
    yield "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    yield "</tr></thead><tbody>"
    for first, *others in rows:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in others)
        yield f'<tr><th scope="row"><code>{escape(first)}</code></th>{cells}</tr>'
    yield "</tbody></table></div>"


def of_parameter(parameter: Json) -> tuple[str, ...]:
    schema: Json = parameter.get("schema", {})
    where = str(parameter["in"])
    if parameter.get("required"):
        where += ", required"
    text = parameter.get("description") or schema.get("description", "")
    return parameter["name"], where, text, limits_of(schema)


def of_body(document: Json, operation: Json) -> Iterator[tuple[str, ...]]:
    content: Json = operation.get("requestBody", {}).get("content", {})
    schema = resolved(document, content.get("application/json", {}).get("schema", {}))
    needed = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        text = str(field.get("description", ""))
        must = "required" if name in needed else ""
        yield name, text, "; ".join(filter(None, (must, limits_of(field))))


def resolved(document: Json, schema: Json) -> Json:
    """What a reference stands for."""
    reference = str(schema.get("$ref", ""))
    found: Json = document if reference else schema
    for name in reference.split("/")[1:]:
        found = found[name]
    return found


WORDS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "minLength": "characters at least",
    "maxLength": "characters at most",
    "pattern": "like",
    "default": "default",
}


def limits_of(schema: Json) -> str:
    """What a value may be, in words."""
    either: list[Json] = schema.get("anyOf", [])
    kinds = [str(each["type"]) for each in (schema, *either) if "type" in each]
    said = [" or ".join(kind for kind in kinds if kind != "null")]
    for each in (*either, schema):
        said += [
            f"{word} {shown(each[name])}"
            for name, word in WORDS.items()
            if each.get(name) is not None
        ]
    return ", ".join(filter(None, said))


def shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def line_of(root: str, path: str, method: str, operation: Json) -> str:
    """A line of a shell that asks for it."""
    verb = "" if method == "get" else f"-X {method.upper()} "
    line = f'curl {verb}"http://localhost:8001{root}{path}"'
    if "requestBody" in operation:
        line += " \\\n  -H \"Content-Type: application/json\" \\\n  -d '{}'"
    return line
