"""The files of the pages: what a browser gets, and what is in them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fastapi import Depends, FastAPI, HTTPException

from cotality.jobs import Jobs
from cotality.web import queues_page_router, queues_router
from cotality.web._web.app.create import made_app
from cotality.web._web.page.files import FOLDER, all_files
from tests.web.asgi import Client, run
from tests.web.stand_in import StandInDesk, settings_in

pytestmark = pytest.mark.one_python

KEY = "a-key-of-more-than-16-characters"
PAGES = {"index.html": "main.js", "queues.html": "queues.js"}
# What makes markup or code of a text.
SINKS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function"
    r"|srcdoc|DOMParser|createContextualFragment|javascript:|setAttribute\(\"on"
)


class Outline(HTMLParser):
    """The elements of a page."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed((FOLDER / name).read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def all(self, attribute: str) -> list[str]:
        return [each[attribute] for _, each in self.elements if attribute in each]


def client_of(folder: Path, **settings: object) -> Client:
    return client_with(StandInDesk(settings_in(folder, **settings)))


def client_with(desk: StandInDesk) -> Client:
    return Client(made_app(desk.settings, desk))


def modules_of(name: str) -> set[str]:
    """A script, and all that it imports."""
    found: set[str] = set()
    left = {name}
    while left:
        each = left.pop()
        found.add(each)
        text = (FOLDER / each).read_text("utf-8")
        left |= set(re.findall(r'from "\./(\w+\.js)"', text)) - found
    return found


# As they are served.


def test_the_page_is_served_and_asked_for_again_each_time(tmp_path: Path) -> None:
    """What a browser has already is not sent again, unless it has changed."""
    client = client_of(tmp_path)
    answer = run(client.get("/"))

    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert answer.body == (FOLDER / "index.html").read_bytes()
    etag = answer.headers["etag"]
    for told in (etag, f'"other", W/{etag}', "*"):
        again = run(client.get("/", **{"If-None-Match": told}))
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == etag
    assert run(client.get("/", **{"If-None-Match": '"other"'})).status == 200
    assert run(client.ask("HEAD", "/")).status == 200
    assert run(client.ask("POST", "/")).status == 405


@pytest.mark.parametrize("folder", ["/page", "/queues/page"])
def test_all_files_are_served_beside_their_page(tmp_path: Path, folder: str) -> None:
    """Each as what it is; what is none of them is refused."""
    client = client_of(tmp_path)
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    for name, file in all_files().items():
        answer = run(client.get(f"{folder}/{name}"))
        assert answer.body == file.body
        kind = kinds.get(Path(name).suffix, "text/html")
        assert answer.headers["content-type"].partition(";")[0] == kind
    for name in ("none.js", "__init__.py", "..%2ffiles.py", "%00"):
        answer = run(client.get(f"{folder}/{name}"))
        assert answer.status == 404
        assert answer.headers["content-type"] == "application/problem+json"
    assert run(client.get("/favicon.ico")).headers["content-type"] == "image/svg+xml"


def test_pages_need_no_key_and_what_they_show_does(tmp_path: Path) -> None:
    """A browser sends none when somebody opens a page; it says nothing of anybody."""
    desk = StandInDesk(settings_in(tmp_path, api_keys=f"me:{KEY}"))
    client = client_with(desk)

    for path in ("/", "/page/main.js", "/queues/page", "/queues/page/queues.js"):
        assert run(client.get(path)).status == 200
    for path in (
        "/queues",
        "/queues/dead",
        "/queues/jobs",
        "/queues/jobs/a",
        "/health",
    ):
        assert run(client.get(path)).status == 401
    assert run(client.get("/queues", **{"X-API-Key": KEY})).status == 200
    desk.jobs.close()


def test_the_page_of_queues_is_where_a_service_wants_it(tmp_path: Path) -> None:
    """With the other routes, by itself, or not at all; with headers of its own."""
    jobs = Jobs(f"sqlite:///{tmp_path / 'jobs.db'}")

    def refuse() -> None:
        raise HTTPException(401)

    app = FastAPI()
    app.include_router(
        queues_router(jobs, prefix="/a", page=False), dependencies=[Depends(refuse)]
    )
    app.include_router(queues_page_router(prefix="/a"))
    app.include_router(queues_router(jobs, prefix="/b"))
    app.include_router(queues_router(jobs, prefix="/c", page=False))
    client = Client(app)

    assert run(client.get("/a")).status == 401
    page = run(client.get("/a/page"))
    assert page.status == 200
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert run(client.get("/a/page/page.css")).status == 200
    assert run(client.get("/b/page")).status == 200
    assert run(client.get("/c/page")).status == 404
    jobs.close()


# As they are.


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_nothing_inline_and_nothing_from_elsewhere(name: str) -> None:
    """So the strictest policy fits it, and it works below any path."""
    page = Outline(name)

    assert not [tag for tag, _ in page.elements if tag in ("style", "iframe", "object")]
    assert all("src" in each for tag, each in page.elements if tag == "script")
    names = {attribute for _, each in page.elements for attribute in each}
    assert not {each for each in names if each.startswith("on") or each == "style"}
    for link in (*page.all("src"), *page.all("href")):
        assert not re.match(r"[a-z]+:|/", link), link
        if link.startswith("page/"):
            assert (FOLDER / link.removeprefix("page/")).is_file()
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    for reference in ("for", "aria-labelledby", "aria-describedby"):
        for each in page.all(reference):
            assert set(each.split()) <= set(ids)


@pytest.mark.parametrize(("page", "script"), PAGES.items())
def test_scripts_find_on_their_page_what_they_look_for(page: str, script: str) -> None:
    """By its id."""
    ids = set(Outline(page).all("id"))

    for name in modules_of(script):
        text = (FOLDER / name).read_text("utf-8")
        assert set(re.findall(r'\bat\("([\w-]+)"\)', text)) <= ids, name


def test_no_script_makes_markup_of_a_text() -> None:
    """Nor is there one that no page uses, or that asks another host."""
    used = {"scheme.js"}.union(*map(modules_of, PAGES.values()))

    assert used == {path.name for path in FOLDER.glob("*.js")}
    for name in used:
        text = (FOLDER / name).read_text("utf-8")
        assert not SINKS.search(text), name
        hosts = re.findall(r"\b(?:https?|wss?)://[^\"'`\s]+", text)
        assert set(hosts) <= {"http://www.w3.org/2000/svg"}, name  # that is a name
    style = (FOLDER / "page.css").read_text("utf-8")
    assert not re.search(r"url\(|@import|expression", style)
