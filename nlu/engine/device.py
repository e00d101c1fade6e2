"""The device that a model runs on, told without importing torch where there can be no GPU."""

from __future__ import annotations

import sys
from pathlib import Path

from threadpoolctl import threadpool_limits

from nlu.source import Mendable

_GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Of NVIDIA, AMD, and of Windows below Linux. Without them torch, which takes a second to import, finds none."""


class DeviceError(Mendable):
    """The device cannot be used; the sentence says what to do."""


def choose_device(wanted: str) -> str:
    """`cpu` or `cuda`; `auto` is the GPU if there is one. Raises DeviceError."""
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
