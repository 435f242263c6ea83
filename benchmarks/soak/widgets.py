"""What a visitor may do with a widget of the app: its state, as a browser would send it."""

from __future__ import annotations

import json
import random
from typing import Any

NAMES = ("", "cat, dog", "candle\nmug\nteapot", "red", "grün", "a very long name " * 8, "🐈", "<b>bold</b>")
"""What is typed: words that a page takes, and others."""


def state_of(kind: str, widget: Any, hand: random.Random) -> dict[str, Any] | None:
    """Return a state that the widget has not been asked for, by chance; None where nothing can be done with it.

    Args:
        kind: of the widget, as Streamlit's messages call it.
        widget: that message.
    """
    if getattr(widget, "disabled", False):
        return None
    does = _KINDS.get(kind)
    value = None if does is None else does(widget, hand)
    return None if value is None else {"id": widget.id, **value}


def _chosen(widget: Any, hand: random.Random) -> dict[str, Any] | None:
    return {"string_value": hand.choice(list(widget.options))} if widget.options else None


def _several(widget: Any, hand: random.Random) -> dict[str, Any] | None:
    options = list(widget.options)
    some = hand.sample(options, hand.randint(0, min(len(options), 3)))
    return {"string_array_value": {"data": some}}


def _moved(widget: Any, hand: random.Random) -> dict[str, Any] | None:
    if widget.options:
        return {"string_array_value": {"data": [hand.choice(list(widget.options))]}}
    steps = int((widget.max - widget.min) / widget.step) if widget.step else 0
    return {"double_array_value": {"data": [widget.min + widget.step * hand.randint(0, steps)]}}


def _number(widget: Any, hand: random.Random) -> dict[str, Any] | None:
    low = widget.min if widget.has_min else 0.0
    high = widget.max if widget.has_max else low + 10
    value = hand.uniform(low, min(high, low + 20))
    return {"double_value": value if widget.data_type == widget.FLOAT else float(round(value))}


def _component(widget: Any, hand: random.Random) -> dict[str, Any] | None:
    """The app's components: the explainer, the photos side by side, the limit as a track."""
    sent = json.loads(widget.mixed.json or widget.json or "{}")
    if widget.component_name.endswith("photo_strip"):
        if not sent["tiles"]:
            return None
        tile, away = hand.choice(sent["tiles"]), hand.random() < 0.1
        events = [{"event": "away" if away else "chosen", "value": tile["key"]}]
        return {"id": f"$$STREAMLIT_INTERNAL_KEY_{widget.id}__events", "json_trigger_value": json.dumps(events)}
    if widget.component_name.endswith("limit_track"):
        return {"json_value": json.dumps({"limit": hand.uniform(-1, 1)})}
    if widget.component_name.endswith("gallop_explainer"):
        state = {"topk": [hand.randint(1, 60) for _ in range(4)], "region": hand.randint(0, 195), "of": sent["id"]}
        return {"json_value": json.dumps({"state": state | {"holds": [sent["id"]], "turn": hand.randint(1, 999)}})}
    return None


_KINDS = {
    "bidi_component": _component,
    "button": lambda widget, hand: {"trigger_value": True},
    "checkbox": lambda widget, hand: {"bool_value": hand.random() < 0.5},
    "multiselect": _several,
    "number_input": _number,
    "radio": _chosen,
    "selectbox": _chosen,
    "slider": _moved,
    "text_area": lambda widget, hand: {"string_value": hand.choice(NAMES)},
    "text_input": lambda widget, hand: {"string_value": hand.choice(NAMES)},
}
