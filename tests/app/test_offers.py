"""The learning curve on Teach, and the card that offers a better backbone on Explore."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from app.jobs import PlainError
from app.options import Options
from app.shared_backbones import BackboneRoom
from app.ui import resources
from app.visitor.photos import VisitorPhotos
from app.visitor.training import VisitorTraining
from gallop.backbones import weights
from gallop.errors import BackboneError
from tests.app_pages import (
    TEACH,
    Open,
    button,
    cards,
    everything,
    fine,
    finish,
    go,
    plain,
    session_of,
    train,
    unsaid,
    with_photo,
)
from tests.until import until


def test_without_photos_nothing_is_foretold() -> None:
    with pytest.raises(PlainError, match="at least two classes"):
        VisitorTraining(VisitorPhotos()).learning_curve(BackboneRoom(), None)


# The curve -----------------------------------------------------------------------------------------------------------


def test_after_a_training_it_says_what_twice_as_many_photos_would_add(
    tiny_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "gallop.features.near_duplicates.tells_copies", lambda backbone: False
    )  # random weights see copies only
    at = finish(train(go(cards(fine(tiny_app()), {"red": 4, "green": 4}, epochs=1), TEACH)))
    at = finish(fine(button(at, "Would more photos help?").click().run()))
    assert re.search(r"Would more photos help\?\*\* With twice as many photos of each class, .* points\.", plain(at))
    cards(at, {"blue": 3})
    assert button(go(at, TEACH), "Would more photos help?"), "of other photos nothing was computed"


# The card ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def downloads(tiny_app: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """The app where downloads are allowed, and nothing was downloaded."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(resources.shared, "backbones", BackboneRoom(Options(downloads=True)))
    return tiny_app


UNSURE = "\n".join(f"thing {i}" for i in range(40))


def test_where_the_built_in_model_is_unsure_a_better_one_is_offered_with_its_licence(downloads: Open) -> None:
    licence = "Licence: [MIT](https://huggingface.co/timm/"
    assert not unsaid(
        with_photo(downloads, UNSURE), "A better model, 47 MB, MIT", "is unsure of these names", licence, "from hf-hub:"
    )


@pytest.mark.parametrize(
    ("cancelled", "said"), [(True, "The download was cancelled. Nothing was saved."), (False, "Nobody answers.")]
)
def test_a_download_that_ends_early_is_told_and_mini_stays(
    downloads: Open, monkeypatch: pytest.MonkeyPatch, cancelled: bool, said: str
) -> None:
    ends = threading.Event()

    def fetched(name: str) -> Iterator[weights.Fetched]:
        while not ends.is_set():
            yield weights.Fetched(1, 2)
        raise BackboneError("Nobody answers.")

    monkeypatch.setattr(weights, "fetch_weights", fetched)
    at = fine(button(with_photo(downloads, UNSURE), "Download it").click().run())
    session_of(at).downloads.cancel() if cancelled else ends.set()
    assert until(lambda: said in everything(fine(at.run())), 60)
    assert session_of(at).training.backbone_name == "mini"


def test_where_it_is_sure_nothing_is_offered(downloads: Open) -> None:
    assert "A better model" not in everything(with_photo(downloads, "red"))


def test_where_downloads_are_not_allowed_nothing_is_offered(tiny_app: Open) -> None:
    assert "A better model" not in everything(with_photo(tiny_app, UNSURE))
