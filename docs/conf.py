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

# `Task` in a docstring is a link where there is something to link to.
default_role = "py:obj"

autodoc_member_order = "bysource"
# Types stand beside the words on a parameter: signatures stay short enough to read.
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
