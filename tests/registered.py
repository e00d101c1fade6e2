"""A registry for tests and benchmarks: one trained model under several names."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from nlu.manifest import read_manifest, write_manifest
from nlu.registry import Registry


def registered(model: Path, home: Path, *names: str) -> Registry:
    """Each is a day newer than the one before; the last one is current."""
    registry = Registry(home)
    registry.folder.mkdir(parents=True, exist_ok=True)
    for day, name in enumerate(names, 1):
        copy = home / "copy" / name
        shutil.copytree(model, copy, copy_function=_linked)
        write_manifest(copy, replace(read_manifest(copy), id=name, created=f"2026-01-{day:02}T00:00:00+00:00"))
        registry.sign(copy)
        registry.take(copy)
    return registry


def _linked(source: str, copy: str) -> None:
    """The weights are large and never written in place."""
    if source.endswith((".safetensors", ".onnx")):
        try:
            os.link(source, copy)
        except OSError:  # another disk
            shutil.copy(source, copy)
    else:
        shutil.copy(source, copy)
