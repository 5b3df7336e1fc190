"""Where figures were taken, and how much memory that took."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

PACKAGES = ("cotality", "joblib", "loky", "mpire", "pebble", "numpy", "psutil")


def machine() -> dict[str, object]:
    """What the figures depend on."""
    from benchmarks.contenders import CORES

    return {
        "cpu": cpu_model(),
        "cores": CORES,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "versions": versions(),
    }


def cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    found.setdefault("cotality", "checkout")
    return found


def load() -> float | None:
    """How many programs wanted a CPU in the last minute."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def peak_memory_of_all() -> float:
    """The peaks of this process and of all it has started that still run, in MB."""
    import psutil

    this = psutil.Process()
    return sum(map(peak_memory, [this, *this.children(recursive=True)]))


def forget_peak() -> float:
    """Let the peak of this process start anew; the physical memory it has, in MB."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")
    return memory_now()


def memory_now() -> float:
    import psutil

    return psutil.Process().memory_info().rss / 2**20


def peak_since() -> float:
    """The most physical memory of this process since `forget_peak`, in MB."""
    import psutil

    return peak_memory(psutil.Process())


def unique_memory() -> float:
    """What would be free if this process ended: memory nobody shares, in MB."""
    import psutil

    return psutil.Process().memory_full_info().uss / 2**20


def peak_memory(process: object) -> float:
    """The most physical memory *process* has had, in MB; what it has, elsewhere."""
    if sys.platform == "linux":
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            return 0.0  # it has just ended
        lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(lines[0].split()[1]) / 1024 if lines else 0.0
    memory = process.memory_info()
    return getattr(memory, "peak_wset", memory.rss) / 2**20
