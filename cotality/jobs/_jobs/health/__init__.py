"""Whether queues are well, said once when they are not.

* what is looked at: `figures`; when that is too much: `alert_rules`, and the `alerts`
  that say so;
* who looks, and tells: `watch`; that several who look tell it once: `alert_file`, or a
  `note` that one leaves to the next;
* the same for others to look at: `prometheus`.
"""
