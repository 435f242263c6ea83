"""The search for settings of a training: what is tried, what is chosen, and when it ends."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gallop import read_folder
from gallop.config import MethodConfig, TrainConfig, train_preset
from gallop.data import LabelledPhotos
from gallop.errors import ConfigError
from gallop.model.prompted import PromptModel
from gallop.training import choose
from gallop.training.choose import RATES, SearchEvent, Tried, chosen_of, search_settings, start_of_search
from gallop.training.learn import CrossFit, learn
from tests import tiny
from tests.tiny import there

METHOD = MethodConfig(global_prompts=2, topk=(2, 4))
CONFIG = TrainConfig(epochs=5, lr=0.002, batch_size=8, views=1, calibration_folds=2)
LONG = 600.0


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> LabelledPhotos:
    return read_folder(tiny.write_folder(tmp_path_factory.mktemp("photos"), {"red": 4, "green": 4, "blue": 4}))


def searched(shots: LabelledPhotos, config: TrainConfig = CONFIG, seconds: float = LONG) -> list[Tried]:
    *_, last = search_settings(tiny.vit(), shots, METHOD, config, seconds=seconds)
    assert isinstance(last, SearchEvent)
    return list(last.tried)


def answers(*right: int, of: int = 20, lr: float = 0.1, epochs: int = 10, loss: float = 1.0) -> Tried:
    return Tried(lr, epochs, tuple(i in right for i in range(of)), loss)


def same(some: Sequence[Tried]) -> list[Tried]:
    """Without the time they took."""
    return [replace(each, seconds=0.0) for each in some]


@pytest.fixture(scope="module")
def found(shots: LabelledPhotos) -> list[Tried]:
    return searched(shots)


def test_the_usual_settings_are_tried_first_then_every_rate(found: list[Tried]) -> None:
    rates = [each.lr for each in found if each.epochs == CONFIG.epochs]
    assert rates[0] == CONFIG.lr
    assert set(rates) >= {*RATES}
    assert len({(each.lr, each.epochs) for each in found}) == len(found), "nothing is tried twice"
    assert {each.epochs for each in found} > {CONFIG.epochs}, "and other rounds"


def test_an_answer_is_that_of_a_training_without_the_shot(shots: LabelledPhotos, found: list[Tried]) -> None:
    """As a calibration of the same settings has it; each shot is answered once."""
    assert {len(each.right) for each in found} == {len(shots)}
    best = chosen_of(found)
    model = PromptModel(tiny.vit(), shots.class_names, METHOD)
    *_, fit = learn(model, shots, replace(CONFIG, lr=best.lr, epochs=best.epochs))
    assert isinstance(fit, CrossFit)
    _, calibration = fit.calibrate(model, 0.95)
    index, labels, answers = there(fit.predictions(model, calibration))
    assert labels.tolist() == [shots.labels[i] for i in index.tolist()]
    order, probabilities = index.argsort(), torch.from_numpy(answers.probabilities)
    labels, probabilities = labels[order], probabilities[order]
    assert best.right == tuple((probabilities.argmax(dim=1) == labels).tolist())
    assert best.loss == pytest.approx(-float(probabilities.gather(1, labels[:, None]).log().mean()), rel=1e-5)
    assert best.temperature == pytest.approx(calibration.temperature)


def test_a_seed_gives_the_same_outcome(shots: LabelledPhotos, found: list[Tried]) -> None:
    assert same(searched(shots)) == same(found)


def test_nothing_is_begun_that_would_not_end_in_time(
    shots: LabelledPhotos, found: list[Tried], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = replace(found[0], seconds=100 * LONG)

    def held_out(*_: object) -> Generator[SearchEvent, None, Tried]:
        yield SearchEvent((), 0, 0)
        return slow

    monkeypatch.setattr(choose, "_held_out", held_out)
    assert searched(shots) == [slow]


@pytest.mark.parametrize(("epochs", "seconds"), [(CONFIG.epochs, 0.0), (10_000, 1.0)])
def test_a_time_that_is_too_short_is_a_sentence(shots: LabelledPhotos, epochs: int, seconds: float) -> None:
    with pytest.raises(ConfigError, match="did not suffice to try one setting"):
        searched(shots, replace(CONFIG, epochs=epochs), seconds)


def test_single_photos_cannot_be_held_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least one class needs two photos"):
        searched(read_folder(tiny.write_folder(tmp_path, {"red": 1, "blue": 1})))


def test_a_rate_at_which_a_training_diverges_is_the_worst(shots: LabelledPhotos) -> None:
    tried = searched(shots, replace(CONFIG, lr=100.0, weight_decay=1e6))
    assert (tried[0].right, tried[0].accuracy) == ((), 0)
    assert chosen_of(tried).accuracy > 0


# What is chosen ------------------------------------------------------------------------------------------------------


def test_the_usual_settings_stay_unless_others_are_better_by_more_than_two_standard_errors() -> None:
    usual = answers(*range(10))
    one_more, many_more = answers(*range(11), lr=0.5), answers(*range(16), lr=1.0)
    gain, error = one_more.gain_over(usual)
    assert (gain, error) == (pytest.approx(0.05), pytest.approx((0.05 * 0.95 / 20) ** 0.5))
    assert error < gain < 2 * error
    mixed = answers(*range(2, 13), lr=0.2)  # three gained, two lost
    assert mixed.gain_over(usual)[0] < mixed.gain_over(usual)[1]
    assert chosen_of([usual, mixed, one_more]) is usual
    assert chosen_of([usual, mixed, one_more, many_more]) is many_more


def test_of_equal_ones_rounds_and_then_the_loss_decide() -> None:
    usual = answers(0)
    longer, like_usual = answers(*range(9), epochs=40, loss=0.1), answers(*range(9), lr=0.3, loss=0.3)
    shorter = answers(*range(9), epochs=5, lr=0.4, loss=0.2)
    assert chosen_of([usual, longer, like_usual]) is like_usual
    assert chosen_of([usual, longer, like_usual, shorter]) is shorter


def test_a_search_has_stored_views_and_folds() -> None:
    paper = start_of_search(train_preset("paper", photos=16))
    assert (paper.views, paper.epochs, paper.lr) == (4, 50, 0.002)
    assert start_of_search(train_preset("default")) == train_preset("default")
    assert start_of_search(replace(CONFIG, calibration_folds=0)).calibration_folds == 3
