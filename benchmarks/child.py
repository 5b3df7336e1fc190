"""What a fresh interpreter does: ``python child.py CASE CONTENDER``.

Measures one contender once and prints its samples as the last line, in JSON.
"""

import json
import sys
from pathlib import Path


def main(case: str, contender: str) -> None:
    from benchmarks.cases import CASES

    print(json.dumps(CASES[case].contenders[contender]()))


if __name__ == "__main__":
    sys.path[:1] = []
    sys.path.append(str(Path(__file__).parents[1]))
    main(*sys.argv[1:])
