"""The device that a model runs on, told without importing torch where there can be no GPU."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from threadpoolctl import threadpool_limits

from nlu.source import Mendable

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Of NVIDIA, AMD, and of Windows below Linux. Without them torch, which takes a second to import, finds none."""


class DeviceError(Mendable):
    """The device cannot be used; the sentence says what to do."""


def choose_device(wanted: str) -> str:
    """`cpu` or `cuda`; `auto` is the GPU if there is one. Raises DeviceError."""
    if wanted not in ("auto", "cpu", "cuda"):
        raise DeviceError(f"There is no device '{wanted}': choose auto, cpu or cuda.")
    if wanted == "cpu" or (wanted == "auto" and not _may_have_gpu()):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "cuda":
        raise DeviceError("There is no GPU that torch can use here: set FRONTDESK_DEVICE=cpu, or leave it out.")
    return "cpu"


def _may_have_gpu() -> bool:
    return not sys.platform.startswith("linux") or any(Path(gpu).exists() for gpu in _GPUS)


def set_threads(threads: int) -> None:
    """Of torch, where it is used; 0 leaves it its default: one a core. NumPy gets one: its products here are too small
    to share."""
    if threads > 0 and "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    threadpool_limits(1, user_api="blas")


def cores() -> int:
    """Those that this process may use: of its affinity, and of its container's quota."""
    try:
        found = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        found = os.cpu_count() or 1
    return max(1, min(found, _quota()))


def _quota() -> int:
    """Whole cores that the control group grants."""
    try:
        granted, period = _QUOTA.read_text("utf-8").split()
        return int(granted) // int(period)
    except (OSError, ValueError):  # no control group, or "max"
        return sys.maxsize
