"""What a model says of a photo, in a page: the interactive explainer of the HTML report, and its maps as pictures.

Both show the sample's photos and model. They are computed while the pages are built; nothing is stored.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
from functools import cache
from typing import Any, ClassVar

from docutils import nodes
from docutils.nodes import Node
from docutils.parsers.rst import directives
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from gallop import Explanation, GalLoPClassifier, MethodConfig
from gallop.lab.tutorial import photos
from gallop.maps.explainer import STYLE_SHEET, script
from gallop.maps.explainer.payload import explainer_data
from gallop.maps.explainer.state import ExplainerState
from gallop.maps.map_style import Subject, shared_scale
from gallop.maps.pictures import map_picture
from gallop.sample import sample_folder

TUTORIAL = "tutorial"  # in place of a photo of the sample: what the notebooks begin with, without training
_SIDE = 480


@cache
def _classifier() -> GalLoPClassifier:
    return GalLoPClassifier.load(sample_folder() / "model", device="cpu")


@cache
def _explained(photo: str) -> Explanation:
    if photo != TUTORIAL:
        return _classifier().explain(sample_folder() / photo)
    collection = photos.by_class()
    untrained = GalLoPClassifier("mini", method=MethodConfig(), device="cpu").zero_shot([*collection])
    return untrained.explain(next(iter(collection.values()))[0])


class LivingExplainer(SphinxDirective):
    """The explainer of a photo of the sample; without scripts, the pictures of its maps."""

    required_arguments: ClassVar[int] = 1
    option_spec: ClassVar[dict[str, Any]] = {"class": directives.unchanged, "compact": directives.flag}

    def run(self) -> list[Node]:
        """Return its block of data, the pictures shown until it runs, and once a page its script."""
        why = _explained(self.arguments[0])
        name = self.options.get("class")
        data = explainer_data(why, state=ExplainerState(name), asks=False, compact="compact" in self.options)
        pictures = "".join(
            f'<img src="{_url(picture)}" alt="{html.escape(words)}">'
            for picture, words in _maps(why, name or why.label)
        )
        block = json.dumps(data).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
        parts = [
            f'<div class="living"><script type="application/json" class="explainer-data">{block}</script>',
            f'<div class="stills">{pictures}</div></div>',
        ]
        if not self.env.temp_data.get("explained"):
            self.env.temp_data["explained"] = True
            parts += [f"<style>{STYLE_SHEET.read_text('utf-8')}</style>"]
            parts += [f'<script type="module">{script()}</script>']
        return [nodes.raw("", "".join(parts), format="html")]


class MapPictures(SphinxDirective):
    """The maps of one class on a photo of the sample, a picture for each local prompt."""

    required_arguments: ClassVar[int] = 1
    option_spec: ClassVar[dict[str, Any]] = {"class": directives.unchanged}

    def run(self) -> list[Node]:
        """Return them side by side, each with its alternative text."""
        why = _explained(self.arguments[0])
        row = nodes.container(classes=["map-pictures"])
        for picture, words in _maps(why, self.options.get("class", why.label)):
            row += nodes.figure("", nodes.image(uri=_url(picture), alt=words), nodes.caption("", words))
        return [row]


def _maps(why: Explanation, class_name: str) -> list[tuple[Image.Image, str]]:
    subject, scale = Subject(why, class_name), shared_scale(why)
    return [
        (
            map_picture(subject, n, scale=scale, side=_SIDE),
            f"Local prompt {n + 1}, k = {k}: {why.describe(class_name, n)}.",
        )
        for n, k in enumerate(why.topk)
    ]


def _url(picture: Image.Image) -> str:
    stream = io.BytesIO()
    picture.convert("RGB").save(stream, "WEBP", quality=85)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _in_notebooks(app: Sphinx, name: str, source: list[str]) -> None:
    """Where a cell of text has a comment such as ``<!-- explainer: test/mug/mug-12.jpg -->``."""
    if name.startswith("notebooks/"):
        source[0] = re.sub(r"<!-- explainer: (\S+) -->", r"```{explainer} \1\\n```", source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("explainer", LivingExplainer)
    app.add_directive("map-pictures", MapPictures)
    app.connect("source-read", _in_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
