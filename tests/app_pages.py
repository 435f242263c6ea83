"""What the tests of the app's pages share: the app in this process, and what its elements say."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

from app import text
from app.jobs import Stopped, Work
from app.photos.archives import CardPlace, Member
from app.runs.store import data_folder, runs_folder
from app.teaching.tasks import Teaching
from app.teaching.training import Progress, Taught
from app.ui import resources
from app.ui.export.dialog import TAKE_AWAY
from app.views.exploring import look_at, photo_on_explore
from app.visitor.session import Session, Visitors
from gallop.maps.explainer.state import ExplainerState
from tests import tiny
from tests.tiny import png as png
from tests.tiny import there as there

HOSTILE = ["![x](http://example.invalid/x.png)", "<b>bold</b>", ":red[red] `code` $x$"]
Open = Callable[[], AppTest]
Place = tuple[str, str, Any]
"""A page by its script, and a part of it: the key of its tabs or of its dialog, and which of these is open."""
EXPLORE, TEACH, TEST = "ui/explore/page.py", "ui/teach/page.py", "ui/test/page.py"
EVIDENCE, SORT, METHOD = "ui/evidence/page.py", "ui/sort/page.py", "ui/method/page.py"
MISTAKES, NONE_OF_THESE, LABELS, RUNS = (
    (TEST, "test tab", tab) for tab in ("Mistakes", "None of these", "Labels", "Runs")
)
REGIONS, PROMPTS = ((EVIDENCE, "evidence tab", tab) for tab in ("Regions", "Prompts"))
TAKEN_AWAY = EXPLORE, TAKE_AWAY, "Explore"
PAGES: tuple[str | Place, ...] = (EXPLORE, TEACH, TEST, EVIDENCE, SORT, METHOD)
PLACES = (*PAGES, MISTAKES, NONE_OF_THESE, LABELS, RUNS, REGIONS, PROMPTS, TAKEN_AWAY)


PAPERS: dict[str, Any] = {"global_prompts": 4, "topk": (5, 10, 15, 20)}
"""Settings of a training with as many prompts as the paper's."""


def fine(at: AppTest) -> AppTest:
    assert not at.exception, [error.value for error in at.exception]
    return at


def uploader(at: AppTest, label: str) -> Any:
    return next(found for found in at.file_uploader if label in found.label)


def session_of(at: AppTest) -> Session:
    """What the server keeps for the visitor of a page."""
    return there(resources.visitors().find(at.session_state[resources.STATE]))


def restart() -> None:
    """As after a restart of the server: no visitors, and the folder of runs is opened again."""
    resources.visitors().close()
    resources.shared = replace(
        resources.shared, visitors=Visitors(resources.connected), runs=runs_folder(data_folder())
    )


def taught_of(at: AppTest) -> Taught:
    return there(session_of(at).training.taught)


def runs_of(at: AppTest) -> list[Any]:
    """The runs that a visitor has, the newest first."""
    return there(session_of(at).training.ledger).runs()


def go(at: AppTest, place: str | Place) -> AppTest:
    """To a page or a part of it. A dialog that was open is closed before, since it lies over all that leads on."""
    page, key, opened = (place, TAKE_AWAY, "") if isinstance(place, str) else place
    at.session_state[TAKE_AWAY] = ""
    at.session_state[key] = opened
    return fine(at.switch_page(page).run())


def button(at: AppTest, label: str) -> Any:
    return next(found for found in at.button if found.label.startswith(label))


def everything(at: AppTest) -> str:
    """All text that Streamlit would render as Markdown, that behind a question mark too."""
    kinds = (at.markdown, at.caption, at.error, at.warning, at.info, at.success, at.subheader, at.header)
    written = [words for kind in kinds for element in kind for words in (element.value, _help(element))]
    widgets = (at.button, at.slider, at.selectbox, at.file_uploader, at.text_area, at.number_input, at.metric)
    labels = [element.label for kind in widgets for element in kind]
    labels += [_help(element) for element in (*at.button, *at.metric, *at.get("download_button"))]
    return "\n".join([*written, *labels, *(metric.value for metric in at.metric)])


def plain(at: AppTest) -> str:
    """All text, as it is read."""
    return everything(at).replace("\\", "")


def unsaid(at: AppTest, *words: str) -> list[str]:
    """What of these words is nowhere on the page."""
    shown = plain(at)
    return [each for each in words if each not in shown]


def metric(at: AppTest, label: str) -> Any:
    return next(found for found in at.metric if found.label.startswith(label))


def _help(element: Any) -> str:
    return str(getattr(element.proto, "help", ""))


def again(at: AppTest) -> AppTest:
    """The page a moment later, as a browser asks for it: drawn without a pause, pages hold the interpreter's lock, and
    the training beside them does a step in half a second."""
    time.sleep(0.1)
    return fine(at.run())


def finish(at: AppTest, seconds: float = 60) -> AppTest:
    """Wait for a training, and for what a page has asked for."""
    end = time.monotonic() + seconds
    while session_of(at).training.job is not None or session_of(at).page_jobs.running is not None:
        assert time.monotonic() < end, "the training does not end"
        running = session_of(at).page_jobs.running
        job = running.job if running is not None else session_of(at).training.job
        if job is not None and job.snapshot().active:
            time.sleep(0.02)  # a page drawn meanwhile would take its time
        else:
            fine(at.run())
    return at


def hold(patch: pytest.MonkeyPatch, when: Callable[[Progress], bool]) -> None:
    """Let trainings tell the same again, and do nothing, as long as this holds of what they tell."""
    run = Teaching.run

    def held(task: Teaching) -> Generator[Progress, None, Taught | None]:
        steps, stopped = run(task), None
        while True:
            try:
                progress = next(steps) if stopped is None else steps.throw(stopped)
            except StopIteration as end:
                return cast("Taught | None", end.value)
            stopped = None
            try:
                yield progress
                while when(progress):
                    time.sleep(0.01)
                    yield progress
            except Stopped as told:
                stopped = told

    patch.setattr(Teaching, "run", held)


def followed(work: Work, until: Callable[[Any], bool] = lambda _: False) -> tuple[list[Any], Any]:
    """Every progress of work, up to the first one for which this holds, at which it is stopped; and its result."""
    seen = list[Any]()
    try:
        while not (seen and until(seen[-1])):
            seen.append(next(work))
        work.throw(Stopped())
        while True:
            next(work)
    except StopIteration as end:
        return seen, end.value


def learning(progress: Progress) -> bool:
    """Whether a training has done its third step: ``hold`` it there."""
    return progress.phase == "training" and progress.done >= 3


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
    session_of(at).training.start(resources.jobs(), resources.backbones())
    return finish(fine(at.run()))


def table(at: AppTest, column: str) -> list[dict[str, Any]]:
    """The rows of the table that has this column."""
    found = next(found for found in at.dataframe if column in found.value.columns)
    return list(found.value.to_dict("records"))


def with_photo(open_app: Open, names: str = "red\ngreen\nblue") -> AppTest:
    """Explore with a photo that is red, and all that is folded away unfolded."""
    at = fine(open_app())
    uploader(at, "Upload photos").upload("photo.png", png(1))
    at.text_area(key="explore names").set_value(names)
    at.session_state["numbers"] = at.session_state["right"] = True
    return fine(at.run())


def answer(at: AppTest) -> str:
    """The most probable class and its share: of the explainer, on a page that has one."""
    if not explaining(at):
        return str(next(metric.value for metric in at.metric if metric.label == "Most probable"))
    shares = explained(at).shares
    best = max(shares, key=shares.__getitem__)
    return f"{best}: {text.percent(shares[best])}"


@dataclass(frozen=True)
class Explained:
    """What an explainer shows, worked out of the data that it was sent: by the paper's formulas, without the product.

    Attributes:
        shares: probabilities by class.
        branches: of each branch alone: whole photo, regions and, where shots taught a head, the head.
        sums: for each scale k and the mean of the k best regions of the class explained.
        kept: for each scale the k best regions, best first.
        cosines: of regions, classes and local prompts.
    """

    shares: dict[str, float]
    branches: tuple[dict[str, float], ...]
    sums: list[str]
    kept: list[list[int]]
    cosines: NDArray[np.float32]


def explaining(at: AppTest) -> bool:
    return any(found.proto.id.endswith("-explainer") for found in at.get("bidi_component"))


def explained(at: AppTest) -> Explained:
    data = grid(at, "explainer")
    names, stands = data["names"], data["state"]
    branches = data["takes"][0]["branches"]
    whole, regions, *heads = (
        np.frombuffer(base64.b64decode(branch["cosines"]), "<f4").reshape(-1, len(names), branch.get("prompts", 1))
        for branch in branches
    )
    ranked = -np.sort(-regions, axis=0)
    local = np.array([ranked[:k, :, n].mean(axis=0) for n, k in enumerate(stands["topk"])])
    scores = [whole[0].mean(axis=-1), local.mean(axis=0)]

    def softmax(cosines: NDArray[Any]) -> dict[str, float]:
        odds = np.exp(data["scale"] / data["temperature"] * (cosines - cosines.max()))
        return dict(zip(names, (odds / odds.sum()).tolist(), strict=True))

    together = (scores[0] + scores[1]) / 2
    if heads:  # linear in the regions, all of which count
        scores.append(heads[0][:, :, 0].mean(axis=0))
        together = (1 - branches[2]["weight"]) * together + branches[2]["weight"] * scores[2]
    shares = softmax(together)
    shown = names.index(stands["class_name"] or max(shares, key=shares.__getitem__))
    return Explained(
        shares,
        tuple(softmax(branch) for branch in scores),
        [f"k = {k}: {local[n, shown]:.4f}" for n, k in enumerate(stands["topk"])],
        [np.argsort(-regions[:, shown, n], kind="stable")[:k].tolist() for n, k in enumerate(stands["topk"])],
        regions,
    )


def hand(at: AppTest, k: dict[int, int] | None = None, **said: Any) -> AppTest:
    """As a hand that lets go of the explainer does: the browser tells what stands, then the page is drawn.

    Args:
        k: of local prompts, counted from 0.
        said: other parts of what stands.
    """
    session, data = session_of(at), grid(at, "explainer")
    stands, (shape,) = data["state"], data["grids"]
    topk = [(k or {}).get(n, usual) for n, usual in enumerate(stands["topk"])]
    photo = there(photo_on_explore(session))
    session.explore = session.explore.with_explainer_state(
        ExplainerState.from_browser({**stands, "topk": topk, **said}), photo.sha256, (shape["rows"], shape["columns"])
    )
    return fine(at.run())


def sums(at: AppTest) -> list[str]:
    """For each scale k and the score of the class explained."""
    return explained(at).sums


def put(at: AppTest, key: str, value: Any) -> AppTest:
    """As a hand does that moves the widget of this key."""
    at.session_state[key] = value
    return fine(at.run())


def unfolded(at: AppTest, key: str) -> AppTest:
    """With what is folded away on Explore: "numbers" or "right"."""
    return put(at, key, True)


def look(at: AppTest, name: str) -> AppTest:
    """As a click on a photo of the strip, by its name."""
    tile = next(tile for tile in grid(at, "photo strip")["tiles"] if tile["name"] == name)
    session = session_of(at)
    look_at(session, tile["key"])
    at.session_state["explore photo"] = session.explore.photo
    return fine(at.run())


def chips(at: AppTest) -> Any:
    return next(found for found in at.multiselect if found.label == "What might it be?")


def score(at: AppTest) -> str:
    return next(found.value for found in at.markdown if found.value.startswith("Together"))


def bars(at: AppTest, key: str) -> str:
    return str(next(found.proto.spec for found in at.get("plotly_chart") if key in found.proto.id))


def shares(at: AppTest, key: str) -> list[float]:
    """The lengths of all bars, in percent."""
    return [share for branch in json.loads(bars(at, key))["data"] for share in branch["x"]]


def grid(at: AppTest, key: str) -> dict[str, Any]:
    """What the explainer ``key`` was sent."""
    data: str = next(found.proto.json for found in at.get("bidi_component") if found.proto.id.endswith(f"-{key}"))
    shown: dict[str, Any] = json.loads(data)
    # A page that has photo and cosines goes on with them: no page of a test says so, and each is sent them.
    return {**shown.pop("content", {}), **shown}
