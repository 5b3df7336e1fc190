"""What a run writes down so that another one can go on, one idea a file.

* what a caller gives: `journal`, as an `option`; what stands for a result
  that was not kept: `skipped`;
* who writes while a call runs: `recorder`, with `lines` for what an event looks like
  and `results` for the files beside the journal;
* who reads before it runs: `past` for what earlier runs have done, `memory` for each
  task of this one;
* what a person is shown: `summary`, called by :mod:`cotality.core.utils.journal`.
"""

from .journal import Journal as Journal
from .skipped import Skipped as Skipped
