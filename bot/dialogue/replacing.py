"""`dataclasses.replace` at a fifth of its cost: every turn changes its tracker a dozen times."""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")


def replace(value: T, /, **changes: Any) -> T:
    """Of a dataclass with slots and a constructor that does nothing but set them. Raises TypeError for no field."""
    kind = type(value)
    fields: tuple[str, ...] = kind.__slots__  # type: ignore[attr-defined]  # of a dataclass with slots=True
    made = object.__new__(kind)
    for name in fields:
        object.__setattr__(made, name, changes.pop(name) if name in changes else getattr(value, name))
    if changes:
        raise TypeError(f"{kind.__name__} has no {', '.join(changes)}")
    return made
