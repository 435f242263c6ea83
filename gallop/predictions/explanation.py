"""Why one photo got its answer: every prompt's score, and where on the photo each local prompt looked.

An ``Explanation`` holds the stored similarities of one photo, so that another k, class or prompt needs no backbone.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from gallop.config import MethodConfig
from gallop.errors import ConfigError
from gallop.features.encoding import BATCH, encode_photos
from gallop.features.given import EncodedPhoto
from gallop.images import CropBox, Photo
from gallop.model.answers import GLOBAL, LOCAL, Answers, Rule, answers
from gallop.model.branches.branch import ShotVotes
from gallop.model.calibration import Calibration
from gallop.model.in_words import InWords, WordScores, word_scores
from gallop.model.prompted import PromptModel
from gallop.model.scores import VERDICT
from gallop.model.similarities import Similarities
from gallop.names.class_names import clean_name, said
from gallop.parts import require_topk
from gallop.predictions.heatmaps import Box, FloatMap, photo_map, region_box, where_in_words
from gallop.predictions.predict import to_array
from gallop.wording import html_table, listed

SCHEMA = 1
"""Of ``Explanation.to_dict``; another number means that a key has another meaning, or is gone."""


@dataclass(frozen=True, eq=False, repr=False)  # tensors and a picture have no one answer to ==
class Explanation:
    """One photo, explained. Made by ``GalLoPClassifier.explain``.

    Attributes:
        image: the photo, RGB.
        class_names: K names.
        similarities: cosines of this photo, B = 1.
        rule: how they become the answer.
        grids: (rows, columns) of the regions of each look. Maps and single regions are those of the last look,
            which has the finest grid; scores and probabilities combine all looks by ``look_weights``; ``looks``
            explains each alone.
        crop: what the model saw, in the photo's pixels.
        votes: of the single shots, by branch, for each ridge regression that stores its shots.
        doubt: why the threshold decides nothing here, as a sentence; empty where it does.
        alike: whether its prompts differ, in words (``Diversity.words``); empty if that was not computed.
        words: scores taken apart into words, by class, where that was asked for.
    """

    image: Image.Image
    class_names: tuple[str, ...]
    similarities: Similarities
    rule: Rule
    grids: tuple[tuple[int, int], ...]
    crop: CropBox
    votes: Mapping[str, ShotVotes] = field(default_factory=dict)
    doubt: str = ""
    alike: str = ""
    words: Mapping[str, WordScores] = field(default_factory=dict)

    @property
    def topk(self) -> tuple[int, ...]:
        """Return one k per local prompt."""
        return self.rule.topk

    @property
    def scale(self) -> float:
        """Return exp(logit_scale) of the backbone."""
        return self.rule.scale

    @property
    def temperature(self) -> float:
        """Return the temperature that was fitted on held-out shots; 1 where there were none."""
        return self.rule.temperature

    @property
    def threshold(self) -> float | None:
        """Return the threshold of GL-MCM; None without one."""
        return self.rule.threshold

    @cached_property
    def answers(self) -> Answers:
        """Return the answer (B = 1) and what it is made of."""
        for look in self.similarities.looks:
            _ = look.ranked  # k moves: every further one starts at sorted cosines
        return answers(self.similarities, self.rule)

    @property
    def grid(self) -> tuple[int, int]:
        """Return rows and columns of the finest regions, which maps show."""
        return self.grids[-1]

    @cached_property
    def looks(self) -> tuple[Explanation, ...]:
        """Return an explanation by each look alone, the finest last; scores here are means by ``look_weights``."""
        parts = zip(self.similarities.each_look(), self.grids, strict=True)
        return tuple(replace(self, similarities=one, grids=(grid,), words={}) for one, grid in parts)

    @property
    def look_weights(self) -> tuple[float, ...]:
        """Return the fraction that each look contributes to every score; 0 for a second look that only makes maps."""
        return self.similarities.look_weights

    @property
    def global_scores(self) -> NDArray[np.float32]:
        """Return cosines (K, M), class by global prompt."""
        return to_array(self.answers.global_[0])

    @property
    def local_scores(self) -> NDArray[np.float32]:
        """Return pooled regions (K, N), class by local prompt. A top-k mean is that of ``regions(...)``'s scores."""
        return to_array(self.answers.local[0])

    @property
    def branches(self) -> tuple[str, ...]:
        """Return the names of what answers beside the prompts."""
        return tuple(self.similarities.branch_weights)

    @property
    def branch_scores(self) -> dict[str, NDArray[np.float32]]:
        """Return the scores (K,) of each branch, in the unit of cosines, less their mean.

        Each is the mean of ``branch_map(...)``; with several looks, the mean over the looks, by ``look_weights``.
        """
        return {name: to_array(batch[0]) for name, batch in self.similarities.branch_scores.items()}

    @property
    def parts(self) -> dict[str, NDArray[np.float32]]:
        """Return what the ``global`` prompts, the ``local`` prompts and each branch add to the scores (K,)."""
        return {name: to_array(added[0]) for name, added in self.answers.parts.items()}

    @property
    def probabilities(self) -> dict[str, float]:
        """Return the ensemble's probabilities, by class name."""
        return self._probabilities(self.answers.scores[0])

    @property
    def global_probabilities(self) -> dict[str, float]:
        """Return the global prompts' probabilities, by class name."""
        return self._probabilities(self.answers.kinds[GLOBAL][0])

    @property
    def local_probabilities(self) -> dict[str, float] | None:
        """Return the local prompts' probabilities, by class name; None where there are none."""
        return self._probabilities(self.answers.kinds[LOCAL][0]) if self.topk else None

    @property
    def branch_probabilities(self) -> dict[str, dict[str, float]]:
        """Return each branch's probabilities, by class name."""
        return {name: self._probabilities(batch[0]) for name, batch in self.similarities.branch_scores.items()}

    @property
    def label(self) -> str:
        """Return the most probable class."""
        probabilities = self.probabilities
        return max(probabilities, key=probabilities.__getitem__)

    @property
    def ood_score(self) -> float:
        """Return GL-MCM; larger = more outlier."""
        return float(self.similarities.ood[VERDICT][0])

    @property
    def is_ood(self) -> bool | None:
        """Return whether GL-MCM is above the threshold, or of a model of one class whether the answer is unsure; None
        where nothing decides.
        """
        verdict = self.answers.verdict
        return None if verdict is None else bool(verdict[0])

    @property
    def answer(self) -> str:
        """Return the class, "none of these", or the nearest class where the threshold is unreliable; of a model of one
        class "yes", "no" or "unsure".
        """
        return said(self.label, self.is_ood, self.class_names, self.doubt)

    def with_topk(self, topk: Sequence[int]) -> Explanation:
        """Return the same photo with other scales; no backbone runs.

        Raises:
            ConfigError: not one k of 1 or more per local prompt.
        """
        checked = tuple(MethodConfig(topk=topk).topk)
        if len(checked) != len(self.topk):
            raise ConfigError(f"topk needs {len(self.topk)} integers, one per local prompt; got {topk}.")
        return replace(self, rule=replace(self.rule, topk=checked))

    def __repr__(self) -> str:
        (rows, columns), sizes = self.grid, (self.global_scores.shape[1], len(self.topk))
        return (
            f"Explanation({self.answer!r}, {self.probabilities[self.label]:.1%}, {len(self.class_names)} classes, "
            f"{sizes[0]} global and {sizes[1]} local prompts, {rows} x {columns} regions)"
        )

    def _repr_html_(self) -> str:
        """The figure of ``plot_explanation``, and the surest classes."""
        from gallop import plot_explanation

        surest = sorted(self.probabilities.items(), key=itemgetter(1), reverse=True)
        picture = base64.b64encode(plot_explanation(self).png(dpi=70)).decode()
        shown = html_table(("class", "probability"), [(name, f"{p:.1%}") for name, p in surest[:5]])
        alt = html.escape(f"{self.answer}: the photo, scores of the global prompts, and the local prompts' maps")
        return f'<img alt="{alt}" style="max-width: 100%" src="data:image/png;base64,{picture}">{shown}'

    def maps(self, class_name: str | None = None) -> FloatMap:
        """Return ``region_scores`` of all local prompts, (N, rows, columns), of the answer or another class.

        Raises:
            ValueError: there is no such class.
        """
        asked = self.label if class_name is None else class_name
        maps = [self.region_scores(asked, prompt) for prompt in range(len(self.topk))]
        return np.stack(maps) if maps else np.zeros((0, *self.grid), dtype=np.float32)

    def class_index(self, class_name: str) -> int:
        """Return where a class is in ``class_names``.

        Raises:
            ValueError: there is no such class.
        """
        name = clean_name(class_name)
        if name not in self.class_names:
            raise ValueError(f"This explanation has no class {name!r}; its classes are {listed(self.class_names)}.")
        return self.class_names.index(name)

    def region_scores(self, class_name: str, prompt: int) -> FloatMap:
        """Return cosines (rows, columns) of every region with one class and local prompt (counted from 0)."""
        region_cosines = self.similarities.looks[-1].region_cosines[0, :, self.class_index(class_name)]
        return to_array(region_cosines[:, self._prompt(prompt)]).reshape(self.grid)

    def branch_map(self, branch: str, class_name: str) -> FloatMap:
        """Return a branch's score of the class at each region (rows, columns); their mean is its score of the class.

        It is linear in the regions, so this is the score itself, taken apart. With several looks, it is the last one's.

        Raises:
            ValueError: there is no such class, or no such branch.
        """
        region_scores = self.similarities.looks[-1].branches.get(branch)
        if region_scores is None:
            there = f"; choose one of {listed(self.branches)}" if self.branches else "; it has no branches at all"
            raise ValueError(f"This model has no branch {branch!r}{there}.")
        return to_array(region_scores[0, :, self.class_index(class_name)]).reshape(self.grid)

    @property
    def region_probabilities(self) -> NDArray[np.float32]:
        """Return the answers of the local prompts to each region alone, (R, K); of the global ones where N = 0."""
        return to_array(self.rule.probabilities(self.similarities.looks[-1].region_scores[0]))

    def map(self, class_name: str, prompt: int, *, smooth: bool = True) -> FloatMap:
        """Return ``region_scores`` as a map (height, width) of the photo, NaN outside the crop the model saw."""
        return photo_map(self.region_scores(class_name, prompt), self.crop, self.image.size, smooth=smooth)

    def regions(self, class_name: str, prompt: int) -> tuple[Box, ...]:
        """Return the top-k regions that entered the local score, best first, as boxes in the photo's pixels.

        The mean of their scores is ``local_scores[class, prompt]``. Each of two looks (``Box.look``) gives k regions.

        Raises:
            ConfigError: regions are pooled in another way.
        """
        require_topk(self.rule.pooling, "The list of regions that entered a score")
        best = (0, self.class_index(class_name), self._prompt(prompt), slice(self.topk[prompt]))
        boxes: list[Box] = []
        looks = zip(self.similarities.looks, self.grids, self.look_weights, strict=True)
        for number, (look, grid, contribution) in enumerate(looks):
            if contribution:
                cosines, order = look.ranked
                chosen = zip(order[best].tolist(), cosines[best].tolist(), strict=True)
                boxes += [replace(region_box(*region, grid, self.crop), look=number) for region in chosen]
        return tuple(boxes if len(self.grids) == 1 else sorted(boxes, key=lambda box: -box.score))

    def in_words(self, class_name: str, prompt: int) -> dict[str, float]:
        """Return a prompt's score of a class as a sum: what each word adds, and the rest. Their sum is the score.

        Args:
            prompt: of all M + N, counted from 0, global ones first.

        Raises:
            ValueError: the scores of this class were not taken apart, or there is no such prompt.
            ConfigError: regions are pooled in another way than by their top-k mean.
        """
        taken, k = self._taken_apart(class_name), self.class_index(class_name)
        m = self.global_scores.shape[1]
        if 0 <= prompt < m:
            parts = [image[:, prompt] for image, _ in taken.looks]
        else:
            require_topk(self.rule.pooling, "The sum over words")
            n = self._prompt(prompt - m)
            chosen = [look.ranked[1][0, k, n, : self.topk[n]] for look in self.similarities.looks]
            parts = [regions[at, :, n].mean(dim=0) for (_, regions), at in zip(taken.looks, chosen, strict=True)]
        added = sum(weight * part for weight, part in zip(self.look_weights, parts, strict=True))
        names = [part.word for part in taken.told[prompt].parts]
        return dict(zip(names, to_array(torch.as_tensor(added)).tolist(), strict=False))

    def word_maps(self, class_name: str, prompt: int) -> dict[str, FloatMap]:
        """Return a map (rows, columns) for each word of a local prompt (counted from 0), and one of the rest; their
        sum is ``region_scores``.

        Raises:
            ValueError: as ``in_words``.
        """
        taken = self._taken_apart(class_name)
        told = taken.told[self.global_scores.shape[1] + self._prompt(prompt)]
        maps = to_array(taken.looks[-1][1][:, :, prompt])
        return {part.word: maps[:, w].reshape(self.grid) for w, part in enumerate(told.parts)}

    def _taken_apart(self, class_name: str) -> WordScores:
        name = self.class_names[self.class_index(class_name)]
        if name not in self.words:
            raise ValueError(f"The scores of {name!r} were not taken apart. Explain the photo with words=[{name!r}].")
        return self.words[name]

    def describe(self, class_name: str, prompt: int) -> str:
        """Return the outlined regions of the map in words, such as "upper left, 3 of 5 regions"."""
        return where_in_words([box.region for box in self.looks[-1].regions(class_name, prompt)], self.grid)

    def to_dict(self, class_names: Sequence[str] | None = None) -> dict[str, Any]:
        """Return the explanation as plain values, which JSON takes.

        ``schema`` (1); ``image`` {width, height}; ``grid`` [rows, columns]; ``crop`` [left, top, right, bottom], what
        the model saw; ``class_names`` (K); ``label``; ``probabilities``, ``global_probabilities`` and
        ``local_probabilities`` {name: p}, of which the last is null without local prompts; ``global_scores`` {name: M
        cosines}; ``local_scores`` {name: N means}; ``topk`` (N); ``regions`` {name: of each local prompt the top-k
        regions, best first, [{region, score, box [left, top, right, bottom]}, ...]}, empty by another pooling;
        ``limits`` {ood_score (GL-MCM), threshold, is_ood, temperature, scale}. Boxes are in the photo's pixels.

        Args:
            class_names: whose regions are listed; None is the most probable class alone.

        Raises:
            ValueError: there is no such class.
        """
        asked = [self.label] if class_names is None else class_names
        shown = [self.class_names[self.class_index(name)] for name in asked]
        prompts, named = range(len(self.topk)), shown if self.rule.pooling is None else []
        return {
            "schema": SCHEMA,
            "image": {"width": self.image.width, "height": self.image.height},
            "grid": list(self.grid),
            "crop": [self.crop.left, self.crop.top, self.crop.right, self.crop.bottom],
            "class_names": list(self.class_names),
            "label": self.label,
            "probabilities": self.probabilities,
            "global_probabilities": self.global_probabilities,
            "local_probabilities": self.local_probabilities,
            "global_scores": dict(zip(self.class_names, self.global_scores.tolist(), strict=True)),
            "local_scores": dict(zip(self.class_names, self.local_scores.tolist(), strict=True)),
            "topk": list(self.topk),
            "regions": {name: [[box.to_dict() for box in self.regions(name, n)] for n in prompts] for name in named},
            "limits": {key: getattr(self, key) for key in ("ood_score", "threshold", "is_ood", "temperature", "scale")},
        }

    def to_json(self, class_names: Sequence[str] | None = None, *, indent: int | None = None) -> str:
        """Return ``to_dict`` as JSON; numbers that are read back are the same to the last bit."""
        return json.dumps(self.to_dict(class_names), ensure_ascii=False, allow_nan=False, indent=indent)

    def _prompt(self, prompt: int) -> int:
        if not 0 <= prompt < len(self.topk):
            raise ValueError(f"There is no local prompt {prompt}; this model has {len(self.topk)}, numbered from 0.")
        return prompt

    def _probabilities(self, scores: Tensor) -> dict[str, float]:
        return dict(zip(self.class_names, self.rule.probabilities(scores).tolist(), strict=True))


def explain_photos(
    model: PromptModel,
    photos: Sequence[Photo],
    calibration: Calibration,
    told: Mapping[str, Sequence[InWords]] | None = None,
    alike: str = "",
) -> list[Explanation]:
    """Encode photos once, a batch at a time, and store everything that their explanations need.

    Args:
        told: by class what its prompts say in words, for ``Explanation.words``.
        alike: as in ``Explanation``.
    """
    made = []
    for start in range(0, len(photos), BATCH):
        some = photos[start : start + BATCH]
        # Features may be those that answers need, without a second look that is for maps alone.
        least = {len(each.features.looks) if isinstance(each, EncodedPhoto) else 0 for each in some}
        sight = model.sight if least == {len(model.sight.times)} else model.map_sight
        features, crops = encode_photos(model.backbone, some, sight)
        text = model.cached_text_features()
        with torch.no_grad():
            similarities = model.maps(features, text).each(Tensor.cpu)
            votes = [model.votes(features[torch.tensor([i])], text) for i in range(len(some))]
        for i, (photo, crop, voted) in enumerate(zip(some, crops, votes, strict=True)):
            one, alone = similarities.each(itemgetter(slice(i, i + 1))), features[torch.tensor([i])]
            explained = replace(
                explanation_of(model, one, photo.image, crop, calibration),
                votes=voted,
                words={name: word_scores(model, alone, each) for name, each in (told or {}).items()},
                alike=alike,
            )
            made.append(explained)
    return made


def explain_first_look(model: PromptModel, photo: Photo, calibration: Calibration) -> Explanation:
    """Explain by the first look alone, which can be shown while the second, several times the work, is computed.

    The head, which learned from both looks, answers from one. No limit for "none of these" was chosen for such answers,
    so there is none. With a model that answers from one look, this equals ``explain_photos``.
    """
    if len(model.sight.times) > 1:
        model = model.with_config(replace(model.config, detail=1.0, detail_in="answers"))
        calibration = Calibration(calibration.temperature, note="none: this is the first of two looks")
    return explain_photos(model, [photo], calibration)[0]


def explanation_of(
    model: PromptModel, similarities: Similarities, image: Image.Image, crop: CropBox, calibration: Calibration
) -> Explanation:
    """Return the explanation of the one photo of ``similarities`` (B = 1), of which the model saw ``crop``."""
    return Explanation(
        image=image,
        class_names=model.class_names,
        similarities=similarities.each(Tensor.cpu),
        rule=model.rule(calibration),
        grids=model.map_sight.grids(model.backbone)[: len(similarities.looks)],
        crop=crop,
        doubt=calibration.doubt,
    )
