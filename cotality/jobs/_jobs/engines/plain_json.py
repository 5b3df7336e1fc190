"""How DBOS writes down what we give it: as JSON, never as a pickle."""

from __future__ import annotations

import json
from typing import Any

from dbos import Serializer


class PlainJson(Serializer):
    """What we give to DBOS is a job's id and a number."""

    def serialize(self, data: Any) -> str:  # Any: arguments, or None
        return json.dumps(data, default=repr)

    def deserialize(self, serialized_data: str) -> Any:  # Any: likewise
        return json.loads(serialized_data)

    def name(self) -> str:
        """Under which it stands beside what it has written."""
        return "cotality_json"
