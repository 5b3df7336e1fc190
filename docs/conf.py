"""How Sphinx builds the documentation; ``nox -s docs`` runs it."""

import importlib.util
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

# The order of the source is the order a reader needs: first what most people call.
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
