"""The explainer: what it holds, that its script says what Python says, and the widget that shows it in a notebook."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from app.photos import sample_answers
from gallop import Explanation, GalLoPClassifier, MethodConfig
from gallop.errors import GallopError
from gallop.images import CropBox
from gallop.maps.explainer import SOURCE, STEPS, STYLE_SHEET, script
from gallop.maps.explainer.payload import COSINE_BYTES, explainer_data
from gallop.maps.explainer.state import ExplainerState
from gallop.maps.map_style import Scale, Style, shared_scale
from gallop.model.answers import Rule
from gallop.model.similarities import Look, Similarities
from tests import tiny

NAMES = ("red", "green", "blue")
HERE = Path(__file__).with_name("explainer_script")


def untaught(**settings: Any) -> GalLoPClassifier:
    """Of the golden backbones."""
    return GalLoPClassifier(backbone=tiny.vit(), cache=False, **settings).zero_shot(NAMES)


def explanation(**settings: Any) -> Explanation:
    return untaught(**settings).explain(tiny.picture(3, "green"))


def with_head(kind: str, *, detail: float = 1, detail_in: str = "answers", **settings: Any) -> Explanation:
    """Taught by a few shots."""
    classifier = untaught(method=MethodConfig(head=kind, detail=detail, detail_in=detail_in), **settings)
    return classifier.add_shots(*tiny.pictures(dict.fromkeys(NAMES, 3))).explain(tiny.picture(3, "green"))


def made_up(
    classes: int, side: int, *, seed: int = 0, topk: tuple[int, ...] = (5, 10, 15, 20), head: float | None = None
) -> Explanation:
    """Of cosines that were drawn, for sizes that no backbone here has; ``head`` is its weight."""
    drawn = torch.Generator().manual_seed(seed)
    regions = 0.2 + 0.05 * torch.randn(1, side * side, classes, max(len(topk), 1), generator=drawn)
    look = Look(
        0.2 + 0.05 * torch.randn(1, classes, 4, generator=drawn),
        regions if topk else regions[..., :0],
        regions.mean(dim=-1),
        {} if head is None else {"ridge": 0.1 * torch.randn(1, side * side, classes, generator=drawn)},
    )
    return Explanation(
        image=Image.new("RGB", (224, 224), "gray"),
        class_names=tuple(f"class {k}" for k in range(classes)),
        similarities=Similarities((look,), branch_weights={} if head is None else {"ridge": head}),
        rule=Rule(topk, scale=100.0, temperature=1.3, threshold=-1.2),
        grids=((side, side),),
        crop=CropBox(0, 0, 224, 224),
    )


def drawn_at_random(seed: int) -> Explanation:
    """Of a model whose sizes, weights, scale and rule are drawn: one look or two, a head or none."""
    rng = np.random.default_rng(seed)
    drawn = torch.Generator().manual_seed(seed)
    classes, global_, local = int(rng.integers(1, 7)), int(rng.integers(1, 6)), int(rng.integers(0, 5))
    sides = rng.integers(1, 5, rng.integers(1, 3)).tolist()
    share = float(rng.uniform()) if len(sides) == 2 else 0.0
    heads = ("ridge",)[: rng.integers(0, 2)]
    weights = rng.dirichlet(np.ones(len(heads) + 1))[:-1].tolist()

    def look(side: int) -> Look:
        regions = 0.2 + 0.1 * torch.randn(1, side * side, classes, max(local, 1), generator=drawn)
        return Look(
            0.2 + 0.1 * torch.randn(1, classes, global_, generator=drawn),
            regions[..., :local],
            regions.mean(dim=-1),
            {name: 0.2 * torch.randn(1, side * side, classes, generator=drawn) for name in heads},
        )

    looks = tuple(look(side) for side in sides)
    return Explanation(
        image=Image.new("RGB", (8, 8)),
        class_names=tuple(f"class {k}" for k in range(classes)),
        similarities=Similarities(
            looks, (1 - share, share)[: len(looks)], branch_weights=dict(zip(heads, weights, strict=True))
        ),
        rule=Rule(
            tuple(rng.integers(1, 20, local).tolist()),
            scale=float(rng.uniform(1, 100)),
            temperature=float(rng.uniform(0.3, 3)),
            threshold=-1.2,
        ),
        grids=tuple((side, side) for side in sides),
        crop=CropBox(0, 0, 8, 8),
    )


def looked_twice(first: Explanation, second: Explanation, share: float = 0.5) -> Explanation:
    """Of two looks, such as ``made_up`` makes them."""
    looks = first.similarities.looks + second.similarities.looks
    found = replace(first.similarities, looks=looks, look_weights=(1 - share, share))
    return replace(first, similarities=found, grids=first.grids + second.grids)


# The script ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", sorted(SOURCE.rglob("*.js")), ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_text_of_strangers_never_becomes_markup_and_nothing_is_fetched(module: Path) -> None:
    markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function"
    network = r"\bfetch\(|XMLHttpRequest|WebSocket|https?://|localStorage"
    assert not re.findall(f"{markup}|{network}", module.read_text(encoding="utf-8"))


@pytest.mark.parametrize("part", ["parts", "steps"])
def test_its_parts_do_what_they_should_on_numbers_worked_out_by_hand(node: str, part: str) -> None:
    command = [node, "--test", str(HERE / f"{part}.test.mjs")]
    surroundings = os.environ | {"EXPLAINER_SOURCE": str(SOURCE)}
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout


# The same figures as Python ------------------------------------------------------------------------------------------


def mini() -> Explanation:
    classifier = GalLoPClassifier("mini", cache=False).zero_shot(["cat", "kitten", "coffee cup", "rocket"])
    return classifier.explain(str(sample_answers.available_samples()["Cat"]))


CASES: dict[str, Any] = {
    "golden backbones": lambda: explanation(topk=(1, 3, 5, 16)),
    "golden backbones, one scale": lambda: explanation(topk=(3,), global_prompts=1),
    "golden backbones, no local prompts": lambda: explanation(topk=()),
    "mini": mini,
    "20 classes, 7 x 7": lambda: made_up(20, 7),
    "20 classes, 24 x 24": lambda: made_up(20, 24),
    "golden backbones, ridge regression": lambda: with_head("ridge", topk=(1, 3, 5, 16)),
    "golden backbones, ridge regression and no local prompts": lambda: with_head("ridge", topk=()),
    "20 classes, 7 x 7, a head": lambda: made_up(20, 7, head=0.6),
    "1,000 classes, 7 x 7, a head": lambda: made_up(1000, 7, head=0.3),
    "one class": lambda: made_up(1, 7),
    "600 classes, 14 x 14": lambda: made_up(600, 14),
    "1,000 classes, 7 x 7": lambda: made_up(1000, 7),
    "1,000 classes, 24 x 24": lambda: made_up(1000, 24),
    "golden backbones, two looks": lambda: explanation(topk=(1, 3, 5, 16), method=MethodConfig(detail=2)),
    "golden backbones, two looks for maps": lambda: explanation(method=MethodConfig(detail=1.5, detail_in="maps")),
    "golden backbones, two looks, no local prompts": lambda: explanation(topk=(), method=MethodConfig(detail=2)),
    "golden backbones, two looks, ridge regression": lambda: with_head("ridge", detail=2, topk=(1, 3, 5, 16)),
    "golden backbones, one and a half looks, a head": lambda: with_head("ridge", detail=1.5),
    "golden backbones, two looks, a head and no local prompts": lambda: with_head("ridge", detail=2, topk=()),
    "golden backbones, two looks for maps, a head": lambda: with_head("ridge", detail=2, detail_in="maps"),
    "20 classes, 7 x 7 and 14 x 14, a head": lambda: looked_twice(made_up(20, 7, head=0.6), made_up(20, 14, head=0.6)),
    "1,000 classes, 7 x 7 and 14 x 14, a head": lambda: looked_twice(
        made_up(1000, 7, head=0.3), made_up(1000, 14, seed=1, head=0.3)
    ),
    "the head alone, two looks": lambda: looked_twice(made_up(5, 7, head=1.0), made_up(5, 14, head=1.0)),
    "20 classes, 7 x 7 and 14 x 14": lambda: looked_twice(made_up(20, 7), made_up(20, 14, seed=1)),
    "1,000 classes, 7 x 7 and 14 x 14": lambda: looked_twice(made_up(1000, 7), made_up(1000, 14, seed=1)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_browser_says_what_python_says(case: str, node: str, record_property: Any) -> None:
    """Everything that is shown unmarked, to 1e-5: at the model's k, at k that a hand chose, at every region asked."""
    found: Explanation = CASES[case]()
    count = found.grid[0] * found.grid[1]
    usual = found.with_topk(ExplainerState().of(found).topk) if found.topk else found
    rng = np.random.default_rng(0)
    topks = [list(usual.topk), *(rng.integers(1, count + 1, len(found.topk)).tolist() for _ in range(3))]
    regions, data = [0, count // 2, count - 1], explainer_data(found)
    said = answer_of(node, "said.mjs", data=data, topks=topks, regions=regions)
    differences = [_difference_of_answer(found, data, said, i, topk) for i, topk in enumerate(topks)]
    differences += [_difference_of_region(found, said, region) for region in regions]
    differences += [abs(said["outlier"][name] - float(score[0])) for name, score in found.similarities.ood.items()]
    record_property("largest difference", max(differences))
    assert max(differences) < 1e-5


def test_the_browser_answers_as_python_does_for_a_thousand_models(node: str) -> None:
    models = [drawn_at_random(seed) for seed in range(1000)]
    asked = [{"data": explainer_data(found, photo=""), "topk": list(found.topk)} for found in models]
    for found, said in zip(models, answer_of(node, "answers_said.mjs", asked=asked)["found"], strict=True):
        own = found.answers
        assert said["scores"] == pytest.approx(own.scores[0].tolist(), abs=1e-5)
        assert said["probabilities"] == pytest.approx(own.probabilities[0].tolist(), abs=2e-4)
        assert said["outlier"] == pytest.approx(float(own.similarities.ood["GL-MCM"][0]), abs=1e-5)


def answer_of(node: str, script: str, **asked: Any) -> dict[str, Any]:
    """What a script beside this file prints when it is asked."""
    command = [node, str(HERE / script), str(SOURCE)]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def _difference_of_answer(
    found: Explanation, data: dict[str, Any], said: dict[str, Any], i: int, topk: list[int]
) -> float:
    """The largest one of probabilities, scores and top-k means; the regions that count are the same ones."""
    wanted = found.with_topk(topk) if topk else found
    here = said["here"]
    answer = said["topks"][i]
    every = "last" not in data["takes"][0]["branches"][1]
    assert answer["current"] == (every or topk == data["state"]["topk"]), "what is not so any more is marked"
    differences = [0.0]
    if answer["current"]:
        prompts = [wanted.global_probabilities, wanted.local_probabilities]
        weighed = prompts if wanted.answers.weights["global"] else []  # what has no weight is not shown
        shares = [wanted.probabilities, *weighed, *wanted.branch_probabilities.values()]
        both = zip([answer["shares"], *answer["branches"]], filter(None, shares), strict=False)
        differences += [np.abs(np.array(branch) - list(mine.values())).max() for branch, mine in both]
    if topk:
        differences.append(np.abs(np.array(answer["means"]) - wanted.local_scores[here]).max())
        for means, look in zip(answer["looks"], wanted.looks, strict=True):
            differences.append(np.abs(np.array(means) - look.local_scores[here]).max())
        for c in (here[0], here[-1]):
            for n in range(len(topk)):
                kept = [box.region for box in wanted.looks[-1].regions(found.class_names[c], n)]
                assert answer["kept"][here.index(c)][n] == kept
        assert answer["where"][0] == wanted.describe(found.class_names[here[0]], 0)
        maps = [[wanted.region_scores(found.class_names[c], n).ravel() for n in range(len(topk))] for c in here[:3]]
        differences.append(np.abs(np.array(said["maps"]) - maps).max())
    for (branch, scores), own in zip(wanted.branch_scores.items(), said["besides"], strict=True):
        total = np.zeros(len(here[:3]))
        names = found.class_names
        most = max(*(np.abs(look.branch_map(branch, name)).max() for look in wanted.looks for name in names), 1)
        for look, share, maps, means in zip(wanted.looks, wanted.look_weights, own["maps"], own["each"], strict=True):
            each = [look.branch_map(branch, names[c]).ravel() for c in here[:3]]
            differences.append(np.abs(np.array(maps) - each).max() / most)
            differences.append(np.abs(np.array(maps).mean(axis=1) - np.array(means)[here[:3]]).max() / most)
            total += share * np.array(maps).mean(axis=1)
        differences.append(np.abs(np.array(own["means"]) - scores).max() / most)
        differences.append(np.abs(total - scores[here[:3]]).max() / most)  # the maps are the score
    if said["contrast"]:
        first, second = (found.class_names[c] for c in here[:2])
        minus = [wanted.region_scores(first, n) - wanted.region_scores(second, n) for n in range(len(topk))]
        differences.append(np.abs(np.array(said["contrast"]["maps"]) - [m.ravel() for m in minus]).max())
    return float(max(differences))


def _difference_of_region(found: Explanation, said: dict[str, Any], region: int) -> float:
    wanted = found.region_probabilities[region]
    alone = said["alone"][str(region)]
    assert [c for c, _ in alone] == np.argsort(-wanted, kind="stable")[:5].tolist()
    return float(max(abs(share - wanted[c]) for c, share in alone))


@pytest.mark.parametrize("detail", [1, 2])
def test_a_score_in_words_is_the_same_sum_in_the_browser(detail: float, node: str) -> None:
    classifier = tiny.classifier(lr=0.5, method=MethodConfig(detail=detail)).fit(*tiny.pictures({"red": 3, "blue": 3}))
    found = classifier.explain(tiny.picture(3, "red"), words=["blue"])
    topks = [[2, 4], [1, 7]]
    (said,) = answer_of(node, "said.mjs", data=explainer_data(found), topks=topks, regions=[0])["told"]
    for topk, of_k in zip(topks, said, strict=True):
        for prompt, parts in enumerate(of_k):
            assert parts == pytest.approx([*found.with_topk(topk).in_words("blue", prompt).values()], abs=1e-6)


def test_what_teaching_changed_is_the_difference_of_two_takes(node: str) -> None:
    after, before = made_up(5, 7), made_up(5, 7, seed=1)
    data = explainer_data(after, before=before)
    said = answer_of(node, "said.mjs", data=data, topks=[[3, 4, 5, 6]], regions=[0])
    wanted = [after.region_scores("class 0", n) - before.region_scores("class 0", n) for n in range(4)]
    assert np.abs(np.array(said["before"]) - [m.ravel() for m in wanted]).max() < 1e-6
    order = [3, 0, 4, 1, 2]
    names = tuple(after.class_names[k] for k in order)
    turned = replace(before, class_names=names, similarities=before.similarities.of_classes(order))
    assert explainer_data(after, before=turned) == data, "by name, whatever their order"
    for other in (made_up(6, 7), made_up(5, 6), made_up(5, 7, topk=(3,))):
        with pytest.raises(ValueError, match="can be compared only if"):
            explainer_data(after, before=other)


def test_what_is_compared_with_has_the_probabilities_of_its_own_temperature(node: str) -> None:
    after, before = made_up(5, 7), made_up(5, 7, seed=1)
    before = replace(before, rule=replace(before.rule, temperature=0.4))
    data = explainer_data(after, before=before, photo="")
    assert "temperature" not in data["takes"][0]
    asked = [{"data": data, "topk": list(after.topk), "number": number} for number in (0, 1)]
    for found, said in zip((after, before), answer_of(node, "answers_said.mjs", asked=asked)["found"], strict=True):
        assert said["probabilities"] == pytest.approx([*found.probabilities.values()], abs=2e-4)


# What it holds -------------------------------------------------------------------------------------------------------


def _bytes(data: dict[str, Any]) -> int:
    return sum(len(base64.b64decode(take["branches"][1]["cosines"])) for take in data["takes"])


def test_up_to_two_megabytes_everything_is_sent_and_above_what_is_asked_for_and_most_probable() -> None:
    assert "classes" not in explainer_data(made_up(600, 14))["takes"][0]["branches"][1]
    found = made_up(1000, 14)
    asked = ExplainerState(class_name="class 999", against="class 998", topk=(2, 3, 4, 5))
    data = explainer_data(found, state=asked)
    assert COSINE_BYTES - 196 * 4 * 4 < _bytes(data) <= COSINE_BYTES
    branch = data["takes"][0]["branches"][1]
    probabilities = list(found.with_topk(asked.topk).probabilities.values())
    most = np.argsort(-np.array(probabilities), kind="stable")[: len(branch["classes"]) - 2].tolist()
    assert len({998, 999, *most} & set(branch["classes"])) >= len(branch["classes"]) - 2
    assert {998, 999} <= set(branch["classes"])
    assert (branch["last"]["topk"], "offered" in data) == ([2, 3, 4, 5], False)
    assert explainer_data(found, asks=False)["offered"] == explainer_data(found)["takes"][0]["branches"][1]["classes"]
    both = explainer_data(made_up(400, 14), before=made_up(400, 14, seed=1))
    assert COSINE_BYTES / 2 < _bytes(both) <= COSINE_BYTES


def test_the_data_are_plain_values_and_keep_hostile_names_as_they_are() -> None:
    hostile = "</script><script>alert(1)</script>"
    found = GalLoPClassifier(backbone=tiny.vit(), cache=False).zero_shot([hostile, "b"]).explain(tiny.picture(1))
    data = json.loads(json.dumps(explainer_data(found)))
    assert data["names"] == [hostile, "b"]
    assert data["photo"].startswith("data:image/jpeg;base64,")


def test_one_scale_serves_every_class() -> None:
    found = explanation()
    scale = shared_scale(found)
    every = np.stack([found.region_scores(name, n) for name in NAMES for n in range(len(found.topk))])
    assert (scale.high, scale.low) == (pytest.approx(every.max()), pytest.approx(every.mean(), abs=1e-6))
    assert explainer_data(found)["range"] == [scale.low, scale.high]


# What stands ---------------------------------------------------------------------------------------------------------


def test_what_stands_goes_to_the_browser_and_comes_back() -> None:
    style = Style("cividis", 0.3, 0.1, drawn="Cells")
    stands = ExplainerState("red", "blue", True, 2, (1, 2, 3, 4), 5, True, style, 8)
    assert ExplainerState.from_browser(json.loads(json.dumps(stands.as_dict()))) == stands


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"class_name": 3, "topk": "5", "prompt": "x", "region": True, "opacity": "much", "colours": "jet"},
        {"topk": [1, None], "threshold": 7, "turn": [], "before": 1, "class_name": ["red"]},
        {"topk": [True, 2], "opacity": -1, "threshold": float("nan"), "colours": ["viridis"]},
    ],
)
def test_a_browser_may_say_anything(said: dict[str, Any]) -> None:
    found = explanation()
    stands = ExplainerState.from_browser(said).of(found)
    usual = None, None, Style(), tuple(min(k, 16) for k in found.topk)
    assert (stands.class_name, stands.region, stands.style, stands.topk) == usual


def test_what_stands_is_set_right_for_the_photo() -> None:
    stands = ExplainerState("pink", "red", False, 99, (0, 400), 16).of(explanation())
    assert stands == ExplainerState(None, "red", False, 3, (1, 16, 15, 16), None)


# In a notebook -------------------------------------------------------------------------------------------------------


def widget(found: Explanation, **settings: Any) -> Any:
    pytest.importorskip("anywidget", reason="needs the extra 'notebooks'")
    from gallop.maps.explainer.widget import Explainer

    return Explainer(found, **settings)


@pytest.mark.parametrize("entry", ["hosts.js", STEPS])
def test_in_one_script_each_name_stands_for_one_thing_and_nothing_is_imported(entry: str) -> None:
    joined = script(entry)
    declared = r"^(?:default )?(?:async )?(?:function|class|const|let|var) ([\w$]+)"
    names = re.findall(declared, joined, re.MULTILINE)
    assert 50 < len(names) == len(set(names))
    assert not re.search(r"^import ", joined, re.MULTILINE)


def test_the_widget_carries_the_files_and_tells_python_what_stands() -> None:
    found = explanation()
    shown = widget(found, state=ExplainerState("red"))
    assert (str(shown._esm), str(shown._css)) == (script(), STYLE_SHEET.read_text(encoding="utf-8"))
    before = json.loads(json.dumps(shown.get_state(["data"])))["data"]
    assert before["state"]["class_name"] == "red"
    shown.browser_state = before["state"] | {"topk": [2, 3, 4, 5], "region": 7, "turn": 1}  # as a hand that lets go
    assert (shown.state.topk, shown.state.region) == ((2, 3, 4, 5), 7)
    assert shown.explained.probabilities == found.with_topk((2, 3, 4, 5)).probabilities
    assert shown.data == before, "the browser has everything already: nothing is sent"
    shown.show(ExplainerState("blue"))
    stands = shown.data["state"]
    assert (stands["class_name"], stands["turn"]) == ("blue", 1), "an answer to the last movement is followed"


def test_beside_others_a_widget_is_compact_and_shares_their_colours_and_has_a_width() -> None:
    shown = widget(explanation(), compact=True, scale=Scale(-0.5, 0.75), layout={"width": "380px"})
    assert (shown.data["compact"], shown.data["range"], shown.layout.width) == (True, [-0.5, 0.75], "380px")
    shown.show(ExplainerState("blue", prompt=2))
    assert (shown.data["compact"], shown.data["range"]) == (True, [-0.5, 0.75])


@pytest.mark.parametrize(
    ("stands", "words"),
    [
        (ExplainerState("pink"), "This explanation has no class 'pink'; its classes are red, green, blue."),
        (ExplainerState(against="<b>"), "has no class '<b>'; its classes"),
        (ExplainerState(prompt=4), "prompt is 4; it must be between 0 and 3"),
        (ExplainerState(prompt=-1), "prompt is -1"),
        (ExplainerState(topk=(5, 0)), r"each 1 or more; got \[5, 0\]"),
        (ExplainerState(topk=(1,) * 5), "at most 4 numbers"),
        (ExplainerState(region=16), "region is 16; it must be between 0 and 15"),
        (ExplainerState(region=-1), "region is -1"),
    ],
)
def test_a_widget_refuses_what_is_not_there_and_keeps_what_it_shows(stands: ExplainerState, words: str) -> None:
    shown = widget(explanation(), state=ExplainerState("blue"))
    before = shown.state, shown.data
    with pytest.raises(GallopError, match=words):
        shown.show(stands)
    assert (shown.state, shown.data) == before
    with pytest.raises(ValueError, match=words):
        widget(explanation(), state=stands)


def test_a_k_of_more_than_all_regions_is_that_of_all_as_in_the_model() -> None:
    found = explanation(topk=(3, 400))
    shown = widget(found, state=ExplainerState(topk=(400, 400)))
    assert (shown.state.topk, shown.explained.probabilities) == ((16, 16), found.with_topk((400, 400)).probabilities)


def test_where_not_all_classes_are_sent_the_widget_sends_what_a_hand_came_to() -> None:
    shown = widget(made_up(1000, 14))
    assert shown.data["takes"][0]["branches"][1]["last"]["topk"] != [1, 2, 3, 4]
    shown.browser_state = shown.state.as_dict() | {"topk": [1, 2, 3, 4], "class_name": "class 7", "turn": 1}
    branch = shown.data["takes"][0]["branches"][1]
    assert (branch["last"]["topk"], 7 in branch["classes"]) == ([1, 2, 3, 4], True)


def test_without_anywidget_the_explainer_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.delitem(sys.modules, "gallop.maps.explainer.widget", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'gallop-explorer\[notebooks\]'"):
        import gallop.maps.explainer.widget  # noqa: F401
