"""A service on a desk that does what a test says, and somebody who visits its page."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.routing import Mount, Router
from starlette.types import ASGIApp

from cotality.web._web.app.create import made_app
from cotality.web._web.guard.problems import Problem
from cotality.web._web.models.kinds import TaskStatus
from tests.kit.browser import complaints
from tests.web.looking import Looking
from tests.web.served import Served
from tests.web.shown import ShownDesk
from tests.web.stand_in import settings_in

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

# Collects what a screen reader is told.
LISTEN = """
window.heard = [];
new MutationObserver(() => {
  window.heard.push(document.getElementById('speech').textContent);
}).observe(document.getElementById('speech'), {childList: true, subtree: true});
"""


class Stage:
    """A service on a desk, behind a server of its own.

    Attributes:
        asked: The methods and targets of requests, as the server has heard them.
        told: Their headers.
        has_streams: Whether streams of events are served.
    """

    has_streams = True

    def __init__(self, folder: Path, *, below: str = "", **settings: object) -> None:
        self.desk = ShownDesk(settings_in(folder, **settings))
        app: ASGIApp = made_app(self.desk.settings, self.desk)
        self.app = Router([Mount(below, app)]) if below else app
        self.asked: list[tuple[str, str]] = []
        self.told: list[dict[str, str]] = []
        self.cuts: list[asyncio.Event] = []
        self.served = Served(self.heard)
        self.url = self.served.url.rstrip("/") + below + "/"

    async def heard(self, scope: Any, receive: Any, send: Any) -> None:  # Any: of ASGI
        if scope["type"] == "http":
            query = scope["query_string"].decode()
            self.asked.append(
                (scope["method"], scope["path"] + (query and f"?{query}"))
            )
            self.told.append({k.decode(): v.decode() for k, v in scope["headers"]})
            if "/events/" in scope["path"]:
                if not self.has_streams:
                    refusal = Problem(503, "too-many-streams", "no more of them")
                    await refusal.answer()(scope, receive, send)
                    return
                receive = self.until_cut(receive)
        await self.app(scope, receive, send)

    def until_cut(self, receive: Any) -> Any:  # Any: of ASGI
        """What the client of a stream sends, which has gone as soon as it is cut."""
        cut = asyncio.Event()
        self.cuts.append(cut)

        async def received() -> Any:  # Any: of ASGI
            calls = [asyncio.ensure_future(each) for each in (receive(), cut.wait())]
            try:
                await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
                gone = {"type": "http.disconnect"}
                return calls[0].result() if calls[0].done() else gone
            finally:
                for call in calls:
                    call.cancel()

        return received

    def cut(self) -> None:
        """Have all streams end in the middle."""

        async def set_all() -> None:
            for cut in self.cuts:
                cut.set()

        self.served.do(set_all())

    def start(self) -> None:
        """Serve, with all that is known as it was."""
        self.desk.changed = asyncio.Condition()  # of another event loop by now
        self.served.start()

    def stop(self) -> None:
        """Return when nobody answers any more."""
        self.cut()
        self.served.stop()
        self.desk.jobs.close()

    def newest(self) -> str:
        return list(self.desk.known)[-1]

    def change(self, task_id: str, status: TaskStatus, done: int = 0) -> None:
        self.served.do(self.desk.change(task_id, status, done))

    def clear(self) -> None:
        """All is as it was at first."""
        desk = self.desk
        desk.known.clear()
        desk.events.clear()
        desk.faults.clear()
        desk.refusal, desk.estimated, desk.is_quick = None, 52.0, False
        self.asked.clear()
        self.told.clear()
        self.cuts.clear()
        self.has_streams = True
        desk.jobs.close()


class Visit(Looking):
    """Somebody who looks at the page of a service.

    Attributes:
        expected: Parts of what the browser may complain of: refusals that a test wants.
    """

    def __init__(self, driver: WebDriver) -> None:
        super().__init__(driver)
        self.expected: tuple[str, ...] = ()

    def bar(self, task_id: str) -> float:
        """How far a task is, as its bar shows it."""
        script = "return document.querySelector(`#${arguments[0]} progress`)?.value"
        return float(self.js(script, task_id) or 0)

    def status(self, task_id: str) -> str:
        return self.text(f"#{task_id} .chip").removeprefix("▶ ").split(" ")[-1]

    def start(self, kind: str, items: int) -> None:
        self.click(f"label[for=method-{kind}]")
        self.type("#start-items_count", f"{items}")
        self.click("#start-button")

    def unexpected(self) -> list[str]:
        """What the browser has complained of, and no test has wanted."""
        return [
            each
            for each in complaints(self.driver)
            if not any(part in each for part in self.expected)
        ]

    def leave(self) -> None:
        """Go elsewhere, with nothing left of what was done here."""
        while len(self.driver.window_handles) > 1:
            self.driver.switch_to.window(self.driver.window_handles[-1])
            self.driver.close()
        self.driver.switch_to.window(self.driver.window_handles[0])
        if self.driver.current_url.startswith("http"):
            self.js("localStorage.clear(); sessionStorage.clear()")
        self.driver.get("about:blank")
