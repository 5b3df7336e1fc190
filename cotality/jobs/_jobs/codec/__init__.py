"""By which arguments and results become text, and the same again. Stands on errors.

* what a parameter may be, as its annotation says: `hints`;
* to JSON and back: `values`; the arguments of a call, and a result: `calls`.
"""
