"""The guide for web services that users of Amorsize know works here as written.

Its blocks, with other names and with what it leaves out, lie in `tests/house/document`.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlencode, urlparse

import pytest

from tests.kit.helpers import environment_of_scripts, wait_until
from tests.kit.limits import LONG_S
from tests.kit.servers import GUNICORN, UVICORN, Service, serving

DOCUMENT = Path(__file__).parent / "document"
ORDERS = 20
USERS = 5

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn and SIGALRM"),
    pytest.mark.one_python,
]


class Api(BaseHTTPRequestHandler):
    """The services that those of the guide ask."""

    def do_GET(self) -> None:  # theirs
        url = urlparse(self.path)
        asked = parse_qs(url.query)
        if url.path == "/page":
            self.answer(b"<html><title>A page</title></html>")
        elif url.path == "/calculate":
            self.answer(json.dumps({"cost": int(asked["weight"][0]) / 2}).encode())
        else:
            self.answer(json.dumps({"id": int(url.path.rpartition("/")[2])}).encode())

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def api() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def variables(tmp_path: Path, api: str) -> dict[str, str]:
    for name in ("mails", "uploads"):
        (tmp_path / name).mkdir()
    return {
        "SHOP_API": api,
        "SHOP_DATABASE": f"{tmp_path / 'shop.sqlite3'}",
        "SHOP_MAILS": f"{tmp_path / 'mails'}",
        "SHOP_UPLOADS": f"{tmp_path / 'uploads'}",
        "DJANGO_SETTINGS_MODULE": "site_settings",
        "NO_PROXY": "127.0.0.1",
    }


Start = Callable[[str, list[str]], Service]


@pytest.fixture
def start(tmp_path: Path, variables: dict[str, str]) -> Iterator[Start]:
    """Starts a server of an app of the guide; it leaves no process behind."""
    with ExitStack() as running:

        def started(app: str, command: list[str]) -> Service:
            server = serving(
                command,
                tmp_path / "log",
                2,
                folder=DOCUMENT / app,
                variables=variables,
            )
            return running.enter_context(server)

        yield started


def manage(
    variables: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "manage.py", *arguments],
        cwd=DOCUMENT / "django",
        env={**environment_of_scripts(), **variables, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=2 * LONG_S,
        check=True,
    )


FILL = f"""
from shop.models import Order, User
Order.objects.bulk_create(Order(weight=n, zip_code="1") for n in range({ORDERS}))
User.objects.bulk_create(
    User(username=f"user{{n}}", email=f"u{{n}}@example.com", is_active=n < {USERS})
    for n in range({USERS} + 2)
)
"""


@pytest.fixture
def shop(variables: dict[str, str]) -> dict[str, str]:
    """What the Django app needs: a database with orders and users."""
    pytest.importorskip("django")
    pytest.importorskip("requests")
    manage(variables, "migrate", "--run-syncdb", "--verbosity", "0")
    manage(variables, "shell", "--verbosity", "0", "--command", FILL)
    return variables


DJANGO_SERVERS = {
    "runserver": ["manage", "runserver", "--noreload"],
    "gunicorn": [*GUNICORN, "--threads", "8", "site_wsgi"],
}


@pytest.mark.parametrize("server", DJANGO_SERVERS)
def test_the_views_of_django(server: str, shop: dict[str, str], start: Start) -> None:
    """Orders are processed, users are gathered, and a manager does no harm."""
    service = start("django", DJANGO_SERVERS[server])
    ids = [("order_ids", f"{n + 1}") for n in range(ORDERS)]
    form = "application/x-www-form-urlencoded"

    for more in ([], [("verbose", "yes")]):
        status, answer = service.ask(
            "/orders/batch-process/", urlencode([*ids, *more]).encode(), form
        )
        assert status == 200, answer
        assert answer["processed"] == ORDERS
        assert answer["results"] == [
            {"order_id": f"{n + 1}", "shipping_cost": n / 2} for n in range(ORDERS)
        ]
    assert service.get("/users/aggregate/?ids=3,x,4") == (
        200,
        {"users": [{"id": 3}, {"id": 4}], "count": 2},
    )
    assert service.get("/squares") == (200, {"results": [n * n for n in range(10)]})
    assert service.end() == []


def test_the_command_of_django(shop: dict[str, str]) -> None:
    """Each active user gets one mail, and the command says how many."""
    ended = manage(shop, "send_digest")

    assert ended.stdout.splitlines() == [
        f"Sent {USERS} emails",
        f"Successfully sent {USERS} emails",
    ]
    assert ended.stderr.startswith(f"cotality: send_notification_email, {USERS} items")
    # Django names a file by the time and the address of an object: one may have two.
    mails = "".join(file.read_text() for file in Path(shop["SHOP_MAILS"]).iterdir())
    assert mails.count("\nMessage-ID: ") == USERS


def test_the_service_of_flask(start: Start, variables: dict[str, str]) -> None:
    """Images and reports, under gunicorn with two workers."""
    for needed in ("flask", "pandas", "PIL"):
        pytest.importorskip(needed)
    make_transactions(variables["SHOP_DATABASE"])
    service = start("flask", [*GUNICORN, "--workers", "2", "app:app"])

    status, answer = service.ask("/images/batch-process", *images(6))
    assert status == 200, answer
    assert answer["processed"] == 6
    assert all(os.path.exists(each["processed"]) for each in answer["results"])

    body = json.dumps({"user_ids": [1, 2, 3]}).encode()
    status, answer = service.ask("/reports/batch", body)
    assert status == 200, answer
    assert answer["count"] == 3
    assert [each["total_amount"] for each in answer["reports"]] == [1.0, 2.0, 3.0]
    assert service.ask("/images/batch-process", b"{}")[0] == 400
    assert service.end() == []


def make_transactions(path: str) -> None:
    import sqlite3

    connection = sqlite3.connect(path)
    with connection:
        connection.execute("CREATE TABLE transactions (user_id, date, amount)")
        rows = [(n, f"{date.today()}", float(n)) for n in range(1, 4)]
        connection.executemany("INSERT INTO transactions VALUES (?, ?, ?)", rows)
    connection.close()


def images(count: int) -> tuple[bytes, str]:
    """The body of a form with so many pictures, and its type."""
    from PIL import Image

    parts = b""
    for number in range(count):
        picture = io.BytesIO()
        Image.new("RGB", (300, 300), (number, 0, 0)).save(picture, "PNG")
        head = f'name="files"; filename="{number}.png"\r\nContent-Type: image/png'
        parts += f"--edge\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode()
        parts += picture.getvalue() + b"\r\n"
    return parts + b"--edge--\r\n", "multipart/form-data; boundary=edge"


def test_the_service_of_fastapi(start: Start, api: str) -> None:
    """Urls are fetched, a background task runs, and a plan is kept, under uvicorn."""
    for needed in ("fastapi", "uvicorn", "httpx"):
        pytest.importorskip(needed)
    service = start("fastapi", [*UVICORN, "service.main:app"])

    urls = [f"{api}/page?{number}" for number in range(5)] + ["http://127.0.0.1:1"]
    status, answer = service.ask("/analyze-urls", json.dumps({"urls": urls}).encode())
    assert status == 200, answer
    assert answer["total_processed"] == 6
    assert [each.get("title") for each in answer["results"]] == ["A page"] * 5 + [None]
    assert answer["speedup"] > 0
    assert service.ask("/analyze-urls", b'{"urls": []}')[0] == 400

    status, answer = service.ask("/process/batch", b"[1, 2, 3]")
    assert status == 200, answer
    assert answer["item_count"] == 3
    wait_until(lambda: service.health()["finished"] == 3)

    for _ in range(2):
        path = "/process/optimized?func_name=double"
        status, answer = service.ask(path, b"[1, 2, 3]")
        assert status == 200, answer
        assert answer["results"] == [2, 4, 6]
        assert answer["optimization"]["n_jobs"] >= 1
    path = "/process/optimized?func_name=nothing"
    assert service.ask(path, b"[1]") == (200, {"error": "Unknown function: nothing"})
    assert service.end() == []


def patterns() -> list[str]:
    """The functions of the module that take nothing: each uses a block."""
    text = (DOCUMENT / "patterns.py").read_text("utf-8")
    names = re.findall(r"^def (\w+)\(\):$", text, re.MULTILINE)
    assert len(names) > 10
    return names


@pytest.mark.parametrize("name", patterns())
def test_a_pattern_of_the_guide(name: str, tmp_path: Path) -> None:
    """In a program of its own, without a warning."""
    program = f"from tests.house.document import patterns; patterns.{name}()"
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env=environment_of_scripts(),
        capture_output=True,
        text=True,
        timeout=LONG_S,
    )

    assert ended.returncode == 0, ended.stderr
    shown = [line for line in ended.stderr.splitlines() if "cotality: " not in line]
    assert shown == []
