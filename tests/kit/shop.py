"""A module for tests to patch, with functions of every make."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from tests.kit import shop_tools
from tests.kit.shop_tools import Base, twice


def fetch() -> str:
    return "the real service"


def price() -> str:
    return fetch()


@twice
def decorated() -> str:
    return "real"


@functools.cache
def cached() -> str:
    return "real"


@functools.singledispatch
def dispatched(value: object) -> str:
    return "real"


@contextmanager
def managed() -> Iterator[str]:
    yield "real"


def helper(self: object) -> str:
    return "real"


class Shop(Base):
    """Its methods come from everywhere."""

    plain = helper

    def fetch(self) -> str:
        return "real"

    @twice
    def decorated(self) -> str:
        return "real"

    @classmethod
    def made(cls) -> str:
        return "real"


calls: list[None] = []


@shop_tools.reprlib.recursive_repr()
def from_nowhere(value: object) -> str:
    """Nothing in this module tells that `reprlib` has decorated it."""
    calls.append(None)
    return f"call {len(calls)}"


def call_from_nowhere(value: object) -> str:
    return from_nowhere(value)
