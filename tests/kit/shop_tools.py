"""What the functions of `tests.kit.shop` are made with."""

from __future__ import annotations

import functools
import reprlib
from collections.abc import Callable
from typing import ParamSpec

__all__ = ["Base", "reprlib", "twice"]

P = ParamSpec("P")


def twice(function: Callable[P, str]) -> Callable[P, str]:
    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> str:
        return function(*args, **kwargs) * 2

    return call


class Base:
    def inherited(self) -> str:
        return "real"
