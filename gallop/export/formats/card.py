"""A classifier's model card in Markdown."""

from __future__ import annotations

from gallop.export.format import Exported, ExportFormat, ModelToExport


def _make(model: ModelToExport) -> Exported:
    from gallop.documents.model_card import model_card

    return Exported(model_card(model.classifier, model.measured, model.learned_from).encode())


CARD = ExportFormat(
    ModelToExport,
    name="model card",
    help="what the classifier knows, how it was taught and what it cannot do, in Markdown",
    suffix=".md",
    media_type="text/markdown",
    make=_make,
)
