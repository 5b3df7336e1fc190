"""What is counted of a flow, in bounded memory, and how people see it.

* `histogram`: how long things took;
* `counts`: what is counted of one step and of all of them;
* `status`: what a program is told, with its `fields`;
* the same `as_text` for a terminal, `as_page` for a browser, and for a monitoring
  system, `prometheus`.
"""
