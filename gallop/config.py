"""The settings of the method and of its training, as frozen and validated dataclasses, and presets of them by name.

A wrong value is refused when the object is made, with a sentence that names it. Command line, app and model card take
the description of a setting from its field here, so a new one is offered everywhere. A setting that was added later is
left out of checkpoints and keys where it has its field's default: that is what its absence means, so the default of a
field never changes, while a preset may. Nothing here knows torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, NamedTuple, get_args

from gallop.errors import ConfigError, UnknownPart
from gallop.parts import Function, WithParts, part_setting
from gallop.setting import check_settings, integer_between, require, setting
from gallop.wording import quoted

RegionKind = Literal["value", "query-query"]
"""What a ViT gives as region features; ``gallop.backbones.vision`` has the formulas."""

REGION_KINDS: tuple[RegionKind, ...] = get_args(RegionKind)

REGION_RULES: dict[str, str] = {
    "value": "each region's own value, which is the paper's",
    "query-query": "attention of queries to queries and nothing else of the last block (ClearCLIP, arXiv 2407.12442)",
}
"""Each kind in words, for help and choices."""

REGION_ADVICE = (
    "The paper's rule is weak on ViT-L/14: with it, ClearCLIP's table has a mean IoU of 13.7 over five segmentation "
    "sets, and 28.0 on ViT-B/16; with query-query, 34.5 and 37.5."
)
"""Where another kind is worth a try. The figures are of plain CLIP, before any prompt has learned."""


class HeadWords(NamedTuple):
    """A kind of branch in a sentence, and what bars, maps and tables call it."""

    words: str
    title: str = "head"


HEADS = {
    "none": HeadWords("no head"),
    "ridge": HeadWords("ridge regression"),
}
"""Kinds of what may answer beside the prompts; several together are joined by "+".
``gallop.model.branches.kinds.register`` adds others."""

DetailUse = Literal["training", "answers", "maps"]
"""What a second look at a larger size is for: learning, answers and maps; answers and maps; maps alone."""

CONTEXT_INIT = "A photo of a"
"""The words whose token embeddings every context starts from (paper, section 4, implementation details)."""
KINDS_OF_PICTURE = f"{CONTEXT_INIT}; closeup photo of a; blurry photo of a; a sketch of a"
"""Starting words with which four prompts differ."""
KINDS_OF_PHOTO = f"{CONTEXT_INIT}; closeup photo of a; A photo of several; dark photo of a"
"""The same for photos alone. All have as many tokens, which contexts need."""


PAPERS_REGIONS = 14 * 14
"""Of the paper's ViT-B/16, for which its scales were chosen."""


def default_topk(local_prompts: int) -> tuple[int, ...]:
    """Return the paper's scales for N local prompts: k = 5, 10, 15, ... one per prompt."""
    return tuple(5 * (n + 1) for n in range(integer_between("local_prompts", local_prompts, 0, 64)))


def scaled_topk(topk: Sequence[int], regions: int) -> tuple[int, ...]:
    """Return k of the paper's 14 x 14 regions as the same fractions of R regions, still increasing where they were."""
    scaled: list[int] = []
    for n, k in enumerate(topk):
        least = scaled[-1] + 1 if n and k > topk[n - 1] else 1
        scaled.append(min(max(round(k * regions / PAPERS_REGIONS), least), regions))
    return tuple(scaled)


def _check_head(value: Any) -> None:
    names = value.split("+") if isinstance(value, str) else []
    known = names == ["none"] or (names and HEADS.keys() - {"none"} >= set(names) and len(names) == len({*names}))
    if not known:
        gone = " discriminant, logistic and pairs were removed: train again with head='ridge'."
        raise UnknownPart(
            f"head is {quoted(value)}; it must be one of {', '.join(HEADS)}, or several joined by +."
            f"{gone * bool({'discriminant', 'logistic', 'pairs'} & {*names})}"
        )


def _check_starts(value: Any) -> None:
    if not isinstance(value, str) or not all(words.strip() for words in value.split(";")):
        raise ConfigError(
            f"starts is {quoted(value)}; it must be words, or beginnings of several sentences separated by semicolons."
        )


@dataclass(frozen=True)
class MethodConfig(WithParts):
    """What is learned: M global prompts, N local prompts and their scales.

    Attributes:
        global_prompts: M, at least 1. CoOp is M = 1, N = 0, dropout = 0.
        topk: one k (a count of regions) per local prompt; its length is N. Clamped to R when pooling.
        dropout: p of prompt dropout in [0, 1); ``max(M - int(p * M), 1)`` global prompts are kept per image.
        local_projection: whether the projection of the regions is learned; without, it stays the identity.
        head: its kind, or "none"; several are given as a tuple, or joined by "+", which is what it is stored as.
        detail: a photo gets a second look at so many times the backbone's input size. Regions of both looks are
            pooled separately, and the logits of each branch are the mean over both.
        detail_in: what the second look is for: "training" (and answers, and maps), "answers" (and maps) or "maps".
        class_weight: "balanced": each class has the same weight in the prompts' loss and in the head.
        global_projection: whether a projection (D, D) of the photo's global feature is learned, as one of the regions
            is.
        starts: the words that prompts start from, separated by semicolons: prompt 1 of each branch from the first, and
            so on, again from the first where there are fewer. All have as many tokens. The paper's are the same.
        init: standard deviation of the noise on the contexts at a training's start, in those of the numbers of "A photo
            of a"; 0 in the paper.
        diversity: weight of the mean cosine of two prompts' text features of a class, added to the loss; 0 in the
            paper.
        pooling, keep_rule: how regions are pooled, and which global prompts dropout keeps: functions, or names of
            registered ones (``gallop.parts``).
    """

    global_prompts: int = setting(
        4,
        "global prompts",
        "Each is matched with the whole photo.",
        symbol="M",
        low=1,
        high=64,
        metavar="M",
        form=(1, 8, 1),
    )
    topk: Sequence[int] = setting(
        (5, 10, 15, 20),
        "k of the local prompts",
        "One k per local prompt, such as 5,10,15,20. A prompt's score is the mean over that many regions.",
        low=1,
        metavar="K,K,...",
    )
    dropout: float = setting(
        0.75,
        "prompt dropout",
        "Fraction of the global prompts left out for each photo, so that the prompts learn to differ.",
        high=1,
        below=True,
        card_template="dropout {}",
        metavar="P",
        form=(0.0, 0.9, 0.05),
    )
    local_projection: bool = setting(
        True,
        "projection of the regions",
        "Do not learn a projection of the regions: it stays the identity.",
        option="--no-projection",
    )
    head: str | Sequence[str] = setting(
        "none",
        "head",
        "A head on the photos' features, fitted in moments and averaged with the prompts: ridge regression, pulled "
        "towards the class names.",
        offered=HEADS.keys(),
        check=_check_head,
        metavar="HEAD",
    )
    detail: float = setting(
        1.0,
        "detail",
        "With 2 or 1.5, each photo gets a second look at that many times the size, for finer regions. Encoding and "
        "memory then take five times as much with mini (1.5: three times), ten times with a ViT.",
        among=(1.0, 1.5, 2.0),
        metavar="X",
    )
    detail_in: str = setting(
        "answers",
        "use of the second look",
        "What the second look is used for: training (and answers and maps), answers (and maps), or maps only.",
        choices=get_args(DetailUse),
        card_template="second look in {}",
    )
    global_projection: bool = setting(
        False, "projection of the whole photo", "Also learn a projection of the photo's global feature."
    )
    class_weight: str = setting(
        "none",
        "class weight",
        "With balanced, every class has the same weight in training, however many photos it has.",
        choices=("none", "balanced"),
    )
    starts: str = setting(
        CONTEXT_INIT,
        "starting words",
        "Words that prompts start from, in turn, such as 'A photo of a; closeup photo of a'. All must have as many "
        "tokens.",
        check=_check_starts,
        metavar="WORDS;WORDS",
        offered=(CONTEXT_INIT, KINDS_OF_PHOTO, KINDS_OF_PICTURE),
    )
    init: float = setting(
        0.0,
        "starting noise",
        "How far from its words each prompt starts, in standard deviations of the contexts' numbers.",
        high=10,
        form=(0.0, 2.0, 0.1),
        metavar="X",
    )
    diversity: float = setting(
        0.0,
        "diversity",
        "Weight of a penalty in training on prompts that are alike: the mean cosine of two prompts' text features.",
        high=100,
        form=(0.0, 5.0, 0.5),
        metavar="X",
    )
    pooling: str | Function = part_setting("pooling", "How region cosines become a local prompt's score.")
    keep_rule: str | Function = part_setting("keep_rule", "Which global prompts are kept by prompt dropout.")

    def __post_init__(self) -> None:
        if isinstance(self.head, list | tuple):
            object.__setattr__(self, "head", "+".join(map(str, self.head)))
        check_settings(self)
        topk: Any = self.topk  # whatever was given
        if not isinstance(topk, Iterable) or isinstance(topk, str):
            raise ConfigError(f"topk is {quoted(topk)}; it must be a list with one k per local prompt.")
        object.__setattr__(self, "topk", tuple(integer_between("topk", k) for k in topk))
        require(len(self.topk) <= 64, f"{len(self.topk)} local prompts were requested; the maximum is 64.")
        wrong = next((k for k in self.topk if k < 1), None)
        require(wrong is None, f"topk contains {wrong}; each k must be an integer of 1 or more.")

    @property
    def local_prompts(self) -> int:
        """Return N, the number of local prompts."""
        return len(self.topk)

    @property
    def balanced(self) -> bool:
        """Return whether each class has the same weight."""
        return self.class_weight == "balanced"

    @property
    def branches(self) -> tuple[str, ...]:
        """Return the kinds of what answers beside the prompts."""
        return () if self.head == "none" else tuple(str(self.head).split("+"))

    @property
    def sentences(self) -> tuple[str, ...]:
        """Return the beginnings of sentences in ``starts``."""
        return tuple(words.strip() for words in self.starts.split(";"))

    @property
    def sizes(self) -> tuple[int, int]:
        """Return (M, N)."""
        return self.global_prompts, len(self.topk)

    def looks(self, use: DetailUse) -> tuple[float, ...]:
        """Return the sizes of the looks at a photo, in multiples of the input size, in training, for answers or for
        maps: 1, and ``detail`` where the second look is for that.
        """
        uses = get_args(DetailUse)  # each includes those that follow it
        return (1.0, self.detail) if self.detail != 1 and uses.index(self.detail_in) <= uses.index(use) else (1.0,)

    @property
    def kept_prompts(self) -> int:
        """Return how many global prompts survive prompt dropout for one image (paper, section 3.1)."""
        return max(self.global_prompts - int(self.dropout * self.global_prompts), 1)


@dataclass(frozen=True)
class TrainConfig(WithParts):
    """How it is learned.

    Attributes:
        epochs: passes over the shots; 0: the prompts stay as they are, and a head learns in moments.
        lr: start of the cosine, which falls by epoch to zero.
        batch_size: B, images in a step. An epoch of n images has ``max(1, round(n / B))`` batches whose sizes differ by
            at most one, so every image counts in every epoch, and 33 images at 32 are one batch of 33: a short last
            batch would move the prompts as far as a full one. The code of the paper's authors leaves a short batch
            out, and so takes no step where there are fewer images than B.
        views: augmented views stored per image; 0 draws a fresh view each time an image is used (the paper's way).
        calibration_folds: folds of the cross-fit that gives the temperature and the OOD threshold; 0 leaves them out.
        seed: of views, shuffling and prompt dropout. The same seed gives the same prompts on a CPU.
        extra_loss, optimizer, scheduler: a term beside the paper's loss, what steps, and how the learning rate falls:
            functions, or names of registered ones (``gallop.parts``).
    """

    epochs: int = setting(
        30,
        "rounds",
        "How many times the training goes through all the photos; with 0 only the head learns.",
        symbol="epochs",
        high=10_000,
        card_template="{} epochs",
        metavar="N",
        form=(0, 500, 1),
    )
    lr: float = setting(
        0.1,
        "learning rate",
        "How large the first steps are, before they fall along a cosine. If it is too large, nothing is learned.",
        high=100,
        above=True,
        metavar="X",
        form=(0.0001, 1.0, 0.001),
    )
    batch_size: int = setting(
        32,
        "batch size",
        "How many photos make up one step.",
        low=1,
        high=65_536,
        metavar="B",
    )
    momentum: float = setting(
        0.9, "momentum", "Fraction of each step that carries over into the next.", high=1, below=True, option=""
    )
    weight_decay: float = setting(
        0.01, "weight decay", "How strongly each step pulls the prompts towards zero.", option=""
    )
    views: int = setting(
        4,
        "views of each photo",
        "Random crops stored of each photo. With 0, a new one is made every time, which is slow.",
        high=1000,
        zero="fresh",
        range="between 0 (fresh ones) and 1000",
        card_template="{} views of each",
        metavar="V",
        form=(0, 32, 1),
    )
    calibration_folds: int = setting(
        3,
        "calibration folds",
        "Parts of the photos held out in turn to find the temperature and the threshold. With 0, none are.",
        low=2,
        high=10,
        zero="none",
        option="",
    )
    seed: int = setting(
        0,
        "seed",
        "Seed of the draw, the views and prompt dropout. The same seed and the same photos give the same prompts.",
        high=2**63 - 1,
        range="an integer from 0 to 2**63 - 1",
        metavar="N",
        form=(0, 10_000, 1),
    )
    extra_loss: str | Function = part_setting("extra_loss", "A term added to the paper's loss.")
    optimizer: str | Function = part_setting("optimizer", "What updates the prompts in each step.")
    scheduler: str | Function = part_setting("scheduler", "How the learning rate falls from epoch to epoch.")

    def __post_init__(self) -> None:
        check_settings(self)

    def batches(self, images: float) -> int:
        """Return how many batches an epoch of some images has."""
        return max(1, round(images / self.batch_size))

    def steps(self, images: int) -> tuple[int, int]:
        """Return how many steps a training on some images has, and its folds, which are trained side by side."""
        folds = self.calibration_folds
        without_fold = self.batches(images - images / folds) if folds else 0
        return self.epochs * self.batches(images), self.epochs * without_fold


BackbonePreset = Literal["default", "paper"]
"""Settings of method and training that go with a backbone: "default" was chosen by measurement on ``mini`` alone."""

Preset = Literal["accurate", "backbone", "default", "paper", "short"]
"""The same by name, or those of the backbone in use: "default" for ``mini``, and "paper" for every other."""

_PLAIN = f"{CONTEXT_INIT} {{}}"
ZERO_SHOT: dict[BackbonePreset, tuple[str, ...]] = {
    "default": (_PLAIN, "a photo of part of a {}", "A photo of several {}", "a photo of a {} in a room"),
    "paper": (_PLAIN,),
}
"""The templates of zero-shot, by the preset of a backbone: four keep the prompts apart (benchmarks/settings.md)."""

STORED_VIEWS, STORED_ROUNDS = 4, 50
"""Of a training with the paper's other settings that encodes its views once: views of each photo, and most rounds."""

_PAPERS = TrainConfig(epochs=200, lr=0.002, batch_size=32, views=0)

# Chosen by cross-validation inside train folders, on mini (benchmarks/settings.md); benchmarks/choose_prompts.py
# compares other starts and rounds.
_MEASURED = MethodConfig(head="ridge", global_projection=True, starts=KINDS_OF_PHOTO, diversity=0.3)
PRESETS: dict[str, tuple[MethodConfig, TrainConfig]] = {
    "default": (_MEASURED, TrainConfig()),
    "accurate": (replace(_MEASURED, detail=2), TrainConfig()),  # two looks at each photo: five times the encoding
    # Paper, section 4: "others" (everything but ImageNet, which takes epochs=50, batch_size=128).
    "paper": (MethodConfig(), _PAPERS),
    # The paper's, shortened for a quick try on any backbone; not measured on any.
    "short": (MethodConfig(), replace(_PAPERS, epochs=STORED_ROUNDS, views=STORED_VIEWS)),
}


MOST_STEPS = 100
"""Of a training with settings that were measured: rounds fall as an epoch gets more steps (benchmarks/settings.md)."""

PAPER_EPOCHS = {1: 50, 2: 100, 8: 200}
"""Of the preset "paper", by the least number of shots a class (authors' code, "Details for low-shot experiments")."""


def method_preset(name: str | MethodConfig, of_backbone: BackbonePreset | None = None, **changes: Any) -> MethodConfig:
    """Return the method's settings of a preset, with the given fields replaced (``None`` keeps the preset's value).

    Args:
        name: of a preset; or settings in its place.
        of_backbone: what "backbone" means: the preset of the backbone in use. None where there is no backbone.

    Raises:
        ConfigError: unknown preset, unknown field or a value out of range.
    """
    base = name if isinstance(name, MethodConfig) else PRESETS[_named(name, of_backbone)][0]
    return replace(base, **_given(changes, MethodConfig, "method setting"))


def train_preset(
    name: str | TrainConfig,
    of_backbone: BackbonePreset | None = None,
    *,
    photos: int | None = None,
    classes: int | None = None,
    **changes: Any,
) -> TrainConfig:
    """Return the training settings of a preset, as ``method_preset`` does those of the method.

    The paper's preset has ``PAPER_EPOCHS``. Those that were measured have no more rounds than there are photos: prompts
    that see two photos thirty times are too sure of what they have learned (benchmarks/settings.md). With many photos
    they have so many rounds as ``MOST_STEPS`` need.

    Args:
        photos: how many are learned from; None takes the rounds for many.
        classes: how many classes they show; None is one.
    """
    if isinstance(name, TrainConfig):
        return replace(name, **_given(changes, TrainConfig, "training setting"))
    named = _named(name, of_backbone)
    base = PRESETS[named][1]
    if photos is not None and named == "paper":
        shots = max(photos / (classes or 1), 1)
        base = replace(base, epochs=[epochs for least, epochs in PAPER_EPOCHS.items() if shots >= least][-1])
    elif photos is not None and named != "short":
        base = replace(base, epochs=min(base.epochs, photos, math.ceil(MOST_STEPS / base.batches(photos))))
    return replace(base, **_given(changes, TrainConfig, "training setting"))


def _named(name: str, of_backbone: BackbonePreset | None) -> str:
    """Return the name of a preset, for "backbone" that of the backbone's."""
    presets = [*PRESETS, *(["backbone"] if of_backbone else [])]
    require(name in presets, f"There is no preset {name!r}; choose one of {', '.join(sorted(presets))}.")
    return of_backbone if name == "backbone" and of_backbone else name


def _given(changes: dict[str, Any], kind: type[MethodConfig | TrainConfig], what: str) -> dict[str, Any]:
    known = [each.name for each in fields(kind)]
    for key in changes:
        require(key in known, f"There is no {what} {key!r}; the settings are {', '.join(sorted(known))}.")
    return {key: value for key, value in changes.items() if value is not None}
