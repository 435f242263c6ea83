"""What the tests of the app's pages share: the app in this process, and what its elements say."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from typing import Any

from streamlit.testing.v1 import AppTest

import resources
from session import Session
from tests import tiny

HOSTILE = ["![x](http://example.invalid/x.png)", "<b>bold</b>", ":red[red] `code` $x$"]
Open = Callable[[], AppTest]
EXPLORE, TEACH = "screens/explore.py", "screens/teach.py"
TEST, PROMPTS, METHOD = "screens/test.py", "screens/prompts.py", "screens/method.py"


def png(seed: int, colour: str = "red", size: tuple[int, int] = (40, 32)) -> bytes:
    stream = io.BytesIO()
    tiny.picture(seed, colour, size).save(stream, "PNG")
    return stream.getvalue()


def fine(at: AppTest) -> AppTest:
    assert not at.exception, [error.value for error in at.exception]
    return at


def uploader(at: AppTest, label: str) -> Any:
    return next(found for found in at.file_uploader if label in found.label)


def session_of(at: AppTest) -> Session:
    """What the server keeps for the visitor of a page."""
    found = resources.visitors().find(at.session_state[resources.STATE])
    assert found is not None
    return found


def go(at: AppTest, page: str) -> AppTest:
    return fine(at.switch_page(page).run())


def button(at: AppTest, label: str) -> Any:
    return next(found for found in at.button if found.label.startswith(label))


def everything(at: AppTest) -> str:
    """All text that Streamlit would render as Markdown."""
    kinds = (at.markdown, at.caption, at.error, at.warning, at.info, at.success, at.subheader, at.header)
    written = [element.value for kind in kinds for element in kind]
    widgets = (at.button, at.slider, at.selectbox, at.file_uploader, at.text_area, at.number_input, at.metric)
    labels = [element.label for kind in widgets for element in kind]
    return "\n".join([*written, *labels, *(metric.value for metric in at.metric)])


def finish(at: AppTest, seconds: float = 60) -> AppTest:
    end = time.monotonic() + seconds
    while session_of(at).job is not None:
        assert time.monotonic() < end, "the training does not end"
        time.sleep(0.05)
        fine(at.run())
    return at


def with_photo(open_app: Open, names: str = "red\ngreen\nblue") -> AppTest:
    at = fine(open_app())
    uploader(at, "Upload photos").upload("photo.png", png(1))
    at.text_area(key="names").set_value(names)
    return fine(at.run())


def answer(at: AppTest) -> str:
    found: str = next(metric.value for metric in at.metric if metric.label == "Most probable")
    return found


def sums(at: AppTest) -> list[str]:
    return [found.value for found in at.markdown if found.value.startswith("k = ")]


def score(at: AppTest) -> str:
    return next(found.value for found in at.markdown if found.value.startswith("Together"))


def bars(at: AppTest, key: str) -> str:
    spec: str = next(found.proto.spec for found in at.get("plotly_chart") if key in found.proto.id)
    return spec


def grid(at: AppTest, key: str) -> dict[str, Any]:
    """What the region grid ``key`` shows."""
    data: str = next(found.proto.json for found in at.get("bidi_component") if found.proto.id.endswith(f"-{key}"))
    shown: dict[str, Any] = json.loads(data)
    return shown
