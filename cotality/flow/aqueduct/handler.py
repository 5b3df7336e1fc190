"""The base class of handlers."""

from __future__ import annotations

from .task import BaseTask


class BaseTaskHandler:
    """Handles tasks, in each worker process of its step."""

    @classmethod
    def get_step_name(cls, step_number: int) -> str:
        """What the step is called in messages and figures."""
        return f"step{step_number}_{cls.__name__}"

    def on_start(self) -> None:
        """Called once in the worker: load the model here."""

    def handle(self, *tasks: BaseTask) -> None:
        """Change *tasks*: what is set on them is there for whoever waits for them."""
        raise NotImplementedError
