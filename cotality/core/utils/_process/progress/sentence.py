"""The one sentence that every display shows, and its bar in HTML."""

from __future__ import annotations

from html import escape
from typing import Protocol

from cotality._kit import units

MINUTE = 60
HOUR = 60 * MINUTE


class Shown(Protocol):
    """What is shown of a `Progress`, which shows itself in these words."""

    @property
    def done(self) -> int: ...

    @property
    def total(self) -> int | None: ...

    @property
    def failed(self) -> int: ...

    @property
    def retried(self) -> int: ...

    @property
    def rate(self) -> float: ...

    @property
    def elapsed_seconds(self) -> float: ...

    @property
    def remaining_seconds(self) -> float | None: ...

    @property
    def finished(self) -> bool: ...

    @property
    def name(self) -> str: ...

    @property
    def unit(self) -> str: ...


def in_html(progress: Shown) -> str:
    """The browser's own bar, and the sentence."""
    return f"{bar(progress)} {escape(titled(progress))}"


def bar(progress: Shown) -> str:
    """The bar as HTML; one without a value, for an unknown total, moves by itself."""
    if progress.total is None and not progress.finished:
        return "<progress></progress>"
    return f'<progress value="{progress.done}" max="{progress.total or 1}"></progress>'


def titled(progress: Shown) -> str:
    """The name of the call, if it has one, and the sentence."""
    return (
        f"{progress.name}: {sentence(progress)}"
        if progress.name
        else (sentence(progress))
    )


def sentence(progress: Shown) -> str:
    """*progress* in words; ASCII, so that any terminal and any file can take it."""
    parts = [tasks_done(progress)]
    if progress.finished:
        parts[0] += f" in {duration(progress.elapsed_seconds)}"
        if progress.done != progress.total:
            parts.append("stopped early")
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    if progress.retried:
        parts.append(f"{progress.retried:,} retried")
    if progress.rate:
        parts.append(pace(progress.rate))
    if not progress.finished:
        parts.append(f"{duration(progress.elapsed_seconds)} so far")
        if progress.remaining_seconds is not None:
            parts.append(f"{duration(progress.remaining_seconds)} left")
    return ", ".join(parts)


def tasks_done(progress: Shown) -> str:
    if progress.total is None or progress.done == progress.total:
        return units.number(progress.done, progress.unit, plural(progress.unit))
    return f"{progress.done:,}/{progress.total:,} {plural(progress.unit)}"


def plural(unit: str) -> str:
    """``"files"`` for ``"file"`` or ``"files"``; ``"entries"`` for ``"entry"``."""
    if unit.endswith("s"):
        return unit
    if unit.endswith("y") and unit[-2:-1] not in "aeiou":
        return f"{unit[:-1]}ies"
    return f"{unit}s"


def duration(seconds: float) -> str:
    """*seconds* as all texts have them; in ASCII, so nothing below a millisecond."""
    return units.seconds(seconds if seconds >= 0.001 else 0.0, whole=True)


def pace(rate: float) -> str:
    """*rate*, which is tasks per second, in the unit that gives a handy figure."""
    for unit, seconds in ("s", 1), ("min", MINUTE):
        if rate * seconds >= 1:
            return per(rate * seconds, unit)
    return per(rate * HOUR, "h")


def per(count: float, unit: str) -> str:
    return f"{count:,.0f}/{unit}" if count >= 9.95 else f"{count:.1f}/{unit}"
