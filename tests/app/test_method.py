"""The page Method in this process: what its steps are given of photo, classes, prompts and training."""

from __future__ import annotations

import json
import re

import pytest

from app.photos.sample_answers import sample_answers
from app.views import method
from app.visitor.page_state import DEFAULT_TEMPLATES, Question
from gallop.backbones import Damping, load_backbone
from gallop.config import MethodConfig
from tests import tiny
from tests.app.test_front import asked
from tests.app_pages import (
    EXPLORE,
    METHOD,
    Open,
    cards,
    fine,
    go,
    grid,
    hand,
    png,
    session_of,
    train,
    uploader,
    with_photo,
)
from tests.conftest import ROOT


def test_what_is_not_as_in_the_paper_is_said_of_the_backbone_it_belongs_to() -> None:
    question, config = Question(("red", "green"), templates=("A {}",)), MethodConfig(4, (2, 5))
    plain = method.origins(tiny.vit(), config, question, None)
    assert (plain.side, plain.templates, plain.kept) == (tiny.vit().preprocess.size, ("A {}",), 1)
    assert not any(plain.notes.values()), "CLIP's own backbone, the paper's rule, nothing taught"
    other = tiny.new_vit().with_regions("query-query")
    other.damping = Damping(46, 120.5)
    told = method.origins(other, config, question, None).notes
    assert [words for words in ("query-query", "ClearCLIP") if words not in told["regions"]] == []
    assert "by 46 for the whole photo and 120.5 for a region" in told["cosines"]


def test_what_is_told_of_a_sample_before_its_backbone_is_there_is_what_the_backbone_tells() -> None:
    question, shipped = Question(("cat", "dog"), templates=("A {}",)), load_backbone("mini", device="cpu")
    assert method.origins_beforehand(question) == method.origins(shipped, MethodConfig(), question, None)


def test_the_notebooks_are_handed_out_and_need_nothing_beside_them() -> None:
    files = method.notebook_files()
    assert files == {path.name: path.read_bytes() for path in (ROOT / "notebooks").glob("[0-9]*.ipynb")}
    assert files.keys() == {f"{stem}.ipynb" for stem in method.NOTEBOOKS}
    local = {path.stem for path in (ROOT / "notebooks").glob("*.py")}
    for stem in method.NOTEBOOKS:
        cells = json.loads(files[f"{stem}.ipynb"])["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        assert not set(re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE)) & local, stem


def test_the_notebook_of_each_step_is_handed_out_where_the_step_says(app_server: str) -> None:
    for stem, address in method.notebook_links().values():
        ((response, body, _),) = asked(app_server, f"/{address}")
        assert response.headers["content-disposition"] == f'attachment; filename="{stem}.zip"'
        assert tiny.members_of(body) == {f"{stem}.ipynb": (ROOT / "notebooks" / f"{stem}.ipynb").read_bytes()}
    for other in ("nothing", "photos", "..%2F..%2Fapp%2Fmain", "01_similarity.py"):
        ((response, _, _),) = asked(app_server, f"/notebooks/{other}.zip")
        assert response.status in (400, 404), other


# The page -----------------------------------------------------------------------------------------------------------


def test_it_begins_on_a_sample(tiny_app: Open) -> None:
    pytest.importorskip("skimage")
    first, data = next(iter(sample_answers().values())), grid(go(fine(tiny_app()), METHOD), "steps")
    assert (data["names"], data["method"]["pixels"]) == (list(first.class_names), list(first.image.size))
    assert data["takes"] == first.shown["takes"]


def test_the_page_follows_photo_k_class_and_region(tiny_app: Open) -> None:
    at = with_photo(tiny_app)
    shown = grid(at, "explainer")
    data = grid(go(hand(at, k={0: 2}, class_name="green", region=3), METHOD), "steps")
    assert (data["takes"], data["names"]) == (shown["takes"], ["red", "green", "blue"])
    assert (data["state"]["topk"][0], data["state"]["class_name"], data["state"]["region"]) == (2, "green", 3)
    assert (data["method"]["texts"], data["method"]["pixels"]) == (list(DEFAULT_TEMPLATES), [40, 32])
    uploader(go(at, EXPLORE), "Upload photos").upload("other.png", png(50, "blue", (30, 44)))
    assert grid(go(fine(at.run()), METHOD), "steps")["method"]["pixels"] == [30, 44]
    assert grid(at, "steps")["state"]["region"] is None, "a region is asked of a photo"


def test_after_teaching_it_tells_of_the_training_and_the_photos_of_the_cards_will_do(tiny_app: Open) -> None:
    at = train(cards(fine(tiny_app()), {"red": 2, "green": 2}, epochs=3, global_prompts=4, dropout=0.75))
    told = grid(go(at, METHOD), "steps")["method"]
    # Learned vectors are no words.
    assert (told["texts"], told["kept"], told["notes"]["prompts"]) == (None, 1, "Learned in 3 steps on 4 photos.")
    assert told["notes"]["learning"].startswith("In step 3, with 4 photos, each prompt was kept")
    session_of(at).limit.set_to(-1e9)
    assert grid(go(at, METHOD), "steps")["threshold"] == -1e9


def test_names_that_cannot_be_used_are_told_in_a_sentence(tiny_app: Open) -> None:
    at = go(with_photo(tiny_app, ""), METHOD)
    assert (bool(at.error), list(at.get("bidi_component"))) == (True, [])
