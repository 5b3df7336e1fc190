"""What an item is made of, on real parts.

* what is done for an item: `recipe`; all of it, and its value: `items`; the same where
  an event loop waits: `waiting`;
* its parts: a query to a `database`, which may be a `sqlite_file`, a look-up in a
  `cache`, computation in `loops`; the table that is asked: `filling`;
* what all values together come to, in any order: `checksum`.
"""
