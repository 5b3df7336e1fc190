"""Files of JSON lines that a kill at any byte leaves readable. Stands on the machine.

* how lines are appended: `append`, on an open file that closes itself: `handle`;
* how each line proves to be what was written: `seal`; how lines are read: `read`;
* who may write: `lock` for the programs, `trust` for the people;
* what can be wrong with such a file: `errors`.
"""
