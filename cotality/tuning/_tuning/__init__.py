"""How :mod:`cotality.tuning` works inside: a folder of rooms, from the top down.

* ``python -m cotality.tuning``: `cli`;
* side by side: `runs`, what people call, and `pools`, workers for many requests;
* side by side: `work`, what is to be run, and `limits`, for what fails;
* `plans`: how some work should be run;
* side by side: `logs`, and `system`, behind :mod:`cotality.tuning.system`.
"""
