"""Pictures and charts with their text alternatives."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.charts import layout

# Streamlit has text alternatives since 1.65; the newest for Python 3.10 is older and draws the same without them.
_KNOWS_ALT = all("alt" in inspect.signature(draw).parameters for draw in (st.image, st.plotly_chart))


def image(picture: bytes | NDArray[np.uint8], *, alt: str, **settings: Any) -> None:
    st.image(picture, **settings, **_alternative(alt))


def chart(figure: Any, *, key: str, alt: str) -> None:
    st.plotly_chart(figure, key=key, config=layout.CONFIG, **_alternative(alt))


def _alternative(alt: str) -> dict[str, Any]:
    return {"alt": alt} if _KNOWS_ALT else {}
