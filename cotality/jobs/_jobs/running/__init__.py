"""One job in a worker: from its ticket to what became of it. Stands on the API.

* what its body sees: `context`; how its progress gets into the store: `saying`;
* a body, wherever it runs: `body`; where that is: `places`, and what ``"auto"`` has
  seen: `choice`;
* all that happens with a ticket: `runner`; at how many of them it may be: `gates`;
  how long they take: `timing`.
"""
