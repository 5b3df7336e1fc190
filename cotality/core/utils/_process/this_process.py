"""What this process is.

Here and not in `worker`, so that to ask takes no import of what a worker needs.
"""

from __future__ import annotations

# Whether it is a worker of ours: then it does not multiply processes by default.
is_worker = False
