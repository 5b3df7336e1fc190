"""Ids in paths.

Only a text that can be an id matches such a path: ``DELETE /api/v1/tasks/background``
does not mean a task of that name, and no id has characters that a store would refuse.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints
from starlette.convertors import Convertor, register_url_convertor

TASK_PATTERN = "task_[0-9a-z]{1,64}_[0-9]{1,20}"
# Jobs may be called as people like, with slashes too. What ends as the paths of other
# routes do is theirs.
JOB_PATTERN = r"(?!(?:purge|requeue)$).+(?<!/requeue)(?<!/events)"


class TextConvertor(Convertor[str]):
    """Takes a text as it is."""

    def convert(self, value: str) -> str:
        """The id itself."""
        return value

    def to_string(self, value: str) -> str:
        """The id itself."""
        return value


def registered(name: str, parameter: str, pattern: str) -> str:
    """What stands in the path of a route for a parameter."""
    convertor = type(name, (TextConvertor,), {"regex": pattern})
    register_url_convertor(name, convertor())
    return f"{{{parameter}:{name}}}"


TASK_ID = registered("cotality_task", "task_id", TASK_PATTERN)
JOB_ID = registered("cotality_job", "job_id", JOB_PATTERN)
# One behind which the path goes on.
JOB_ID_BEFORE = "{job_id:path}"

LONGEST = 512  # characters of a name or an id
# Of a queue, a function or a job, as every store takes it: without NUL.
Name = Annotated[str, StringConstraints(max_length=LONGEST, pattern=r"^[^\x00]*$")]
