"""One set of workers for all requests of a service. Stands on work.

* what people hold: `manager`.
"""
