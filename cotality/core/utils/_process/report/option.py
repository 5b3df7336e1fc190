"""The option ``report`` of a call."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from cotality._kit.safe_text import printable
from cotality._kit.struck import is_of_a_signal
from cotality.core.utils._process.machine.environment import LOGGER
from cotality.core.utils._process.tasks.checks import path_in

from .recorder import Recorder
from .run_report import RunReport

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(LOGGER)

# What is written into a file whose name ends so.
KINDS = {
    ".html": "the page",
    ".htm": "the page",
    ".json": "the trace",
    ".txt": "the summary and the explanation",
}


class FiledReport(RunReport):
    """A report that is written into a file when its call ends, however it ends."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def recorder(self) -> Recorder:
        super().recorder()  # takes it for this call
        return FilingRecorder(self)

    def save(self) -> None:
        match self.path.suffix.lower():
            case ".json":
                self.save_trace(self.path)
            case ".txt":
                text = f"{self.summary()}\n\n{self.explain()}\n"
                self.path.write_text(text, "utf-8")
            case _:
                self.save_html(self.path)


class FilingRecorder(Recorder):
    """Writes the file as the last thing that it does."""

    def __init__(self, report: FiledReport) -> None:
        super().__init__(report)
        self.filed = report

    def ended(self, error: BaseException | None) -> None:
        super().ended(error)
        try:
            self.filed.save()
        except Exception as raised:
            if is_of_a_signal(raised):
                raise
            # The results are there: they are worth more than what is said of them.
            said = printable(f"report={str(self.filed.path)!r} cannot be written")
            logger.warning("%s", said, exc_info=True)


def filled_by(report: object) -> RunReport | None:
    """The report that a call with this option fills; None if nobody wants one.

    Raises:
        TypeError: It is neither a `RunReport`, nor the path of a file, nor None.
        ValueError: The name of the file does not say what it is to hold.
        FileNotFoundError: Its folder does not exist.
    """
    if report is None or isinstance(report, RunReport):
        return report
    path = path_in(report)
    if path is None:
        raise TypeError(
            f"report must be a file such as 'run.html', or a RunReport to be filled, "
            f"got {report!r}. Write report = RunReport() before the call, and look at "
            f"it afterwards."
        )
    if path.suffix.lower() not in KINDS:
        kinds = ", ".join(f"{end} for {what}" for end, what in KINDS.items())
        raise ValueError(
            f"report={os.fspath(path)!r} must end in what it is to hold: {kinds}"
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"report={os.fspath(path)!r} is in a folder that does not exist. Make "
            f"{os.fspath(path.parent)!r} first."
        )
    return FiledReport(path.absolute())
