"""What tasks log, print and warn of, on its way to the parent. Stands on the channel.

* in the worker: `capture`, and `filters` for what the parent would take at all;
* on the way: `log_records`, `warning_records`;
* in the parent: `relay`, and `show` for handlers and streams.
"""
