"""Files of JSON lines that a kill at any byte leaves readable, one idea a file.

* how lines are appended: `file`, on an open file that closes itself: `handle`;
* how each line proves to be what was written: `seal`; how lines are read: `reader`;
* who may write: `lock` for the programs, `trust` for the people;
* what can be wrong with such a file: `errors`.
"""
