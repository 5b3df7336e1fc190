"""Files of JSON lines that a kill at any byte leaves readable, one idea a file.

* how lines are appended: `file`; how they are read: `reader`;
* who may write: `lock`;
* what can be wrong with such a file: `errors`.
"""
