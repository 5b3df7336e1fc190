"""What is measured. Every case is found here by its name."""

from benchmarks.cases import (
    balance,
    callers,
    frames,
    journal,
    large,
    latency,
    stream,
    tiny,
    watching,
)
from benchmarks.measure import Case

GROUPS = (
    *(tiny, balance, large, frames, stream),
    *(latency, callers, journal, watching),
)
CASES: dict[str, Case] = {case.name: case for group in GROUPS for case in group.CASES}
