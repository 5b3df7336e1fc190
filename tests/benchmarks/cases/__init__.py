"""What is measured. Every case is found here by its name."""

from tests.benchmarks.cases import balance, large, latency, stream, tiny
from tests.benchmarks.measure import Case

CASES: dict[str, Case] = {
    case.name: case
    for group in (tiny, balance, large, stream, latency)
    for case in group.CASES
}
