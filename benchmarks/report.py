"""What people see: the table, the JSON file, the page of the documentation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from benchmarks.marks import fill
from benchmarks.measure import Case, Result, Row

HEAD = (
    *("case", "contender", "best", "median", "unit"),
    *("to ours", "to best peer", "target", "met"),
)
BEGIN = "<!-- figures: begin; written by benchmarks/run.py --markdown -->"
END = "<!-- figures: end -->"


def cells(row: Row) -> list[str]:
    target, met = row.verdict or ("", None)
    return [
        row.case.name,
        row.contender,
        number(row.best),
        number(row.median),
        row.figure.unit,
        "" if row.ratio is None else f"{row.ratio:,.2f}x",
        "" if row.to_best is None else f"{row.to_best:,.2f}x",
        str(target),
        {None: "", True: "yes", False: "NO"}[met],
    ]


def number(value: float) -> str:
    """*value* with three digits that mean something."""
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2
    return f"{value:,.{digits}f}"


def table(results: Iterable[Result]) -> str:
    """One aligned table of everything, and what went wrong below it."""
    results = list(results)
    lines = [HEAD, *(cells(row) for result in results for row in result.rows())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * width for width in widths]
    text = [aligned(line, widths) for line in (lines[0], rule, *lines[1:])]
    return "\n".join([*text, *problems(results)])


def aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    numbers = {2, 3, 5, 6}
    return "  ".join(
        cell.rjust(width) if column in numbers else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    ).rstrip()


def problems(results: Iterable[Result]) -> list[str]:
    return [
        f"{result.case.name}: {contender}: {problem}"
        for result in results
        for contender, problem in result.problems.items()
    ]


def write_json(path: Path, results: Iterable[Result], facts: dict[str, object]) -> None:
    """Every sample, what it comes to, and where it was taken."""
    cases = {result.case.name: case_as_data(result) for result in results}
    path.write_text(json.dumps({**facts, "cases": cases}, indent=1) + "\n", "utf-8")


def read_json(
    path: Path, cases: Mapping[str, Case]
) -> tuple[list[Result], dict[str, object]]:
    """What `write_json` wrote, of the cases that are still there."""
    facts = json.loads(path.read_text("utf-8"))
    results = []
    for name, data in facts.pop("cases").items():
        if name in cases:
            result = Result(cases[name], problems=data["problems"])
            for figure in data["figures"]:
                samples = {figure["figure"]: figure["samples"]}
                result.add(figure["contender"], samples)
            results.append(result)
    return results, facts


def case_as_data(result: Result) -> dict[str, object]:
    return {
        "about": result.case.about,
        "problems": result.problems,
        "figures": [row_as_data(result, row) for row in result.rows()],
    }


def row_as_data(result: Result, row: Row) -> dict[str, object]:
    target, met = row.verdict or (None, None)
    return {
        "contender": row.contender,
        "figure": row.figure.key,
        "unit": row.figure.unit,
        "best": row.best,
        "median": row.median,
        "ratio_to_ours": row.ratio,
        "ratio_to_best_peer": row.to_best,
        "target": None if target is None else str(target),
        "target_met": met,
        "samples": result.samples[row.contender][row.figure.key],
    }


def write_markdown(
    path: Path, results: Iterable[Result], facts: dict[str, object]
) -> None:
    """Put the figures between the marks that the page *path* has for them.

    Raises:
        ValueError: The page has no such marks.
    """
    fill(path, BEGIN, END, [markdown(list(results), facts)])


def markdown(results: list[Result], facts: dict[str, object]) -> str:
    runs = [facts]
    while "earlier" in runs[-1]:
        runs.append(runs[-1]["earlier"])
    parts = [provenance(runs[0])]
    parts += [f"Cases not named there: {provenance(run)}" for run in runs[1:]]
    for result in results:
        parts.append(f"### {result.case.name}\n\n{result.case.about}")
        parts.append(markdown_table(list(result.rows())))
        parts.extend(f"Left out: {problem}." for problem in problems([result]))
    ahead = [row for result in results for row in result.rows() if row.is_ahead_of_us]
    parts.append("### Where others are ahead\n\n" + said_of_those_ahead(ahead))
    return "\n\n".join(parts)


def provenance(facts: dict[str, object]) -> str:
    machine = facts["machine"]
    others = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
    return (
        f"Taken on {facts['date']} with `{facts['command']}`: {facts['rounds']} rounds "
        f"on {machine['cores']} cores ({machine['cpu']}), {machine['system']}, "
        f"{machine['python']}; {others}. The load of the machine was "
        f"{facts['load_before']} before and {facts['load_after']} at the end."
    )


def markdown_table(rows: list[Row]) -> str:
    lines = [
        "| | best | median | unit | to ours | to best peer | target |",
        "|---|--:|--:|---|--:|--:|---|",
    ]
    for row in rows:
        _, contender, best, median, unit, ratio, to_best, target, met = cells(row)
        wanted = f"{target}: {met.lower()}" if met else ""
        wanted = wanted.replace(">=", "≥").replace("<=", "≤")
        shown = (contender, best, median, unit, ratio, to_best, wanted)
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join(lines)


def said_of_those_ahead(rows: Iterable[Row]) -> str:
    lines = []
    for case, group in groupby(rows, key=lambda row: row.case.name):
        names = ", ".join(f"{row.contender} ({row.ratio:.2f} of ours)" for row in group)
        lines.append(f"- **{case}**: {names}")
    return "\n".join(lines) if lines else "In this run nobody was, by more than 3 %."
