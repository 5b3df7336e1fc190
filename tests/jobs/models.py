"""A model of pydantic that is an argument."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, Field, SecretStr


class User(BaseModel):
    name: str
    born: date


class Login(BaseModel):
    password: SecretStr


def login(value: Login) -> None: ...


class Aliased(BaseModel):
    number: int = Field(alias="theNumber")

    @staticmethod
    def echo(value: Aliased) -> None: ...


def greet(user: User) -> list[User]:
    return [user]
