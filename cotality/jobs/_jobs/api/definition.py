"""What a function is as a job: what the store and the workers have to know of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from cotality.jobs._jobs.codec.calls import CallCodec, Codec
from cotality.jobs._jobs.store.moves import NewJob

from .options import CallOptions, JobOptions, checked_text
from .putting import new_id


class Definition:
    """A function, its name, and how it is to be run."""

    function: Callable[..., Any]  # Any: of any function
    unique: Callable[..., str] | None
    module: str
    name: str
    options: JobOptions
    codec: CallCodec

    def __init__(
        self,
        function: Callable[..., Any],  # Any: of any function
        *,
        module: str,
        name: str,
        options: JobOptions,
        unique: Callable[..., str] | None,
        codec: Codec,
    ) -> None:
        self.function, self.module, self.name = function, module, name
        self.options, self.unique = options, unique
        self.codec = CallCodec(function, name, codec)

    def order(
        self,
        call: CallOptions,
        args: tuple[Any, ...],  # Any: arguments of any function
        kwargs: Mapping[str, Any],  # Any: likewise
    ) -> NewJob:
        """What is written into the store for a call with these arguments."""
        text = self.codec.arguments_text(args, kwargs)
        key = call.key
        if key is None and self.unique is not None:
            key = checked_text("what unique returns", self.unique(*args, **kwargs))
        options = self.options
        return NewJob(
            id=call.job_id or new_id(),
            name=self.name,
            queue=call.queue or options.queue,
            priority=options.priority if call.priority is None else call.priority,
            arguments=text,
            delay=call.delay,
            due_at=call.due_at,
            key=None if key is None else json.dumps([self.name, key]),
            keep_s=options.keep_s if call.keep_s is None else call.keep_s,
        )
