"""What was taught, trained or opened, takes over the widgets of the page Explore."""

from __future__ import annotations

from app.teaching.progress import Taught
from app.ui.explanation.current import stand_at
from app.ui.widgets.remembered import put
from app.visitor.explore import TAUGHT, ExploreState
from app.visitor.session import Session


def show(session: Session, taught: Taught) -> None:
    """Before any widget is drawn: its classes become the class list, at the scales set on the page Teach."""
    stand_at(ExploreState(names="\n".join(taught.names), scales=session.training.scales()))
    put(ExploreState.prompts, TAUGHT)
