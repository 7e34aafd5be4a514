"""The machine and the software that a benchmark ran on."""

import importlib.metadata
import os
import platform
from typing import Any

PACKAGES = ("numpy", "numba", "torch", "openvino", "onnxruntime", "opencv-python-headless")


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu() -> str:
    """The processor's name, with the instruction sets that matter for matrix products."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            entries = dict(line.split(":", 1) for line in file if ":" in line)
    except OSError:
        return platform.processor() or platform.machine()
    fields = {key.strip(): value.strip() for key, value in entries.items()}
    flags = fields.get("flags", fields.get("Features", "")).split()
    wide = [flag for flag in ("avx2", "avx512f", "amx_tile", "asimd", "sve") if flag in flags]
    return f"{fields.get('model name', platform.machine())} ({', '.join(wide) or 'no wide instructions'})"


def versions() -> dict[str, str | None]:
    """{package: version}; None for a package that is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


def describe(threads: int) -> dict[str, Any]:
    """Everything about the machine, for the head of the report and the JSON file."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return {"cpu": cpu(), "cores": cores(), "threads": threads, "system": f"{platform.system()} {platform.release()}",
            "load": round(load, 2), "versions": versions()}
