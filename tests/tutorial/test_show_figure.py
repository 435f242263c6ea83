"""A figure in a notebook: shown once, closed, with its text."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from gallop.lab.tutorial import show_figure

pytest.importorskip("IPython", reason="needs the extra 'notebooks'")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    import IPython.display

    found: list[tuple[Any, Any]] = []
    monkeypatch.setattr(
        IPython.display, "display", lambda bundle, metadata, raw: found.append((bundle, metadata)) if raw else None
    )
    return found


def test_a_figure_is_shown_with_its_text_and_closed(shown: list[tuple[Any, Any]]) -> None:
    import matplotlib.pyplot as plt

    plt.figure(figsize=(3, 2))
    plt.plot([1, 2])
    show_figure("A line\n    that rises.")
    ((bundle, metadata),) = shown
    assert Image.open(BytesIO(bundle["image/png"])).format == "PNG"
    assert bundle["text/plain"] == metadata["image/png"]["alt"] == "A line that rises."
    assert plt.get_fignums() == []


def test_a_figure_that_is_given_is_the_one_that_is_shown(shown: list[tuple[Any, Any]]) -> None:
    import matplotlib.pyplot as plt

    figure, other = plt.figure(figsize=(4, 2)), plt.figure(figsize=(1, 1))
    show_figure("A figure.", figure)
    assert (plt.fignum_exists(other.number), plt.fignum_exists(figure.number)) == (True, False)
    plt.close(other)
    assert shown[0][0]["text/plain"] == "A figure."
    width, height = Image.open(BytesIO(shown[0][0]["image/png"])).size
    assert 1.8 < width / height < 2.2, "of the figure that was given"
