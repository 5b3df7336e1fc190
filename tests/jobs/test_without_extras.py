"""Each door of the jobs floor says what to install where its extra is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

# A Python in which nobody has installed what `cotality[jobs]` brings.
BARE = """
import sys
import time

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"sqlalchemy", "cronsim", "standardwebhooks"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from cotality.jobs import Jobs
from cotality.jobs.webhooks import StandardWebhook

def work(): ...

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HEADERS = {"webhook-id": "a", "webhook-timestamp": f"{int(time.time())}",
           "webhook-signature": "v1,abcd"}
jobs = Jobs("sqlite:///nothing.db")
assert repr(jobs).endswith("nothing.db')"), repr(jobs)
job = jobs.job(work)
try:
    {call}
except Exception as error:
    print(error)
"""
CALLS = [
    "jobs.prepare()",
    "job.enqueue_sync()",
    "jobs.list()",
    "jobs.stats()",
    "jobs.handle('a').status_sync()",
    "jobs.cancel('a')",
    "jobs.transaction().__enter__()",
    "jobs.schedule('s', '0 * * * *', job)",
    "StandardWebhook(secrets=[SECRET]).verify(HEADERS, b'{}')",
]


@pytest.mark.parametrize("call", CALLS)
def test_it_says_what_to_install(call: str) -> None:
    code = BARE.replace("{call}", call)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert "pip install 'cotality[jobs]'" in done.stdout
