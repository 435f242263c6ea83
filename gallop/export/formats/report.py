"""An explained photo as one HTML page."""

from __future__ import annotations

from gallop.export.format import Exported, ExportFormat, PhotoToExport


def _make(photo: PhotoToExport) -> Exported:
    from gallop.export.report import html_report

    page = html_report(
        photo.explanation,
        class_name=photo.class_name,
        photo_name=photo.photo_name,
        facts=photo.facts,
        style=photo.style,
    )
    return Exported(page.encode())


REPORT = ExportFormat(
    PhotoToExport,
    name="report",
    help="photo, probabilities, scores and all maps on one page that needs no network",
    suffix=".html",
    media_type="text/html",
    make=_make,
)
