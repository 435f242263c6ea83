"""What was taught, trained or opened, takes over the widgets of the page Explore."""

from __future__ import annotations

from app.teaching.progress import Taught
from app.ui.explanation import maps
from app.ui.widgets import remembered
from app.visitor.session import Session


def show(session: Session, taught: Taught) -> None:
    """Before any widget is drawn: its classes become the class list, at the scales set on the page Teach."""
    remembered.put("names", "\n".join(taught.names))
    remembered.put("model", "Taught")
    maps.put_scales(session.training.scales())
