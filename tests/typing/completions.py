"""What an editor with Pyright offers: ``python tests/typing/completions.py``.

It asks Pyright's language server what can stand in a call of each function, and ends
with a message if an option is missing. The session ``types`` runs it.
"""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

from cotality import tuning
from cotality.core.utils import process

ROOT = Path(__file__).parents[2]
FILE = ROOT / "unwritten.py"
# A program that starts the server of the package `pyright`.
SERVER = [sys.executable, "-c", "import pyright.langserver as s; s.run('--stdio')"]


def main() -> None:
    missing: dict[str, set[str]] = {}
    with LanguageServer() as server:
        for name, function in functions().items():
            module, _, short = name.rpartition(".")
            # After a bracket or a number it offers nothing until a letter is typed.
            source = f"from {module} import {short}\n{short}([], abs, )"
            wanted = {
                f"{each.name}="
                for each in inspect.signature(function).parameters.values()
                if each.kind is each.KEYWORD_ONLY
            }
            missing[name] = wanted - server.offered(source)
    if lacking := {name: sorted(each) for name, each in missing.items() if each}:
        sys.exit(f"Pyright does not offer: {lacking}")
    print(f"Pyright offers every option of {len(missing)} functions")


def functions() -> dict[str, Callable[..., object]]:
    """Those of the front doors that take options, by their full names."""
    return {
        f"{door.__name__}.{name}": thing
        for door in (process, tuning)
        for name in door.__all__
        if inspect.isfunction(thing := getattr(door, name))
        and "progress" in inspect.signature(thing).parameters
    }


Message = dict[str, Any]  # Any: of JSON


class LanguageServer:
    """Pyright, asked as an editor asks it."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            SERVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        )
        self.into = cast("IO[bytes]", self.process.stdin)
        self.out = cast("IO[bytes]", self.process.stdout)
        self.number = self.version = 0

    def __enter__(self) -> LanguageServer:
        self.ask(
            "initialize",
            processId=None,
            rootUri=ROOT.as_uri(),
            capabilities={},
            workspaceFolders=[{"uri": ROOT.as_uri(), "name": "project"}],
        )
        self.tell("initialized")
        self.tell(
            "textDocument/didOpen",
            textDocument={
                "uri": FILE.as_uri(),
                "languageId": "python",
                "version": self.version,
                "text": "",
            },
        )
        return self

    def __exit__(self, *reason: object) -> None:
        self.process.kill()
        self.process.communicate()

    def offered(self, source: str) -> set[str]:
        """What is offered before the last character of *source*."""
        self.version += 1
        self.tell(
            "textDocument/didChange",
            textDocument={"uri": FILE.as_uri(), "version": self.version},
            contentChanges=[{"text": source}],
        )
        lines = source.splitlines()
        found = self.ask(
            "textDocument/completion",
            textDocument={"uri": FILE.as_uri()},
            position={"line": len(lines) - 1, "character": len(lines[-1]) - 1},
        )
        return {each["label"] for each in found["items"]}

    def ask(self, method: str, **parameters: object) -> Any:  # Any: of JSON
        self.number += 1
        self.send({"id": self.number, "method": method, "params": parameters})
        while True:
            message = self.read()
            if message.get("id") == self.number and "method" not in message:
                return message["result"]
            if "id" in message:  # it asks for settings, of which there are none
                items = message.get("params", {}).get("items", [])
                self.send({"id": message["id"], "result": [None] * len(items)})

    def tell(self, method: str, **parameters: object) -> None:
        self.send({"method": method, "params": parameters})

    def send(self, message: Message) -> None:
        body = json.dumps({"jsonrpc": "2.0"} | message).encode()
        self.into.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.into.flush()

    def read(self) -> Message:
        length = 0
        while line := self.out.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            raise EOFError("Pyright has ended")
        message: Message = json.loads(self.out.read(length))
        return message


if __name__ == "__main__":
    main()
