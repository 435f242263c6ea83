"""The page Method in this process: its numbers are those of the explanation, and its sums add up."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="needs the extra 'app'")


from app.views import method
from gallop import Explanation, load_image
from gallop.backbones import Damping
from tests import tiny
from tests.app.test_teach import settings, teach, train
from tests.app_pages import (
    EXPLORE,
    HOSTILE,
    METHOD,
    Open,
    answer,
    everything,
    fine,
    finish,
    go,
    hand,
    png,
    session_of,
    uploader,
    with_photo,
)

SUM = re.compile(r"\(([-\d. +]+)\) / (\d+) = \*\*(-?[\d.]+)\*\*")


def explained(names: list[str] | None = None, **changes: Any) -> Explanation:
    images, labels = tiny.pictures({"red": 3, "green": 3})
    made = tiny.classifier(**changes)
    made = made.zero_shot(names) if names else made.fit(images, labels)
    return made.explain(load_image(tiny.picture(9, "red", (80, 40))))


def steps(found: Explanation, name: str = "red") -> dict[str, method.Step]:
    return {step.title: step for step in method.steps(found, name, tiny.vit(), None)}


def test_what_is_not_as_in_the_paper_is_said_of_the_tower_it_belongs_to() -> None:
    title = "One feature for the whole, one for each region"
    found = explained()
    plain = next(step for step in method.steps(found, "red", tiny.vit(), None) if step.title == title)
    assert len(plain.words) == 1, "CLIP's own tower, the paper's rule"
    other = tiny.new_vit().with_regions("query-query")
    other.damping = Damping(46, 120.5)
    told = next(step for step in method.steps(found, "red", other, None) if step.title == title)
    assert "*query-query*" in told.words[1]
    assert "ClearCLIP" in told.words[1]
    assert "by 46 for the whole photo and by 120.5 for a region" in told.words[2]


def test_every_written_sum_adds_up_and_ends_in_the_score() -> None:
    found = explained(topk=(2, 5), calibration_folds=2)
    for name in found.class_names:
        row, seen = found.class_names.index(name), []
        for step in method.steps(found, name, tiny.vit(), None):
            for terms, count, mean in SUM.findall(" ".join(step.words)):
                values = [float(term) for term in terms.split(" + ")]
                assert len(values) == int(count)
                assert np.mean(values) == pytest.approx(float(mean), abs=1e-4)
                seen.append(float(mean))
        assert seen[0] == pytest.approx(found.global_scores[row].mean(), abs=1e-4)
        assert seen[1:3] == pytest.approx(found.local_scores[row].tolist(), abs=1e-4)
        assert seen[3] == pytest.approx(found.local_scores[row].mean(), abs=1e-4)


def test_a_long_sum_is_shortened_and_counts_all_its_terms() -> None:
    assert method.written_sum([0.3, 0.2], 0.25) == "(0.3000 + 0.2000) / 2 = **0.2500**"
    long = method.written_sum([0.1] * 20, 0.1)
    assert long.count("0.1000") == 10  # eight, the last one, and the mean
    assert "… + 0.1000) / 20 = " in long


def test_the_shares_in_the_table_are_the_probabilities() -> None:
    found = explained(calibration_folds=2)
    assert found.temperature != 1
    table = steps(found)["Probabilities"].table
    assert table is not None
    shares = dict(zip(table["class"], map(float, table["over their sum"]), strict=True))
    assert shares == pytest.approx(found.probabilities, abs=1e-4)
    scaled, scores = (np.array(table[column], dtype=float) for column in ("scaled", "score"))
    assert scaled == pytest.approx(scores * found.scale / found.temperature, abs=0.02)


def test_the_class_that_is_followed_is_in_the_table_however_improbable_it_is() -> None:
    found = explained([*tiny.COLOURS, *(f"thing {i}" for i in range(method.MOST_CLASSES))])
    last = min(found.probabilities, key=lambda name: found.probabilities[name])
    table = steps(found, last)["Probabilities"].table
    assert table is not None
    assert len(table["class"]) == method.MOST_CLASSES + 1
    assert table["class"][-1] == last


def test_crop_and_regions_are_told_in_the_photos_own_pixels() -> None:
    found = explained()
    crop = steps(found)["The crop"].words[0]
    assert "80 × 40 pixels" in crop
    assert "sees 40 × 40 of them: from 20 to 60 across and from 0 to 40 down, 50% of the photo" in crop
    assert (
        "4 × 4 grid: **R = 16 regions**, each 10 × 10 pixels"
        in steps(found)["One feature for the whole, one for each region"].words[0]
    )


def test_the_loss_is_the_trainings() -> None:
    import torch

    from gallop.model.losses import gallop_loss

    found = explained(topk=(2, 5))
    local = found.similarities.local(found.topk)
    every = torch.tensor([[0, 1]])
    loss = gallop_loss(found.similarities.global_, local, torch.tensor([1]), found.scale, every)
    words = steps(found, found.class_names[1])["What learning would change"].words[0]
    assert float(re.search(r"Together \*\*([\d.]+)\*\*", words)[1]) == pytest.approx(float(loss.total), abs=2e-4)  # type: ignore[index]


def test_outlier_scores_and_verdict() -> None:
    found = explained(calibration_folds=2)
    words = steps(found)["None of these?"].words[0]
    assert f"**{found.ood_score:.4f}**" in words
    assert f"**{'none' if found.is_ood else 'one'} of these**" in words
    assert "no limit yet" in steps(explained(["red", "blue"]))["None of these?"].words[0]


@pytest.mark.parametrize("changes", [{"topk": ()}, {"global_prompts": 1}, {"topk": (1,)}])
def test_no_local_prompt_one_global_one_and_one_class_can_be_walked_through(changes: Any) -> None:
    for names in (["red", "blue"], ["red"]):
        found = explained(names, **changes)
        walked = method.steps(found, "red", tiny.vit(), None)
        assert len(walked) == 10
        if not found.topk:
            assert "no local prompts" in walked[4].words[0]
        assert re.search(r"For red: \*\*", walked[6].words[0])


# The page -----------------------------------------------------------------------------------------------------------


def test_without_a_photo_it_says_what_to_do_and_still_names_the_notebooks(tiny_app: Open) -> None:
    at = go(fine(tiny_app()), METHOD)
    assert "choose a photo" in at.info[0].value
    assert "notebooks/10_your_own_data.ipynb" in everything(at)
    assert not at.subheader


def test_the_page_follows_photo_k_and_class(tiny_app: Open) -> None:
    at = with_photo(tiny_app)
    at = go(hand(at, k={0: 2}), METHOD)
    shown = everything(at)
    assert "local prompt 1, k = 2:" in shown
    assert [found.value.split(". ")[0] for found in at.subheader] == [str(i) for i in range(1, 11)]
    for i in range(1, 8):
        assert f"`notebooks/0{i}_" in shown
    label = re.search(r"For (\w+): \*\*", shown)[1]  # type: ignore[index]
    at.selectbox(key="method followed").set_value(next(name for name in ("red", "green", "blue") if name != label))
    assert everything(fine(at.run())) != shown
    at = go(at, EXPLORE)
    at.text_area(key="explore names").set_value("red")
    at = go(fine(at.run()), METHOD)
    assert "K = 1 class name. " in everything(at)
    assert "For red: **> 99.9 %**" in everything(at)


def test_another_photo_is_followed_for_its_own_most_probable_class(tiny_app: Open) -> None:
    at = go(with_photo(tiny_app), METHOD)
    for number, colour in enumerate(tiny.COLOURS):
        uploader(go(at, EXPLORE), "Upload photos").upload(f"{colour}.png", png(50 + number, colour))
        label = answer(fine(at.run())).split(":")[0]
        assert f"For {label}: **" in everything(go(at, METHOD))


def test_after_teaching_it_tells_of_the_training_and_the_photos_of_the_cards_will_do(tiny_app: Open) -> None:
    at = teach(fine(tiny_app()), {"red": 2, "green": 2}, epochs=3)
    at = go(finish(train(settings(at, dropout=0.75))), METHOD)
    shown = everything(at)
    assert "learned in 3 steps on 4 photos" in shown
    assert "each photo kept only **1 of 4** global prompts" in shown
    assert "In the last step, 3, of its 4 photos" in shown
    session = session_of(at)
    session.limit.set_by_hand(-1e9)
    assert "**none of these**" in everything(fine(at.run()))


def test_names_that_cannot_be_used_are_told_in_a_sentence(tiny_app: Open) -> None:
    at = with_photo(tiny_app)
    at.text_area(key="explore names").set_value("")
    at = go(fine(at.run()), METHOD)
    assert at.error
    assert not at.subheader


def test_hostile_names_are_shown_as_typed(tiny_app: Open) -> None:
    at = go(with_photo(tiny_app, "\n".join(HOSTILE)), METHOD)
    shown = everything(at)
    for raw in ("![x](", "<b>", ":red[", "`code`", "$x$"):
        assert raw not in shown
