"""Run functions in parallel, on threads or on processes.

Start at :mod:`cotality.core.utils.process`.
"""

import sys

if "-c" in getattr(sys, "argv", [])[1:]:  # no interpreter, but perhaps it was to be one
    from .core.utils._process.starting import own_start

    own_start.end_second_program(is_import=True)

# A script such as html.py stands in the way of a module that is imported later. In a
# process that another one has started the arguments tell which script it was.
_script = getattr(sys.modules.get("__main__"), "__file__", None)
for _path in (_script, *getattr(sys, "argv", [])[:1]):
    if str(_path).replace("\\", "/").rpartition("/")[2].partition(".")[0] in (
        sys.stdlib_module_names
    ):
        from .core.utils._process.starting import own_name

        own_name.import_hidden_module()
