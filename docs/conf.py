"""How Sphinx builds the documentation; ``nox -s docs`` runs it."""

import importlib.util
import inspect
import sys
from pathlib import Path

if importlib.util.find_spec("cotality") is None:  # built from a checkout as it is
    sys.path.insert(0, str(Path(__file__).parents[1]))

project = "cotality"
author = "The cotality developers"
project_copyright = author

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "cotality"

# A link to a heading of another page is checked down to this level.
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]

# `Task` in a docstring is a link where there is something to link to.
default_role = "py:obj"

autodoc_member_order = "bysource"
# Types stand beside the words on a parameter: signatures stay short enough to read.
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
napoleon_google_docstring = True
napoleon_numpy_docstring = False


def without_options(lines: list[str]) -> None:
    """Leave out the line for each option: one table of the reference has them all."""
    if "Options:" in lines:
        del lines[lines.index("Options:") :]


def own_signature(thing: object) -> str | None:
    """What a function has besides options, as one writes it."""
    if not getattr(thing, "__wrapped__", None) or not inspect.isroutine(thing):
        return None
    try:
        own = inspect.signature(thing, follow_wrapped=False)
    except (TypeError, ValueError):
        return None
    bare = [
        each.replace(annotation=inspect.Parameter.empty)
        for each in own.parameters.values()
        if each.name != "self"
    ]
    if not bare or bare[-1].kind is not inspect.Parameter.VAR_KEYWORD:
        return None
    return str(own.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def setup(app: object) -> None:
    connect = app.connect  # type: ignore[attr-defined]  # of Sphinx
    # Before napoleon, which would make a paragraph of the options.
    connect(
        "autodoc-process-docstring",
        lambda app, what, name, thing, options, lines: without_options(lines),
        priority=100,
    )
    connect(
        "autodoc-process-signature",
        lambda app, what, name, thing, options, signature, returned: (
            (own_signature(thing), "") if own_signature(thing) else None
        ),
    )
