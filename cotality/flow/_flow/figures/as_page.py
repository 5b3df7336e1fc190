"""How a flow is, as a small page for a browser.

It is one file without a script: the browser asks again by itself. On a narrow screen
the figures of a step stand below each other.
"""

from __future__ import annotations

from html import escape

from cotality._kit.safe_text import printable

from .as_text import heads, rate_of, times_of
from .fields import FlowFields, StepStatus

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{refresh}<title>Flow: {state}</title>
<style>{style}</style>
</head>
<body>
<h1>Flow <span class="{mood}">{state}</span></h1>
{lines}
{steps}
</body>
</html>
"""

STYLE = """
:root { color-scheme: light dark; --line: #8884; --quiet: #767676;
  --good: #1a7f37; --bad: #c62828; }
@media (prefers-color-scheme: dark) {
  :root { --quiet: #9a9a9a; --good: #56d364; --bad: #ff7b72; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 1rem auto; padding: 0 1rem;
  max-width: 60rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
h1 { font-size: 1.3rem; margin: 0 0 .5rem; }
h2 { font-size: 1.05rem; margin: 0; display: flex; gap: .7rem; flex-wrap: wrap;
  justify-content: space-between; align-items: baseline; }
h2 span { font-weight: normal; font-size: .9rem; color: var(--quiet); }
h1 span { font-weight: normal; }
.good { color: var(--good); }
.bad, h2 .bad { color: var(--bad); }
p { margin: .2rem 0; }
section { border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem;
  margin: 1rem 0; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr));
  gap: .6rem 1rem; margin: .7rem 0 0; }
dt { color: var(--quiet); font-size: .8rem; line-height: 1.3; }
dd { margin: 0; font-size: 1.1rem; }
"""


def as_page(status: FlowFields, refresh: float | None) -> str:
    """The whole page."""
    again = f'<meta http-equiv="refresh" content="{refresh:g}">\n' if refresh else ""
    lines = heads(status) if status.live else ["Nobody answers."]
    lines[0] = lines[0].removeprefix(f"{status.state}, ")  # the heading says it
    return PAGE.format(
        refresh=again,
        state=status.state,
        mood="good" if status.ready else "bad",
        style=STYLE,
        lines="\n".join(f"<p>{escape(line)}</p>" for line in lines),
        steps="\n".join(map(of_step, status.steps)),
    )


def of_step(step: StepStatus) -> str:
    """What a page says of one step."""
    state = (
        '<span class="bad">down</span>'
        if step.is_down
        else f"<span>{step.ready} of {step.workers} workers ready</span>"
    )
    figures = "\n".join(
        f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>"
        for name, value in figures_of(step).items()
    )
    reason = f'<p class="bad">{shown(step.reason)}</p>\n' if step.is_down else ""
    return (
        f"<section>\n<h2>{shown(step.name)} {state}</h2>\n{reason}"
        f"<dl>\n{figures}\n</dl>\n</section>"
    )


def figures_of(step: StepStatus) -> dict[str, str]:
    waited_p50, waited_p99, handled_p50, handled_p99 = times_of(step)
    return {
        "busy": f"{step.busy}",
        "waiting": f"{step.depth:,}",
        "items a second": rate_of(step),
        "batch, mean": f"{step.batch_size:.1f}",
        "waited, p50": waited_p50,
        "waited, p99": waited_p99,
        "handled, p50": handled_p50,
        "handled, p99": handled_p99,
        "items": f"{step.items:,}",
        "failed": f"{step.failed:,}",
        "restarts": f"{step.restarts:,}",
    }


def shown(text: str) -> str:
    return escape(printable(text))
