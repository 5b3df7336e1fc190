"""Figures as a person writes them: with a unit, and no more digits than needed."""

from __future__ import annotations

import re
import time

# The space between a figure and its unit, where no line may end.
SIZE = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)
POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:s|ms|µs|ns|min|h|%|[kMGT]?B)(?:\W|$))")


def seconds(value: float, *, whole: bool = False) -> str:
    """``"1 h 5 min"``, ``"2 min 8 s"``, ``"12.4 s"``, ``"350 ms"``, ``"12 µs"``.

    Args:
        whole: Leave out fractions from 10 s on: the figure changes while it is read.
    """
    if value >= 3599.5:
        hours, minutes = divmod(round(value / 60), 60)
        return f"{hours} h {minutes} min"
    if value >= 99.5:
        minutes, rest = divmod(round(value), 60)
        return f"{minutes} min {rest} s"
    if whole and value >= 9.95:
        return f"{value:.0f} s"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= 0.9995 * size:
            return f"{digits(value / size)} {unit}"
    return f"{digits(value / 1e-9)} ns" if value > 0 else "0 s"


def moment(at: float) -> str:
    """``"2026-11-29 14:36:44"``, local time; *at* is in seconds since the epoch."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def size(value: float) -> str:
    """``"3.2 MB"``; a kilobyte is 1,000 bytes."""
    for unit, bytes_ in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= 0.9995 * bytes_:
            return f"{digits(value / bytes_)} {unit}"
    return f"{value:.0f} B"


def bytes_in(text: str) -> float | None:
    """How many bytes a person means with ``"2GB"``, ``"1.5 GiB"`` or ``"500M"``.

    A kilobyte is 1,000 bytes, a KiB is 1,024. None if *text* says no size.
    """
    found = SIZE.fullmatch(text)
    if found is None or (found[3] and not found[2]):
        return None
    base = 1024 if found[3] else 1000
    return float(found[1]) * float(base ** POWERS[found[2].lower()])


def digits(value: float) -> str:
    """*value* with two or three digits that count."""
    if value >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 0.995 else f"{value:.2g}"


def ratio(value: float) -> str:
    """``"3.4"``, ``"0.55"``; what is not nothing is never called that."""
    return "< 0.01" if 0 < value < 0.005 else digits(value)


def share(part: float, whole: float) -> str:
    """``"12 %"``; what is not nothing is never called that."""
    if whole <= 0:
        return "0 %"
    percent = 100 * part / whole
    return "< 1 %" if 0 < percent < 0.5 else f"{percent:.0f} %"


def number(count: int, singular: str, plural: str | None = None) -> str:
    """``"1 task"``, ``"2,000 tasks"``."""
    word = singular if count == 1 else plural or f"{singular}s"
    return f"{count:,} {word}"


def listed(parts: list[str]) -> str:
    """``"a"``, ``"a and b"``, ``"a, b and c"``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)


def unbroken(text: str) -> str:
    """*text* with each figure tied to its unit by a space that breaks no line."""
    return BEFORE_UNIT.sub("\N{NO-BREAK SPACE}", text)
