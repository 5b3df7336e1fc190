"""What is counted of a flow, in bounded memory, and how people see it.

* `histogram`: how long things took;
* `counts`: what is counted of one step and of all of them;
* `status`: what a program is told;
* `prometheus`: the same as a text for a monitoring system.
"""
