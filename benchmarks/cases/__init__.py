"""What is measured. Every case is found here by its name."""

from benchmarks.cases import (
    balance,
    callers,
    journal,
    large,
    latency,
    stream,
    tiny,
    watching,
)
from benchmarks.measure import Case

CASES: dict[str, Case] = {
    case.name: case
    for group in (tiny, balance, large, stream, latency, callers, journal, watching)
    for case in group.CASES
}
