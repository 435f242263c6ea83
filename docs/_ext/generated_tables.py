"""Tables made from the code: ``{generated} NAME`` inserts one of ``TABLES``.

A table that is typed by hand becomes wrong some day. Each function here returns a heading and rows of Markdown, from
the place that the library itself reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any, ClassVar

from docutils import nodes
from docutils.nodes import Node
from safetensors import safe_open
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import gallop
from gallop import GalLoPClassifier
from gallop.backbones.weights import catalogue, offered_backbones
from gallop.config import REGION_RULES, MethodConfig, TrainConfig, method_preset, train_preset
from gallop.export.formats import FORMATS
from gallop.lab.bench.spec import read_spec, shipped_specs
from gallop.lab.methods import METHODS
from gallop.lab.paper_sets import available_datasets
from gallop.model.calibration import accepted_range
from gallop.model.scores import SCORES
from gallop.parts import PARTS
from gallop.sample import sample_folder
from gallop.setting import settings_of

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


def _settings(kind: type[Any], preset: Callable[[str], Any]) -> Table:
    ours, paper = preset("default"), preset("paper")
    abouts = settings_of(kind)
    rows = []
    for each in fields(kind):
        about = abouts[each.name]
        may = "; ".join(f"`{choice}`" for choice in about.choices) or about.must.removeprefix("be ")
        if isinstance(each.default, bool):
            may = "`True` or `False`"
        values = [f"`{_shown(value)}`" for value in (each.default, *(getattr(one, each.name) for one in (ours, paper)))]
        option = about.option_of(each.name)
        rows.append((f"`{each.name}`", about.help, may, *values, f"`{option}`" if option else ""))
    return ("setting", "what it does", "may be", "absent means", "`default`", "`paper`", "`gallop train`"), rows


def _method_settings() -> Table:
    return _settings(MethodConfig, method_preset)


def _training_settings() -> Table:
    return _settings(TrainConfig, train_preset)


def _scores() -> Table:
    return ("score", "what it looks at", "from"), [(s.name, s.caption, s.paper) for s in SCORES.values()]


def _methods() -> Table:
    rows = [
        (f"`{name}`", f"`{kind.__module__}.{kind.__name__}`", _first_sentence(kind.__doc__))
        for name, kind in METHODS.items()
    ]
    return ("in a benchmark", "class", "what it is"), rows


def _formats() -> Table:
    rows = [(f"`--{key}`", f"`{each.suffix}`", each.title, each.help) for key, each in FORMATS.items()]
    return ("option", "file", "what", ""), rows


def _regions() -> Table:
    return ("kind", "what a region is"), [(f"`{name}`", words) for name, words in REGION_RULES.items()]


def _benchmarks() -> Table:
    rows = [(f"`{name}`", read_spec(name).about) for name in shipped_specs()]
    return ("benchmark", "what it asks"), rows


def _datasets() -> Table:
    rows = [
        (f"`{s.name}`", s.title, s.kind, str(s.classes or ""), f"{s.template}" if s.template else "")
        for s in available_datasets()
    ]
    return ("name", "set", "kind", "classes", "template"), rows


def _parts() -> Table:
    rows = [(f"`{name}`", f"`{about.usual}`", f"`{about.call}`") for name, about in PARTS.items()]
    return ("part", "built in", "what a custom function is called with, and what it returns"), rows


def _contents(holder: Any, path: str, names: Iterable[str]) -> Table:
    rows = [(f"{{py:obj}}`{name} <{path}.{name}>`", _first_sentence(getattr(holder, name).__doc__)) for name in names]
    return ("name", "what it is"), rows


def _members(kind: type[Any]) -> list[str]:
    ours = [base for base in kind.__mro__ if base.__module__.startswith("gallop.")]
    return sorted({name for base in ours for name in vars(base) if name[0] != "_" and not name.endswith("_request")})


def _tensors() -> Table:
    with safe_open(sample_folder() / "model" / "prompts.safetensors", framework="numpy") as file:
        parts = [(name, file.get_slice(name)) for name in sorted(file.keys())]
        rows = [
            (f"`{name}`", " x ".join(map(str, part.get_shape())) or "1", part.get_dtype().lower())
            for name, part in parts
        ]
    return ("tensor", "shape", "numbers"), rows


def _promises() -> Table:
    rows = []
    for photos in (16, 32, 48, 160, 400):
        low, high = accepted_range(photos)
        rows.append((str(photos), f"{low:.0%} to {high:.0%}"))
    return ("held-out photos", "keeps, in 95 of 100 trainings"), rows


def _offered() -> Table:
    rows = [
        (
            f"`{known.name}`",
            f"{known.bytes / 1e6:.0f}",
            "{} x {}".format(*known.grid or ("-", "-")),
            str(known.licence),
            known.about or "-",
        )
        for known in offered_backbones()
    ]
    return ("name", "MB", "grid", "licence", ""), rows


def _licences() -> Table:
    rows = [
        (", ".join(f"`{name}`" for name in each["weights"]), each["licence"], each["source"], each["date"])
        for each in catalogue()["licences"]
    ]
    return ("weights", "licence", "page", "looked up"), rows


TABLES: dict[str, Callable[[], Table]] = {
    "method-settings": _method_settings,
    "training-settings": _training_settings,
    "scores": _scores,
    "methods": _methods,
    "export-formats": _formats,
    "region-kinds": _regions,
    "benchmarks": _benchmarks,
    "data-sets": _datasets,
    "parts": _parts,
    "public-names": lambda: _contents(gallop, "gallop", gallop.__all__),
    "classifier": lambda: _contents(GalLoPClassifier, "gallop.GalLoPClassifier", _members(GalLoPClassifier)),
    "promises": _promises,
    "sample-tensors": _tensors,
    "offered-backbones": _offered,
    "licences": _licences,
}


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _first_sentence(text: str | None) -> str:
    paragraph = " ".join((text or "").split("\n\n")[0].split())
    return paragraph.replace("``", "`")


class Generated(SphinxDirective):
    """One of the tables, as if it were written in the Markdown of the page."""

    required_arguments: ClassVar[int] = 1

    def run(self) -> list[Node]:
        """Return the table."""
        heading, rows = TABLES[self.arguments[0]]()
        lines = [heading, tuple("---" for _ in heading), *rows]
        text = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
        return [nodes.container("", *self.parse_text_to_nodes(text), classes=[self.arguments[0]])]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("generated", Generated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
