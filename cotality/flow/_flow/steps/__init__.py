"""What people write down of a flow, and what becomes of it for others.

* `handler`: what a step runs, by its `signatures`;
* `step`: how many workers run it, and how items are handed to them;
* `routes`: which step an item comes to next;
* `plan`: all of it as plain data, with the `work` of each step packed.
"""
