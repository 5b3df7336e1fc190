"""Texts hash in workers as in the program, if that says how."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.helpers import environment_of_scripts
from tests.kit.limits import LONG_S

PROGRAM = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from cotality.core.utils.process import *

texts = ["a", "text", b"bytes"]
here = list(map(hash, texts))
context = {"ours": None, "spawn": multiprocessing.get_context("spawn")}[sys.argv[1]]
if __name__ == "__main__":
    with IsolatedProcessPoolExecutor(1, context) as executor:
        print(list(executor.map(hash, texts)) == here)
    tasks = [Task.of(hash, text) for text in texts]
    print(execute_tasks_in_parallel(tasks, 1, True) == here)
"""


@pytest.mark.one_python
@pytest.mark.parametrize("context", ["ours", "spawn"])
@pytest.mark.parametrize(("seed", "same"), [("0", True), ("7", True), (None, False)])
def test_workers_have_the_seed_of_the_program(
    seed: str | None, same: bool, context: str, tmp_path: Path
) -> None:
    """Without one each has its own: then nobody should go by such a hash."""
    script = tmp_path / "program.py"
    script.write_text(PROGRAM, "utf-8")
    environment = environment_of_scripts()
    environment.pop("PYTHONHASHSEED", None)
    if seed is not None:
        environment["PYTHONHASHSEED"] = seed

    printed = subprocess.run(
        [sys.executable, "-W", "error", os.fspath(script), context],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=LONG_S * 2,
        check=True,
    ).stdout

    assert printed == f"{same}\n{same}\n"
