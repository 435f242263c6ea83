"""The last few things that were computed. Knows no Streamlit and no torch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Bounded(OrderedDict[Hashable, Any]):
    """The last few things computed."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def put(self, key: Hashable, value: Any) -> None:
        self[key] = value
        while len(self) > self._most:
            self.popitem(last=False)

    def get_or(self, key: Hashable, compute: Callable[[], T]) -> T:
        if key not in self:
            self.put(key, compute())
        self.move_to_end(key)
        found: T = self[key]
        return found
