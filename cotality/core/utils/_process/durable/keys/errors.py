"""The error about a task that a later run could not recognise."""

from __future__ import annotations

from cotality._kit.public import public


@public
class TaskKeyError(ValueError):
    """A later run could not recognise a task: it has no key, or shares one.

    The message names the task, and the argument that is the reason. A ``label`` gives a
    task a key: ``Task(function, {...}, label="users.csv")``.
    """


class UnstableError(Exception):
    """Something has no content that would be the same in another run.

    Attributes:
        reason: What it is, for a message.
        steps: How to get to it, innermost first: ``["['lock']", ".config"]``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[str] = []

    @property
    def path(self) -> str:
        return "".join(reversed(self.steps))
