"""A model of pydantic that is an argument."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel


class User(BaseModel):
    name: str
    born: date


def greet(user: User) -> list[User]:
    return [user]
