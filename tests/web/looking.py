"""Somebody who looks at a page: finds things, waits for them, clicks and types."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.kit.limits import LONG_S

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver
    from selenium.webdriver.remote.webelement import WebElement

POLL_S = 0.02  # between two looks at a page, each of which costs it some time
# The text of an element, also where it is not to be seen; null if there is no element.
TEXT = "const e = document.querySelector(arguments[0]); return e && e.textContent"
SHOWN = """
const e = document.querySelector(arguments[0]);
return e !== null && e.checkVisibility();
"""
TO_THE_MIDDLE = "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})"
# What somebody can be at, and what a screen reader calls it.
NAMELESS = """
const found = [];
for (const e of document.querySelectorAll('a, button, input, select, [tabindex="0"]')) {
  if (!e.checkVisibility()) continue;
  const by = (e.getAttribute('aria-labelledby') ?? '').split(' ')
    .map((id) => document.getElementById(id)?.textContent ?? '').join(' ');
  const labels = [...(e.labels ?? [])].map((label) => label.textContent).join(' ');
  const name = e.getAttribute('aria-label') || by.trim() || labels || e.textContent;
  if (!name.trim()) found.push(e.outerHTML);
}
return found;
"""
# Texts whose colour is too near to what is behind them, by WCAG 2 AA.
FAINT = """
const bright = ([r, g, b]) => [r, g, b]
  .map((part) => part / 255)
  .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
  .reduce((sum, part, n) => sum + part * [0.2126, 0.7152, 0.0722][n], 0);
const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
const behind = (e) => {
  for (; e; e = e.parentElement) {
    const colour = numbers(getComputedStyle(e).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
const found = [];
for (const e of document.querySelectorAll('body *')) {
  const texts = [...e.childNodes].filter((n) => n.nodeType === 3 && n.data.trim());
  if (!texts.length || !e.checkVisibility()) continue;
  if (e.closest(':disabled, .unseen, .skip')) continue;
  const style = getComputedStyle(e);
  const colour = e.closest('svg') ? style.fill : style.color;
  const both = [bright(numbers(colour)), bright(behind(e))];
  const ratio = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
  if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${e.textContent.trim()}`);
}
return found;
"""


class Looking:
    """Somebody at a browser."""

    def __init__(self, driver: WebDriver) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        """Go to a page of ours, and wait until all of it is there."""
        self.driver.get(url)
        self.until_ready()

    def until_ready(self) -> None:
        self.until(lambda: self.js("return document.body.dataset.state") == "ready")

    def js(self, script: str, *given: object) -> Any:  # Any: what a script returns
        return self.driver.execute_script(script, *given)  # type: ignore[no-untyped-call]

    def find(self, css: str) -> WebElement:
        return self.driver.find_element("css selector", css)

    def count(self, css: str) -> int:
        return int(
            self.js("return document.querySelectorAll(arguments[0]).length", css)
        )

    def text(self, css: str) -> str:
        """Of the first such element; nothing if there is none."""
        return str(self.js(TEXT, css) or "").strip()

    def is_shown(self, css: str) -> bool:
        return bool(self.js(SHOWN, css))

    def until(self, is_so: Callable[[], object], most: float = LONG_S) -> None:
        """Return when it *is_so*."""
        end = time.monotonic() + most
        while not is_so():
            assert time.monotonic() < end, self.js("return document.body.innerText")
            time.sleep(POLL_S)

    def until_text(self, css: str, part: str) -> None:
        self.until(lambda: part in self.text(css))

    def click(self, css: str) -> None:
        """As soon as it can be clicked."""
        self.until(lambda: self.is_shown(css) and self.is_clicked(css))

    def is_clicked(self, css: str) -> bool:
        """Click it, unless what the page was just told has moved it away."""
        from selenium.common.exceptions import ElementClickInterceptedException

        element = self.find(css)
        self.js(TO_THE_MIDDLE, element)
        try:
            element.click()
        except ElementClickInterceptedException:
            return False
        return True

    def type(self, css: str, text: str) -> None:
        """Into a field, in place of what is in it."""
        element = self.find(css)
        element.clear()
        element.send_keys(text)

    def press(self, *keys: str) -> None:
        """Keys, one after the other, wherever the keyboard is.

        Of several in one text all but the last one are held down.
        """
        from selenium.webdriver import ActionChains

        chain = ActionChains(self.driver)
        for *held, key in keys:
            for each in held:
                chain.key_down(each)
            chain.send_keys(key)
            for each in held:
                chain.key_up(each)
        chain.perform()

    def at(self) -> str:
        """The id of the element that the keyboard is at, or its text."""
        script = "const e = document.activeElement; return e.id || e.textContent.trim()"
        return str(self.js(script))

    def tab_to(self, name: str, *, most: int = 60) -> None:
        """Press Tab until the keyboard is there, which is to be seen at each step."""
        for _ in range(most):
            self.press("\ue004")
            if self.at() == name:
                return
        raise AssertionError(f"{name} cannot be reached by the keyboard")

    def size(self, width: int, height: int = 1000) -> None:
        """Have a window of this size."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )

    def scheme(self, name: str) -> None:
        """Have a system that is ``light`` or ``dark``."""
        feature = {"name": "prefers-color-scheme", "value": name}
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [feature]}
        )
