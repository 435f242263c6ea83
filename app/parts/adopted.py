"""What was taught, trained or opened, takes over the widgets of the page Explore."""

from __future__ import annotations

from lessons import Taught
from parts import kept, maps
from session import Session


def show(session: Session, taught: Taught) -> None:
    """Before any widget is drawn: its classes become the class list, at the scales set on the page Teach."""
    kept.put("names", "\n".join(taught.names))
    kept.put("model", "Taught")
    maps.put_scales(session.scales())
