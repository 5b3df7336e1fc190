"""What this process is.

Here and not in `worker`, so that to ask takes no import of what a worker needs.
"""

from __future__ import annotations

# Whether it is a worker of ours: then it does not multiply processes by default.
is_worker = False
# When it had begun and when it was ready for its first item, by perf_counter, and how
# long (s) its initializer took; zeros if it is no worker.
born_at = ready_at = 0.0
set_up_seconds = 0.0
