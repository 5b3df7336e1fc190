"""What is measured. Every case is found here by its name."""

from tests.benchmarks.cases import balance, latency, stream, tiny
from tests.benchmarks.measure import Case

CASES: dict[str, Case] = {
    case.name: case
    for group in (tiny, balance, stream, latency)
    for case in group.CASES
}
