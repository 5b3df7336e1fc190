"""Files of the package as a browser gets them: again only when they have changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, Request, Response

from cotality._kit.safe_text import printable
from cotality.web._web.guard.problems import Problem, ProblemError
from cotality.web._web.guard.shield import HEADERS

FOLDER = Path(__file__).with_name("static")
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# A browser keeps them, and asks each time whether they are still so: files of two
# versions of the package never meet on one page.
FRESH = "no-cache"
READS = ["GET", "HEAD"]


@dataclass(frozen=True)
class PageFile:
    """A file, and by what a browser knows whether it has changed."""

    body: bytes
    media_type: str
    etag: str

    def answer(self, request: Request) -> Response:
        """The file; 304 if the browser has it already."""
        # Also in an application of others, which has no shield of ours.
        headers = {**HEADERS, "Cache-Control": FRESH, "ETag": self.etag}
        if is_known(request.headers.get("if-none-match", ""), self.etag):
            return Response(status_code=304, headers=headers)
        return Response(self.body, headers=headers, media_type=self.media_type)


def is_known(told: str, etag: str) -> bool:
    """Whether the browser, which has *told* what it has, has this one."""
    tags = (tag.strip().removeprefix("W/") for tag in told.split(","))
    return any(tag in (etag, "*") for tag in tags)


@cache
def all_files() -> Mapping[str, PageFile]:
    """Each file by its name, as it was when somebody asked first."""
    return {
        path.name: read(path)
        for path in sorted(FOLDER.iterdir())
        if path.suffix in MEDIA_TYPES
    }


def read(path: Path) -> PageFile:
    body = path.read_bytes()
    etag = f'"{sha256(body).hexdigest()[:32]}"'
    return PageFile(body, MEDIA_TYPES[path.suffix], etag)


def add_page(router: APIRouter, path: str, name: str, *, folder: str = "/page") -> None:
    """Add a page to *router*, and the files that it is made of.

    Pages name them relative to themselves, so they work below any path.

    Args:
        router: Where to.
        path: Where the page is.
        name: Of its file.
        folder: Where all other files are; in the same folder as *path*.
    """

    async def page(request: Request) -> Response:
        return all_files()[name].answer(request)

    async def part(request: Request, file: str) -> Response:
        found = all_files().get(file)
        if found is None:
            text = f"no page has a file {printable(file)!r}"
            raise ProblemError(Problem(404, "no-such-path", text))
        return found.answer(request)

    for where, endpoint in ((path, page), (f"{folder}/{{file}}", part)):
        router.add_api_route(where, endpoint, methods=READS, include_in_schema=False)
