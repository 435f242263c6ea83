"""YAML as people mean it: names stay the text that was written, no key is there twice, every mistake is a sentence.

YAML 1.1 takes ``no`` for False and ``010`` for 8. What is a name here and what a number, only the reader of a key
knows; so the file is kept as a tree whose leaves have both, and ``Section`` asks for the one it needs.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from gallop.errors import BenchError

_DEEPEST = 20  # levels; no specification needs more than six


@dataclass(frozen=True)
class Leaf:
    """A scalar: the ``text`` that was written, and what YAML takes it for."""

    text: str
    value: Any


Tree = dict[str, Any] | list[Any] | Leaf
"""Of dicts, lists and leaves."""


def read_tree(text: str, source: str) -> Tree:
    """Return the tree of a YAML file.

    Args:
        source: what the file is called in messages.

    Raises:
        BenchError: not YAML, more than plain mappings, lists and scalars, or a key that is there twice.
    """
    try:
        # An alias may stand for itself, or ten of them for ten each: a short file that never ends.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise BenchError(f"{source} uses a YAML alias (*name); write the part out instead.")
        node = yaml.compose(text, yaml.SafeLoader)
        if node is None:
            raise BenchError(f"{source} is empty.")
        return _tree(node, source, yaml.constructor.SafeConstructor(), 0)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, BenchError):
            raise
        raise BenchError(f"{source} is not YAML that can be read: {' '.join(str(error).split())}.") from error


def _tree(node: yaml.Node, source: str, constructor: Any, depth: int) -> Tree:
    place = f"{source}, line {node.start_mark.line + 1}"
    if depth > _DEEPEST:
        raise BenchError(f"{place}: nested too deep.")
    if isinstance(node, yaml.SequenceNode):
        return [_tree(item, source, constructor, depth + 1) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise BenchError(f"{place}: a key must be a text.")
            if key.value in found:
                place = f"{source}, line {key.start_mark.line + 1}"
                raise BenchError(f"{place}: the key {key.value!r} is there twice.")
            found[key.value] = _tree(value, source, constructor, depth + 1)
        return found
    if not node.tag.startswith("tag:yaml.org,2002:"):
        raise BenchError(f"{place}: the tag {node.tag} is not known here.")
    return Leaf(node.value, constructor.construct_object(node))


def plain_value(tree: Tree) -> Any:
    """Return the values that YAML takes the leaves for, in dicts and lists."""
    if isinstance(tree, dict):
        return {key: plain_value(value) for key, value in tree.items()}
    return [plain_value(item) for item in tree] if isinstance(tree, list) else tree.value


class Section(dict[str, Any]):
    """A mapping of the file, asked for key by key.

    Args:
        where: what it is called in messages.
        keys: those it may have; None for names of the user's own.

    Raises:
        BenchError: no mapping, or a key that it may not have. The methods raise it for values of another kind.
    """

    def __init__(self, where: str, tree: Tree, keys: Collection[str] | None = None) -> None:
        if not isinstance(tree, dict):
            raise BenchError(f"{where} must be a mapping, a line `key: value` for each entry.")
        unknown = [] if keys is None else [key for key in tree if key not in keys]
        if unknown:
            raise BenchError(f"{where} has no key {unknown[0]!r}; its keys are {', '.join(keys or ())}.")
        super().__init__(tree)
        self.where = where

    def place(self, key: str) -> str:
        return f"{self.where}, {key!r}"

    def tree(self, key: str) -> Tree:
        if key not in self:
            raise BenchError(f"{self.where} lacks the key {key!r}.")
        return self[key]  # type: ignore[no-any-return]

    def section(self, key: str, keys: Collection[str] | None = None) -> Section:
        """Return a mapping; an empty one where the key is absent."""
        return Section(self.place(key), self.get(key, {}), keys)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a name or a sentence, as it was written."""
        if default is not None and key not in self:
            return default
        tree = self.tree(key)
        if not isinstance(tree, Leaf) or not tree.text.strip():
            raise BenchError(f"{self.place(key)} must be a text.")
        return tree.text.strip()

    def number(self, key: str, default: float) -> float:
        """Return a finite number."""
        if key not in self:
            return default
        value = plain_value(self.tree(key))
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise BenchError(f"{self.place(key)} is {value!r}; it must be a number.")
        return float(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return different texts, as they were written; one may stand alone. None where the key is absent."""
        items = self._items(key) if key in self else []
        if not all(isinstance(item, Leaf) and item.text.strip() for item in items):
            raise BenchError(f"{self.place(key)} must be a list of names.")
        return self._distinct(key, [item.text.strip() for item in items])

    def wholes(self, key: str, least: int) -> tuple[int, ...]:
        """Return different whole numbers; one may stand alone."""
        values = [plain_value(item) for item in self._items(key)]
        if not values or any(isinstance(v, bool) or not isinstance(v, int) or v < least for v in values):
            raise BenchError(f"{self.place(key)} must be a list of whole numbers from {least} on, such as [1, 2, 4].")
        return self._distinct(key, values)

    def _items(self, key: str) -> list[Any]:
        tree = self.tree(key)
        return tree if isinstance(tree, list) else [tree]

    def _distinct(self, key: str, values: Sequence[Any]) -> tuple[Any, ...]:
        twice = [value for i, value in enumerate(values) if value in values[:i]]
        if twice:
            raise BenchError(f"{self.place(key)} names {twice[0]!r} twice.")
        return tuple(values)
