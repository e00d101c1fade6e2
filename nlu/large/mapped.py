"""Arrays of a safetensors file that stay on the disk until they are read, and are shared by all processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES = {"F16": "<f2", "F32": "<f4", "I8": "i1", "I32": "<i4", "I64": "<i8", "U64": "<u8"}


def mapped(path: Path) -> dict[str, NDArray[Any]]:
    """The format is eight bytes with the header's length, the header in JSON, and the arrays one after another.
    Raises ValueError and KeyError for a file that holds anything else."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    data = np.memmap(path, np.uint8, "r", 8 + length).view(np.ndarray)
    return {name: _array(data, told) for name, told in header.items() if name != "__metadata__"}


def _array(data: NDArray[np.uint8], told: dict[str, Any]) -> NDArray[Any]:
    start, end = told["data_offsets"]
    return data[start:end].view(_TYPES[told["dtype"]]).reshape(told["shape"])
