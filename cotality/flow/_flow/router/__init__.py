"""The one process in the middle. It sees bytes and never what is in them.

* `router`: its turn, what clients ask it for, and its own end;
* `loop`: what it looks at, and its `timers`;
* clients: the `hall` that they come into, where each is a `guest`, whose other end is a
  `peer` of an allowed user;
* workers: the `crew`, whose processes a thread starts, the `starter`;
* steps: a `station` is a step at work, and each of its workers has a `seat`; how much
  one of them is given at a time: `pace`;
* items: the `desk` knows who waits where and what becomes of an `item`; a `line` waits
  for a step;
* the process that has started it: `parent`; what it says of itself: `report`.
"""
