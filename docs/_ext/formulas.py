"""Formulas as MathML, which browsers draw themselves: the usual way loads a script from another machine."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer, and choose it."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(_mathml(node, as_block=False))
    raise nodes.SkipNode


def _block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="formula">{_mathml(node, as_block=True)}</div>')
    raise nodes.SkipNode


def _mathml(node: nodes.Element, *, as_block: bool) -> str:
    # docutils knows only the large delimiters that state their side (``\bigl``), and ``\ldots`` instead of ``\dots``.
    formula = re.sub(r"\\([bB]igg?)(?![A-Za-z])", r"\\\1l", node.astext()).replace(r"\dots", r"\ldots")
    try:
        return str(tex2mathml(formula, as_block=as_block))
    except Exception as error:
        raise ExtensionError(f"The formula {node.astext()!r} cannot be drawn: {error}.") from error
