"""How fast the package is, next to other ways to do the same; never a timed test.

``python benchmarks/run.py`` measures everything, ``--help`` says what else it
can do. Where to look:

* ``cases/``: what is measured, one file for each group of cases;
* ``contenders.py``: the ways to run many calls that are compared;
* ``work.py``: the functions they run; ``server.py``: whom some of them ask;
* ``measure.py``: fresh interpreters, rounds, best and median;
* ``child.py``: what such an interpreter does; ``first.py``: a first call from nothing;
* ``report.py``: the table, the JSON file, the page of the documentation;
* ``marks.py``: where the figures of a page stand;
* ``picture.py``: its picture;
* ``machine.py``: where the figures were taken.
"""
