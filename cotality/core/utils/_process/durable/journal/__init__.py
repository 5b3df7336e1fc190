"""What a run writes down so that another one can go on. Stands on files and keys.

* what a caller gives: `journal`, as an `option`; what stands for a result that was not
  kept: `skipped`;
* who writes while a call runs: `recorder`, with `lines` for what an event looks like,
  `results` for the files beside the journal, and `calls` for what people are shown;
* who reads before it runs: `index` for what earlier runs have done, `lookup` for each
  task of this one;
* what a person is shown: `summary`, called by :mod:`cotality.core.utils.journal`.
"""
