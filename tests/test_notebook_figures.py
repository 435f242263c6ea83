"""What the notebooks say of their results: every number is one that is stored with them, every claim holds there."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from gallop.lessons.question import questions_of
from tests.conftest import ROOT

pytest.importorskip("jupytext", reason="needs the extra 'notebooks'")

import nbformat

from notebooks import sync

GIVEN = {
    "03_topk_and_scales": {"20%", "0.1"},  # the size of a pasted photo
    "07_none_of_these": {"95%", "5%"},  # what a threshold is set to
    "10_your_own_data": {"80%", "95%"},  # of a class made up
    "11_methods_side_by_side": {"22%", "47%", "95%"},  # the README's, of real photos
}
"""Numbers that are no result of the notebook: of its set-up, or of another page."""
NUMBER = re.compile(r"(?<![\w.$-])\d+(?:\.\d+)?%|(?<![\w.$-])0\.\d+\b")


@cache
def notebook(stem: str) -> nbformat.NotebookNode:
    return nbformat.read(ROOT / "notebooks" / f"{stem}.ipynb", as_version=4)


@cache
def printed(stem: str) -> str:
    """What is stored with a notebook as text, that of its pictures too, and not what its quiz asks."""
    outputs = [output for cell in sync.working_cells(notebook(stem)) for output in cell.outputs]
    texts = [out.text if out.output_type == "stream" else out.data["text/plain"] + "\n" for out in outputs]
    return "".join(texts)


def said(stem: str) -> str:
    """What its text says, on one line."""
    return " ".join(" ".join(cell.source for cell in notebook(stem).cells if cell.cell_type == "markdown").split())


def figures(stem: str, line: str) -> list[float]:
    """The numbers of a printed line that starts so, in order; shares in percent."""
    (found,) = re.findall(rf"^ *{line}(.*)$", printed(stem), re.MULTILINE)
    return [float(number) for number in re.findall(r"[-+]?\d+(?:\.\d+)?(?:e[-+]\d+)?", found)]


def falls(numbers: Sequence[float]) -> bool:
    return all(a >= b for a, b in pairwise(numbers)) and numbers[0] > numbers[-1]


@pytest.mark.parametrize("script", sync.scripts(), ids=lambda path: path.stem)
def test_a_number_of_a_result_is_stored_beside_it(script: Path) -> None:
    there = printed(script.stem)
    for cell in notebook(script.stem).cells:
        if cell.cell_type == "markdown" and "**What you should see.**" in cell.source:
            stated = set(NUMBER.findall(cell.source)) - GIVEN.get(script.stem, set())
            missing = [number for number in stated if not re.search(rf"(?<![\d.]){re.escape(number)}", there)]
            assert not missing, f"{missing} are said and not stored: {cell.source}"


@pytest.mark.parametrize("script", sync.scripts(), ids=lambda path: path.stem)
def test_a_number_that_a_right_answer_states_is_in_its_notebook(script: Path) -> None:
    there = printed(script.stem) + said(script.stem)
    for question in questions_of(int(script.stem[:2])):
        right = next(answer for answer in question.answers if answer.right)
        stated = set(NUMBER.findall(f"{question.text} {right.text} {right.said}"))
        missing = [number for number in stated if not re.search(rf"(?<![\d.]){re.escape(number)}", there)]
        assert not missing, f"{missing} are said and not stored: {question.text}"


def pasted() -> list[list[float]]:
    """03: by the size of the thing, the probability by the global prompt and by each k, largest thing first."""
    (table,) = re.findall(r"by the side of the thing \(rows\): (.*)", printed("03_topk_and_scales"))
    rows = [re.findall(r"(?:global|k = \d+) (\d+)%", row) for row in table.split(";")]
    return [[float(share) for share in row] for row in rows]


def on_halves() -> dict[str, float]:
    (line,) = re.findall(r"on their own half. (.*)", printed("03_topk_and_scales"))
    found = re.findall(r"([a-z, ]+?) (\d+)%", line)
    return {what.strip(", "): float(share) for what, share in found}


def different_prompts(way: str) -> list[list[float]]:
    """05: at p = 0.25, 0.5 and 0.75 how many different prompts a photo has, and the fewest and most times of one."""
    return [figures("05_dropout_and_diversity", rf"p = +{p}, +{way} replacement: ") for p in (0.25, 0.5, 0.75)]


def at_domain(p: str, kind: str) -> list[float]:
    """05: right by one prompt and by the ensemble, and their losses."""
    return figures("05_dropout_and_diversity", f"p = {p} {kind} ")


def shares_on_things(kind: int, when: int) -> list[float]:
    """06: share on the thing of the local prompts 1 to 4, before (0) or after (1) training."""
    lines = [figures("06_training", f"prompt {n}, k = ")[1:] for n in range(1, 5)]
    return [line[2 * kind + when] for line in lines]


def by_shots(task: str) -> list[float]:
    """06: zero-shot, then the mean at each number of shots."""
    (part,) = re.findall(rf"^{task}: zero-shot (.*(?:\n  .*)+)", printed("06_training"), re.MULTILINE)
    return [float(part.split("%")[0]), *(float(mean) for mean in re.findall(r"shots?: +([\d.]+)%", part))]


def terms(when: str) -> list[float]:
    return figures("06_training", f"{when} ")


def score_of(name: str) -> list[float]:
    """07: threshold, FPR95, AUROC of all, of near and of far unknown photos."""
    found = figures("07_none_of_these", rf"{name} +threshold")
    return [number for number in found if number != 95]


def refused_by(name: str) -> list[float]:
    """07: the share of strange photos called unknown, by the size of the known thing on them."""
    return figures("07_none_of_these", rf"{name} +called unknown:")


def by_method(kind: str) -> dict[str, float]:
    """08: accuracy of the three methods in a domain."""
    column = ("clear", "blur", "sketch", "dark").index(kind)
    return {m: figures("08_another_domain", f"{m} ")[column] for m in ("zero-shot", "CoOp", "GalLoP")}


def parts(kind: str) -> list[float]:
    """08: accuracy of the global half, the local one, both, and each scale."""
    (found,) = (numbers for numbers in lines_of(kind) if len(numbers) == 7)
    return found


def lines_of(kind: str) -> list[list[float]]:
    """08: the numbers of each printed line that starts with a domain."""
    lines = re.findall(rf"^{kind} (.*)$", printed("08_another_domain"), re.MULTILINE)
    return [[float(number) for number in re.findall(r"[\d.]+(?=%)", line)] for line in lines]


def on_thing_in() -> list[float]:
    """08: the share of the regions that lies on the thing, by domain."""
    return [float(share) for share in re.findall(r"(\d+)% on the thing", printed("08_another_domain"))]


def pushes() -> list[float]:
    """09: what each prompt adds to the log-odds of the wrong class, global ones first."""
    return figures("09_debugging_alignment", "global prompts add ")


def pointed(way: str) -> list[float]:
    """12: photo, thing, top, alike and alone of a way."""
    return figures("12_maps_side_by_side", rf"{way} +(?=\d+% +\d+%)")


def left(way: str) -> list[float]:
    """12: the score of the name that is left on average, and when the first 31 regions are gone."""
    return figures("12_maps_side_by_side", rf"{way} +(?=\d+% of the score)")[:2]


LISTEN = ("GalLoP", "plain cosine", "activation map", "Grad-CAM", "lent attention")
BLIND = (r"centre \(blind\)", r"edges \(blind\)", r"odd colour \(blind\)")
CANDLE, MUG, TEAPOT, VASE = range(4)
UNKNOWN, DOMAINS = "07_none_of_these", "08_another_domain"
DEBUGGING, OWN = "09_debugging_alignment", "10_your_own_data"
MAPS = "12_maps_side_by_side"
DROPOUT, TRAINING, SCALES = "05_dropout_and_diversity", "06_training", "03_topk_and_scales"
CLAIMS: list[tuple[str, str, Callable[[], bool]]] = [
    (
        SCALES,
        "every column falls from its top row to its bottom one (not at every step",
        lambda: all(top > bottom for top, bottom in zip(pasted()[0], pasted()[-1], strict=True)),
    ),
    (
        SCALES,
        "a $k$ of 20 or less does better than the global prompt in every row",
        lambda: all(min(row[1:4]) > row[0] for row in pasted()),
    ),
    (SCALES, "The last column has the lowest numbers", lambda: all(min(row) == row[-1] for row in pasted())),
    (
        SCALES,
        '"both" is far above "nothing learned"',
        lambda: on_halves()["both, as trained"] > on_halves()["nothing learned"] + 20,
    ),
    (
        SCALES,
        "the new projection alone brings about as much as both",
        lambda: abs(on_halves()["projection only"] - on_halves()["both, as trained"]) < 8,
    ),
    (
        DROPOUT,
        "Within a line each prompt has its turn equally often, but for chance",
        lambda: all(most - few < 0.05 for way in ("with", "without") for _, few, most in different_prompts(way)),
    ),
    (
        DROPOUT,
        "With $p = 0.75$ there is one prompt a photo in both ways",
        lambda: different_prompts("with")[2][0] == different_prompts("without")[2][0] == 1,
    ),
    (
        DROPOUT,
        "give 1.75 different prompts on average",
        lambda: (different_prompts("with")[1][0], different_prompts("without")[1][0]) == (1.75, 2),
    ),
    (
        DROPOUT,
        "three draws give 2.31 instead of 3",
        lambda: (different_prompts("with")[0][0], different_prompts("without")[0][0]) == (2.31, 3),
    ),
    (
        DROPOUT,
        "its loss is the lower one on clear photos and in all three other domains",
        lambda: all(at_domain("0.75", k)[3] < at_domain(" 0.0", k)[3] for k in ("clear", "blur", "sketch", "dark")),
    ),
    (DROPOUT, "not one for every seed", lambda: 0 < figures(DROPOUT, "with dropout the ensemble's loss")[0] < 6),
    (
        DROPOUT,
        "there it is highest with three voters",
        lambda: max(range(1, 5), key=lambda n: figures(DROPOUT, f"{n} voting:")[-1]) == 3,
    ),
    (DROPOUT, "With dropout it falls", lambda: figures(DROPOUT, "p = 0.75  overlap at the end:")[1] < 0.99),
    (
        TRAINING,
        "Every term falls on the training photos",
        lambda: all(a < b for a, b in zip(terms("train, after"), terms("train, before"), strict=True)),
    ),
    (TRAINING, "the local ones to nearly nothing", lambda: max(terms("train, after")[1:]) < 0.05),
    (
        TRAINING,
        "only the global term falls, and the local ones even rise a little",
        lambda: (
            [a < b for a, b in zip(terms("test, after"), terms("test, before"), strict=True)] == [True, *[False] * 4]
        ),
    ),
    (
        TRAINING,
        "its last losses are still above those that it started from",
        lambda: (lambda found: found[2] > found[0])(figures(TRAINING, "learning rate 50: loss ")),
    ),
    (
        TRAINING,
        "about nine in ten of the 5 regions of local prompt 1 lie on them",
        lambda: all(85 < shares_on_things(kind, when)[0] < 97 for kind in (MUG, TEAPOT) for when in (0, 1)),
    ),
    (
        TRAINING,
        "Of a candle hardly a third does, of a vase nearly half",
        lambda: (
            shares_on_things(CANDLE, 0)[0] < 34 < 40 <= min(shares_on_things(VASE, when)[0] for when in (0, 1)) < 50
        ),
    ),
    (
        TRAINING,
        "of a mug and a teapot before training the share falls at every step",
        lambda: all(falls(shares_on_things(kind, 0)) for kind in (MUG, TEAPOT)),
    ),
    (
        TRAINING,
        "up for teapots at every scale and not up for candles",
        lambda: (
            all(a < b for a, b in zip(shares_on_things(TEAPOT, 0), shares_on_things(TEAPOT, 1), strict=True))
            and all(a >= b for a, b in zip(shares_on_things(CANDLE, 0), shares_on_things(CANDLE, 1), strict=True))
        ),
    ),
    (
        TRAINING,
        "one or two shots do no better than that in the mean",
        lambda: max(by_shots("photos")[1:3]) <= by_shots("photos")[0],
    ),
    (
        TRAINING,
        "From 4 shots on the mean lies above the line",
        lambda: min(by_shots("photos")[3:]) > by_shots("photos")[0],
    ),
    (
        TRAINING,
        "every doubling of the shots adds to the mean",
        lambda: falls(by_shots("textures")[:0:-1]) and by_shots("textures")[1] > by_shots("textures")[0] + 30,
    ),
    (
        UNKNOWN,
        "it lets 13.6% of the unknown photos through where MCM lets 68.2%",
        lambda: (score_of("L-MCM")[1], score_of("MCM")[1]) == (13.6, 68.2),
    ),
    (
        UNKNOWN,
        "nearly perfect on the far photos (0.997), and does less well on other things on the same tables (0.954)",
        lambda: score_of("L-MCM")[3:] == [0.954, 0.997],
    ),
    (UNKNOWN, "That is MCM, for half of these photos", lambda: refused_by("MCM")[0] == 50),
    (UNKNOWN, "L-MCM and GL-MCM refuse them all", lambda: refused_by("L-MCM")[0] == refused_by("GL-MCM")[0] == 100),
    (UNKNOWN, "it still refuses 92% and then 71%", lambda: refused_by("L-MCM")[1:3] == [92, 71]),
    (
        UNKNOWN,
        "L-MCM is content with more than half of these photos",
        lambda: max(refused_by("L-MCM")[3:]) < 50 <= refused_by("L-MCM")[2],
    ),
    (
        UNKNOWN,
        "MCM lets more through at every size",
        lambda: all(a < b for a, b in zip(refused_by("MCM"), refused_by("L-MCM"), strict=True)),
    ),
    (
        UNKNOWN,
        "All three are of the *near* photos, and all three are let through",
        lambda: (
            "bowl: -0.2685 is let through; dice: -0.2655 is let through; bell" in printed(UNKNOWN)
            and printed(UNKNOWN).count("is let through") == 3
        ),
    ),
    (
        UNKNOWN,
        "which refuse 38% of the blurred photos",
        lambda: figures(UNKNOWN, r"blur +MCM ")[1:] == [38, 38],
    ),
    (UNKNOWN, "the old threshold refuses everything", lambda: "with the old threshold: 100%" in printed(UNKNOWN)),
    (
        DEBUGGING,
        "nearly all wrong answers name the intruder",
        lambda: figures(DEBUGGING, "of the wrong answers, ")[0] > 90,
    ),
    (
        DEBUGGING,
        "all eight prompts push to the wrong class, each local one more than any global one",
        lambda: min(pushes()) > 0 and max(pushes()[:4]) < min(pushes()[4:]) and pushes()[4] == max(pushes()),
    ),
    (
        DEBUGGING,
        "92% and 84% of the regions that decided lie on them. Of candles 28% do, of vases 45%",
        lambda: [figures(DEBUGGING, kind)[0] for kind in ("mug ", "teapot ", "candle ", "vase ")] == [92, 84, 28, 45],
    ),
    (
        DEBUGGING,
        "more than twice what chance would give",
        lambda: all(figures(DEBUGGING, kind)[0] > 2 * figures(DEBUGGING, kind)[1] for kind in ("candle ", "vase ")),
    ),
    (DEBUGGING, "of a candle never the lower third", lambda: figures(DEBUGGING, "candle ")[-1] == 0),
    (
        DEBUGGING,
        "The smaller the $k$, the more of its regions lie on the thing",
        lambda: falls([figures(DEBUGGING, f"local prompt {n}, k = .*: ")[0] for n in range(1, 5)]),
    ),
    (
        DEBUGGING,
        "nearly level for small $k$, and higher from 70 on",
        lambda: all(
            max(line[:6]) - min(line[:6]) <= 3 and max(line[6:]) > max(line[:6])
            for line in (figures(DEBUGGING, "choose on "), figures(DEBUGGING, "report "))
        ),
    ),
    (
        DEBUGGING,
        "the larger $k$ repairs 3 and breaks none, and costs nothing on photos without an intruder",
        lambda: figures(DEBUGGING, "another scale:")[1:] == [3, 0, figures(DEBUGGING, "as it was:")[3]],
    ),
    (
        DEBUGGING,
        "repair 5 and break 2, which comes to the same",
        lambda: figures(DEBUGGING, "more shots:")[:3] == [figures(DEBUGGING, "another scale:")[0], 5, 2],
    ),
    (
        DEBUGGING,
        "The second is far higher",
        lambda: figures(DEBUGGING, "zero-shot with brickwork")[0] > figures(DEBUGGING, "zero-shot with brick,")[0] + 30,
    ),
    (
        DEBUGGING,
        "without these regions the local prompts pull to the right class",
        lambda: (lambda lead: lead[0] > 0 > lead[1])(figures(DEBUGGING, "local part of the lead of ")),
    ),
    (
        DEBUGGING,
        "there nearly all of them lie",
        lambda: min(figures(DEBUGGING, f"local prompt {n}: there lie")[0] for n in range(1, 5)) >= 95,
    ),
    (DOMAINS, "GalLoP is best (98.6%)", lambda: max(by_method("clear"), key=by_method("clear").get) == "GalLoP"),
    (
        DOMAINS,
        "the trained classifiers are better than zero-shot",
        lambda: min(by_method("clear")["CoOp"], by_method("clear")["GalLoP"]) > by_method("clear")["zero-shot"],
    ),
    (
        DOMAINS,
        "All of them lose in the other domains",
        lambda: all(
            by_method(kind)[method] < by_method("clear")[method]
            for kind in ("blur", "sketch", "dark")
            for method in by_method(kind)
        ),
    ),
    (DOMAINS, "With blur GalLoP keeps most", lambda: max(by_method("blur"), key=by_method("blur").get) == "GalLoP"),
    (DOMAINS, "73.6% against 83.3% of zero-shot", lambda: list(by_method("sketch").values())[::2] == [83.3, 73.6]),
    (
        DOMAINS,
        "In the dark the local half holds and the global one loses",
        lambda: parts("dark")[1] > parts("clear")[1] - 5 and parts("dark")[0] < parts("clear")[0] - 5,
    ),
    (DOMAINS, "88% against 67%", lambda: parts("sketch")[:2] == [88, 67]),
    (
        DOMAINS,
        '"Both" is in no domain the worst part, and with blur it is better than either half',
        lambda: (
            all(parts(kind)[2] > min(parts(kind)[:2]) for kind in ("clear", "blur", "sketch", "dark"))
            and parts("blur")[2] > max(parts("blur")[:2])
        ),
    ),
    (
        DOMAINS,
        "the share hardly changes",
        lambda: max(on_thing_in()) - min(on_thing_in()) < 10,
    ),
    (
        DOMAINS,
        "four sketches of each class did nothing for the sketches (75.0% as before), and blur gained nothing from blur",
        lambda: [lines_of("sketch")[-1][2], lines_of("blur")[-1][1]] == figures(DOMAINS, "nothing ")[2:0:-1],
    ),
    (
        OWN,
        "more test photos are refused than aimed at",
        lambda: figures(OWN, "test photos refused:")[0] > 5,
    ),
    (
        OWN,
        "the step from zero-shot to trained is about one photo",
        lambda: "zero-shot 92% -> trained 96%" in printed(OWN),
    ),
    (
        OWN,
        "of mugs and teapots nearly all the regions lie on the thing",
        lambda: min(figures(OWN, rf"{kind} +(?=\d+% of)")[0] for kind in ("mug", "teapot")) > 80,
    ),
    (
        MAPS,
        "The blind maps find the right photo 25% of the time, as they must, and their *alike* is 1",
        lambda: all((pointed(way)[0], pointed(way)[3]) == (25, 1) for way in BLIND),
    ),
    (
        MAPS,
        "The maps that listen find it in 67% to 92% of the cases",
        lambda: (min(pointed(way)[0] for way in LISTEN), max(pointed(way)[0] for way in LISTEN)) == (67, 92),
    ),
    (
        MAPS,
        "the middle of the photo wins with 83%, and even edges (75%) are on the thing more often than GalLoP's map",
        lambda: (
            [pointed(way)[4] for way in (BLIND[0], BLIND[1], "GalLoP")] == [83, 75, 67]
            and max(pointed(way)[4] for way in (*LISTEN, *BLIND)) == 83
        ),
    ),
    (
        MAPS,
        "The maps that listen leave 27% to 29% of the score on average, a random order 50%",
        lambda: {left(way)[0] for way in LISTEN} == {27, 28, 29} and left("random")[0] == 50,
    ),
    (
        MAPS,
        "The middle (55%) and the odd colour (56%) are no better than chance",
        lambda: [left(way)[0] for way in (BLIND[0], BLIND[2])] == [55, 56],
    ),
    (
        MAPS,
        "GalLoP's map has left 41% of the score and the edges 82%",
        lambda: (left("GalLoP")[1], left(BLIND[1])[1]) == (41, 82),
    ),
]
"""(notebook, words of its text, whether they hold in what is stored)."""


@pytest.mark.parametrize(("stem", "words", "holds"), CLAIMS, ids=[f"{s[:2]} {w[:40]}" for s, w, _ in CLAIMS])
def test_a_claim_holds_in_what_is_stored(stem: str, words: str, holds: Callable[[], bool]) -> None:
    assert words in said(stem), words
    assert holds(), f"{stem}: {words}"
