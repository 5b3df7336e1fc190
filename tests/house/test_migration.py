"""The tables of the pages for people who come from elsewhere: each line works.

Of each row the right cell is run, and the left one too where the library is installed;
both have to give the same. The first block of Python in a page is what its lines are
about.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.house.test_docs import FENCE, environment
from tests.kit.limits import LONG_S

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "do").glob("from-*.md"))
ROW = re.compile(r"^\| `(.+?)` \| `(.+?)` \|$", re.M)

pytestmark = pytest.mark.one_python

# What the left column needs: the library, what its lines import, and their pool.
LEFT = {
    "from-joblib": ("joblib", "from joblib import Parallel, cpu_count, delayed", ""),
    "from-multiprocessing": (
        "multiprocessing",
        "from multiprocessing import Pool\nfrom multiprocessing.pool import ThreadPool",
        "Pool(2)",
    ),
    "from-concurrent-futures": (
        "concurrent.futures",
        "from concurrent.futures import *\nfrom multiprocessing import get_context",
        "ProcessPoolExecutor(2)",
    ),
    "from-mpire": ("mpire", "from mpire import WorkerPool", "WorkerPool(2)"),
}
# Likewise on the right.
POOLS = {"from-concurrent-futures": "IsolatedProcessPoolExecutor(2)"}

# Runs lines one by one. What gives the same results in another order is the same.
RUNNER = """
import json

def value_of(line):
    try:
        code = compile(line, line, "eval")
    except SyntaxError:
        exec(line, globals())
        return ["done"]
    found = eval(code, globals())
    return sorted(map(repr, found)) if isinstance(found, list) else [repr(found)]

if __name__ == "__main__":
    {pool}
    found = [value_of(line) for line in {lines!r}]
    print("\\n" + json.dumps(found))
"""


@dataclass(frozen=True)
class Page:
    name: str
    setup: str
    rows: list[tuple[str, str]]


def page_of(path: Path) -> Page:
    text = path.read_text("utf-8")
    setup = next(found[2] for found in FENCE.finditer(text) if found[1] == "python")
    return Page(path.stem, setup, ROW.findall(text))


def values(program: str, lines: list[str], pool: str, folder: Path) -> list[list[str]]:
    """What each of *lines* gives, below *program*."""
    made = f"pool = {pool}" if pool else "pass"
    script = folder / "script.py"
    script.write_text(program + RUNNER.format(pool=made, lines=lines), "utf-8")
    ended = subprocess.run(
        [sys.executable, script.name],
        cwd=folder,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=4 * LONG_S,
    )
    assert ended.returncode == 0, ended.stderr
    found: list[list[str]] = json.loads(ended.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_each_line_does_what_the_other_did(path: Path, tmp_path: Path) -> None:
    """Or at least works, where the other cannot be asked."""
    page = page_of(path)
    lines = path.read_text("utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| `")]
    assert len(rows) == len(page.rows) > 8, "a row has two cells of code"

    right = [code for _, code in page.rows]
    ours = values(page.setup, right, POOLS.get(page.name, ""), tmp_path)

    library, imports, pool = LEFT.get(page.name, ("", "", ""))
    if not library or find_spec(library.partition(".")[0]) is None:
        return
    left = [code for code, _ in page.rows]
    theirs = values(f"{page.setup}\n{imports}\n", left, pool, tmp_path)
    for (code, _), one, other in zip(page.rows, theirs, ours, strict=True):
        assert one == other, code


def test_each_library_has_its_page() -> None:
    """And each page is found."""
    index = (ROOT / "docs" / "index.md").read_text("utf-8")

    assert len(PAGES) == 5
    assert all(f"do/{path.stem}\n" in index for path in PAGES)
