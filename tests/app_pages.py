"""What the tests of the app's pages share: the app in this process, and what its elements say."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from streamlit.testing.v1 import AppTest

from app.photos.archives import CardPlace, Member
from app.runs.data_file import data_folder
from app.runs.store import RunStore
from app.ui import resources
from app.visitor.registry import Visitors
from app.visitor.session import Session
from tests import tiny

HOSTILE = ["![x](http://example.invalid/x.png)", "<b>bold</b>", ":red[red] `code` $x$"]
Open = Callable[[], AppTest]
EXPLORE, TEACH = "ui/explore/page.py", "ui/teach/page.py"
TEST, PROMPTS, METHOD = "ui/test/page.py", "ui/prompts/page.py", "ui/method/page.py"
COMPARE, TAKE_AWAY = "ui/compare/page.py", "ui/export/page.py"


PAPERS: dict[str, Any] = {"global_prompts": 4, "topk": (5, 10, 15, 20)}
"""Settings of a training with as many prompts as the paper's."""


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


def restart() -> None:
    """As after a restart of the server: no visitors, and the file of runs is opened anew."""
    resources.shared = replace(resources.shared, visitors=Visitors(resources.connected), runs=RunStore(data_folder()))


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
    """Wait for a training, and for what a page has asked for."""
    end = time.monotonic() + seconds
    while session_of(at).training.job is not None or session_of(at).page_jobs.running is not None:
        assert time.monotonic() < end, "the training does not end"
        running = session_of(at).page_jobs.running
        job = running.job if running is not None else session_of(at).training.job
        if job is not None and job.snapshot().active:
            time.sleep(0.02)  # a page drawn meanwhile would take its time
            continue
        fine(at.run())
    return at


def cards(at: AppTest, counts: dict[str, int], tests: int = 0, **settings: Any) -> AppTest:
    """Cards with so many photos each, put there at once, and the settings of a short training."""
    session = session_of(at)
    for number, (name, count) in enumerate(counts.items()):
        for pile, some, first in (("shots", count, 100 * number + 10), ("tests", tests, 1000 * (number + 1))):
            colour = name if name in tiny.COLOURS else list(tiny.COLOURS)[number]
            members = [Member(CardPlace(name, False, f"{pile} {i}.png"), png(first + i, colour)) for i in range(some)]
            assert not session.photos.deck.add_photos(members, "shots" if pile == "shots" else "tests").refused
    session.training.settings = replace(
        session.training.settings, **{"epochs": 2, "global_prompts": 2, "topk": (2, 4), "views": 1} | settings
    )
    return at


def train(at: AppTest) -> AppTest:
    """What the button on Teach does, to its end."""
    session_of(at).training.start(resources.jobs(), resources.backbone())
    return finish(fine(at.run()))


def table(at: AppTest, column: str) -> list[dict[str, Any]]:
    """The rows of the table that has this column."""
    found = next(found for found in at.dataframe if column in found.value.columns)
    rows: list[dict[str, Any]] = found.value.to_dict("records")
    return rows


def with_photo(open_app: Open, names: str = "red\ngreen\nblue") -> AppTest:
    at = fine(open_app())
    uploader(at, "Upload photos").upload("photo.png", png(1))
    at.text_area(key="explore names").set_value(names)
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


def shares(at: AppTest, key: str) -> list[float]:
    """The lengths of all bars, in percent."""
    return [share for branch in json.loads(bars(at, key))["data"] for share in branch["x"]]


def grid(at: AppTest, key: str) -> dict[str, Any]:
    """What the region grid ``key`` shows."""
    data: str = next(found.proto.json for found in at.get("bidi_component") if found.proto.id.endswith(f"-{key}"))
    shown: dict[str, Any] = json.loads(data)
    return shown
