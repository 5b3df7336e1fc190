"""The permanent address of what pickles of ours name: not to be renamed, nor moved.

A pickle names functions and classes by their module and their name, and it may outlive
the release that made it: in a journal, a dead letter, a file of yours. All that it can
name of the inside of this package is here, under names that stay. What each of them is
given, and what it makes of that, stays the same as well; a new form gets a new name.

Provisional for everybody but pickles: call nothing of it yourself. What is public is
named by where it is imported from, such as :mod:`cotality.core.utils.process`.
"""

from importlib import import_module

# Where each of them is, and its name there, which may change with any release.
LATER = {
    "FailureGroup": ("report.failure_groups", "FailureGroup"),
    "PackedException": ("pickling.exceptions", "Node"),
    "PackedFrame": ("tasks.tracebacks", "PackedFrame"),
    "Pieces": ("report.diary", "Pieces"),
    "RanAlone": ("rules.seen", "Alone"),
    "RunDiary": ("report.diary", "RunDiary"),
    "RunSeen": ("report.seen", "Seen"),
    "SlowTask": ("report.worker_rows", "SlowTask"),
    "Slowest": ("report.worker_rows", "Slowest"),
    "Span": ("report.timeline", "Span"),
    "Timeline": ("report.timeline", "Timeline"),
    "WorkerRow": ("report.worker_rows", "WorkerRow"),
    "WorkerState": ("packing.worker_state", "PerWorker"),
    "define_globals": ("scripts.names", "bind"),
    "import_class": ("pickling.class_at", "class_at"),
    "import_context_variable": ("pickling.context_variables", "imported"),
    "import_from_files": ("scripts.off_path", "found"),
    "make_cached_property": ("scripts.forms", "make_property"),
    "make_class": ("scripts.forms", "make_class"),
    "make_code": ("pickling.by_value", "make_code"),
    "make_context_variable": ("pickling.context_variables", "numbered"),
    "make_enum": ("scripts.forms", "make_enum"),
    "make_exception": ("pickling.exceptions", "rebuild_from_fields"),
    "make_function": ("scripts.forms", "make_function"),
    "make_lru_cache": ("scripts.forms", "make_cache"),
    "make_new_type": ("scripts.forms", "make_new_type"),
    "make_param_spec": ("scripts.forms", "make_parameters"),
    "make_shared": ("packing.share", "itself"),
    "make_single_dispatch": ("scripts.forms", "make_dispatcher"),
    "recall_attribute": ("scripts.references", "attribute_of"),
    "recall_global": ("scripts.references", "recalled"),
    "register_implementations": ("scripts.forms", "register_all"),
    "set_class_state": ("scripts.forms", "set_class_state"),
    "set_function_state": ("pickling.set_by_initializer", "set_function_state"),
}


def __getattr__(name: str) -> object:
    if name not in LATER:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}: it was pickled by a later"
            f" version of cotality"
        )
    module, name_there = LATER[name]
    thing: object = getattr(
        import_module(f"._process.{module}", __package__), name_there
    )
    globals()[name] = thing
    return thing
