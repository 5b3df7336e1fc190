"""The parts of a call of the core, for code that makes calls of another kind.

Provisional: for the floors of this house, and for authors of extensions. Names may come
and go with any release.

* The call: `prepare` checks its arguments and makes a `Prepared`, whose methods
  `results`, `stream`, `outcomes`, `batches` and their twins run it; `checked_limits`
  says when a batch is full. An asynchronous method returns `Awaits`.
* Without a call: `run_in_loop`, with the failures that a call would have;
  `results_with_head_start`, which makes a call if that pays, where
  `can_have_head_start`; `unwrapped`, for outcomes that are already known.
* The tasks: `TasksOver` a function and data, `TasksAfter` others, `total_of` them,
  `data_to_read`, `items_after` the first, gone if the data `can_be_read_once`;
  `NotUnpackableError`; `name_of_function`; `marks_were_used` by the program.
* The arguments, checked in the core's words: `checked_flag`, `checked_count`,
  `checked_path`, `checked_seconds`, `checked_use_processes`, `check_runs`, `count_from`
  the environment; what a wrong one is meant to be: `what_for`, `meant_place`; what is
  `Said` in two words is `agreed`, or a `contradiction`; the report that is `filled_by`
  the option; all options together: `checked_options`; the `name_of_need`, of an option
  that threads cannot keep; the words that messages may use: `Face`. A function that has
  options below its ``**`` shows them if `takes_options_without` some stands above it.
* Their types: `OnError`, `UseProcesses`, `ExecutorName`, `ProgressOption`, `Function`,
  `Variable`; a value: `DEFAULT_GRACE`.
* The log: `log_is_wanted`, `log_loop` for what ran without a call, the `logger`.
"""

from cotality._kit.front_door import front_door

# Type checkers take a variable of this name for true, and see what each name is.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from .utils._process.call.batches import checked_limits
    from .utils._process.call.call_log import log_loop, logger
    from .utils._process.call.face import Face
    from .utils._process.call.functions_async import Awaits
    from .utils._process.call.loops.loop_first import (
        can_have_head_start,
        results_with_head_start,
    )
    from .utils._process.call.loops.plain_loop import run_in_loop, unwrapped
    from .utils._process.call.options.checked import checked_options, name_of_need
    from .utils._process.call.options.declared import (
        DEFAULT_GRACE,
        ExecutorName,
        Function,
        UseProcesses,
        Variable,
        takes_options_without,
    )
    from .utils._process.call.options.wrong_names import meant_place
    from .utils._process.call.prepared import Prepared, prepare
    from .utils._process.machine.environment import count_from, log_is_wanted
    from .utils._process.progress.option import ProgressOption
    from .utils._process.report.option import filled_by
    from .utils._process.tasks.checks import (
        OnError,
        Said,
        agreed,
        check_runs,
        checked_count,
        checked_flag,
        checked_path,
        checked_seconds,
        checked_use_processes,
        contradiction,
    )
    from .utils._process.tasks.data import data_to_read
    from .utils._process.tasks.from_data import (
        NotUnpackableError,
        TasksAfter,
        TasksOver,
        can_be_read_once,
        items_after,
        total_of,
        what_for,
    )
    from .utils._process.tasks.task import marks_were_used, name_of_function

__all__ = [
    "DEFAULT_GRACE",
    "Awaits",
    "ExecutorName",
    "Face",
    "Function",
    "NotUnpackableError",
    "OnError",
    "Prepared",
    "ProgressOption",
    "Said",
    "TasksAfter",
    "TasksOver",
    "UseProcesses",
    "Variable",
    "agreed",
    "can_be_read_once",
    "can_have_head_start",
    "check_runs",
    "checked_count",
    "checked_flag",
    "checked_limits",
    "checked_options",
    "checked_path",
    "checked_seconds",
    "checked_use_processes",
    "contradiction",
    "count_from",
    "data_to_read",
    "filled_by",
    "items_after",
    "log_is_wanted",
    "log_loop",
    "logger",
    "marks_were_used",
    "meant_place",
    "name_of_function",
    "name_of_need",
    "prepare",
    "results_with_head_start",
    "run_in_loop",
    "takes_options_without",
    "total_of",
    "unwrapped",
    "what_for",
]

# In which room of the core each of them is.
LATER = {
    "Awaits": "call.functions_async",
    "DEFAULT_GRACE": "call.options.declared",
    "ExecutorName": "call.options.declared",
    "Face": "call.face",
    "Function": "call.options.declared",
    "NotUnpackableError": "tasks.from_data",
    "OnError": "tasks.checks",
    "Prepared": "call.prepared",
    "ProgressOption": "progress.option",
    "Said": "tasks.checks",
    "TasksAfter": "tasks.from_data",
    "TasksOver": "tasks.from_data",
    "UseProcesses": "call.options.declared",
    "Variable": "call.options.declared",
    "agreed": "tasks.checks",
    "can_be_read_once": "tasks.from_data",
    "can_have_head_start": "call.loops.loop_first",
    "check_runs": "tasks.checks",
    "checked_count": "tasks.checks",
    "checked_flag": "tasks.checks",
    "checked_limits": "call.batches",
    "checked_options": "call.options.checked",
    "checked_path": "tasks.checks",
    "checked_seconds": "tasks.checks",
    "checked_use_processes": "tasks.checks",
    "contradiction": "tasks.checks",
    "count_from": "machine.environment",
    "data_to_read": "tasks.data",
    "filled_by": "report.option",
    "items_after": "tasks.from_data",
    "log_is_wanted": "machine.environment",
    "log_loop": "call.call_log",
    "logger": "call.call_log",
    "marks_were_used": "tasks.task",
    "meant_place": "call.options.wrong_names",
    "name_of_function": "tasks.task",
    "name_of_need": "call.options.checked",
    "prepare": "call.prepared",
    "results_with_head_start": "call.loops.loop_first",
    "run_in_loop": "call.loops.plain_loop",
    "takes_options_without": "call.options.declared",
    "total_of": "tasks.from_data",
    "unwrapped": "call.loops.plain_loop",
    "what_for": "tasks.from_data",
}

if not TYPE_CHECKING:
    __getattr__, __dir__ = front_door(globals(), "cotality.core.utils._process", LATER)
