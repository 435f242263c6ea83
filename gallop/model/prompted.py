"""The paper's method on a backbone, with what this project adds: class names, looks, templates and branches.

Shapes: B images, K classes, R regions, M global prompts, N local prompts, D joint width, V region width.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gallop.backbones import Backbone, Damping, NameTokens
from gallop.config import CONTEXT_INIT, MethodConfig
from gallop.core import fast
from gallop.core import gallop as paper
from gallop.core.cosines import global_cosines
from gallop.core.gallop import GalLoP, Loss, TextFeatures, gallop_loss
from gallop.errors import ClassNameError, TemplateError
from gallop.features.encoding import ImageFeatures
from gallop.model.answers import Rule
from gallop.model.branches.branch import Branch, ShotVotes
from gallop.model.branches.kinds import KINDS, shot_features, sight_of, usual_mixes
from gallop.model.branches.sums import ShotFeatures
from gallop.model.calibration import Calibration
from gallop.model.on_threads import HERE
from gallop.model.similarities import Look, Similarities
from gallop.names.class_names import clean_name, clean_names, one_class, spelled_as
from gallop.names.templates import clean_templates, fill
from gallop.parts import check_result, registered, resolved
from gallop.setting import require
from gallop.wording import did_you_mean, listed, quoted

_PROMPT_SIZES = "{} global and {} local ones with contexts of width {} and regions of width {}"


class Prompts(paper.Prompts):
    """The paper's prompts, and a projection of the photo's global feature where a setting asks for it.

    Args:
        context: token embeddings that contexts start from: (C, T) those of all, such as "A photo of a", or (P, C, T).
        config: how many there are, and which projections are learned. That of the regions stays the identity else.
        backbone: whose features they are for.
    """

    global_projection: nn.Parameter | None

    def __init__(self, context: Tensor, config: MethodConfig, backbone: Backbone) -> None:
        m, n = config.sizes
        super().__init__(context, global_prompts=m, local_prompts=n, region_width=backbone.vision.region_width)
        self.local_projection.requires_grad_(config.local_projection)
        projection = nn.Parameter(torch.eye(backbone.feature_sizes[-1])) if config.global_projection else None
        self.register_parameter("global_projection", projection)  # (D, D); no tensor of a model that has none

    def learned(self) -> list[nn.Parameter]:
        """Return the tensors that a training changes: all of them, or all but the projection of the regions."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def digest(self) -> str:
        """Return SHA-256 over all numbers."""
        digest = hashlib.sha256()
        for parameter in self.parameters():
            digest.update(f"{tuple(parameter.shape)}".encode())
            digest.update(parameter.detach().cpu().numpy().tobytes())
        return digest.hexdigest()


class FastGalLoP(GalLoP):
    """The paper's method with the fast kernels, a backbone's damping and, where one is learned, a projection of the
    photo's global feature.
    """

    prompts: Prompts

    def __init__(self, backbone: Backbone, names: NameTokens, config: MethodConfig, prompts: Prompts) -> None:
        super().__init__(
            partial(_encoded, backbone, names),
            prompts,
            topk=config.topk,
            kept=config.kept_prompts,
            scale=backbone.logit_scale,
        )
        self.damping, self.custom_pool = backbone.damping.of(config), registered("pooling", config.pooling)
        self._keep_rule = config.keep_rule
        self._vision = partial(getattr, backbone, "vision")  # read each time: backbones move, and weights are unloaded
        self._projects = bool(config.topk) and config.local_projection

    def image_cosines(self, global_: Tensor, text: TextFeatures) -> Tensor:
        images, projection = global_.float(), self.prompts.global_projection
        images = images if projection is None else images @ projection.T
        return global_cosines(images, text.global_, self.damping.image)

    def region_projection(self) -> Tensor:
        """Return the projection of regions to the joint space, (V, D); the learned one comes first where there is one.

        Without local prompts, regions are compared with the global ones, and projected as the photo's global feature.
        """
        frozen, of_global = self._vision().region_projection, self.prompts.global_projection
        if self._projects:
            return self.prompts.projection(frozen)
        plain = torch.eye(self._vision().region_width, device=self.prompts.global_contexts.device)
        plain = plain if frozen is None else frozen.float()
        return plain if self.topk or of_global is None else plain @ of_global.T

    def region_cosines(self, regions: Tensor, text: TextFeatures) -> Tensor:
        if text.local.shape[1] == 0:
            return text.local.new_zeros(*regions.shape[:2], len(text.local), 0)
        return fast.region_cosines(regions, self.region_projection(), text.local, self.damping.region, HERE)

    def local_logits(self, regions: Tensor, text: TextFeatures) -> Tensor:
        if text.local.shape[1] == 0:
            return text.local.new_zeros(len(regions), len(text.local), 0)
        if self.custom_pool is not None:
            return self.pool(self.region_cosines(regions, text))
        return fast.pooled_cosines(regions, self.region_projection(), text.local, self.topk, self.damping.region, HERE)

    def draw(self, images: int, generator: torch.Generator | None = None) -> Tensor:
        prompts = len(self.prompts.global_contexts)
        custom_draw = registered("keep_rule", self._keep_rule)
        if custom_draw is None:
            return paper.draw_kept_prompts(images, prompts, self.kept, generator)
        kept = custom_draw(images, prompts, self.kept, generator)
        fits = (
            isinstance(kept, Tensor)
            and not kept.is_floating_point()
            and (kept.ndim, len(kept)) == (2, images)
            and kept.numel() > 0
            and bool(((kept >= 0) & (kept < prompts)).all())
        )
        check_result("keep_rule", fits, kept)
        return cast(Tensor, kept)

    def pool(self, region_cosines: Tensor) -> Tensor:
        if self.custom_pool is None:
            return super().pool(region_cosines)
        pooled = self.custom_pool(region_cosines, self.topk)
        shape = (*region_cosines.shape[:1], *region_cosines.shape[2:])
        check_result("pooling", isinstance(pooled, Tensor) and pooled.shape == shape, pooled)
        return cast(Tensor, pooled)


class PromptModel:
    """A frozen backbone, learned prompts, a class list and perhaps branches: the model of a classifier.

    ``paper`` is the method itself, a module; ``sight`` is what is encoded of a photo for answers, ``map_sight`` for
    maps. ``class_weights`` (K,) are the weights of each class's photos in the loss; None: all have the same weight.

    Args:
        backbone: frozen, not changed here.
        class_names: K names; cleaned here, their order is preserved.
        config: sizes and scales; functions that it names are taken as they are registered now.
        prompts: learned ones; None starts from the words of the settings, in the paper "A photo of a".
        templates: sentences with ``{}`` for the class name, which then replace the prompts (zero-shot only): prompt m
            is template m, repeated from the first where there are fewer of them. None uses the prompts.
        branches: what answers beside the prompts, where some were trained on shots.

    Raises:
        ClassNameError: names that cannot be used.
        TemplateError: templates that cannot be used, or more of them than global prompts.
        BackboneError: a ``detail`` whose regions do not fit into the backbone's grid.
        ConfigError: prompts of other numbers or widths than those of ``config`` and the backbone.
    """

    def __init__(
        self,
        backbone: Backbone,
        class_names: Sequence[str],
        config: MethodConfig,
        prompts: Prompts | None = None,
        templates: Sequence[str] | None = None,
        branches: Sequence[Branch] = (),
    ) -> None:
        self.sight, self.map_sight = sight_of(config, "answers"), sight_of(config, "maps")
        self.map_sight.grids(backbone)  # refused now, and not when the first map is computed
        self.backbone, self.config, self.branches = backbone, resolved(config), tuple(branches)
        prompts = prompts if prompts is not None else initial_prompts(backbone, config)
        sizes = *prompts.sizes, prompts.global_contexts.shape[2], len(prompts.local_projection)
        wanted = *config.sizes, backbone.text.width, backbone.vision.region_width
        require(
            sizes == wanted,
            f"These prompts do not fit: they are {_PROMPT_SIZES.format(*sizes)}, but the settings and {backbone.name} "
            f"need {_PROMPT_SIZES.format(*wanted)}. Omit the argument 'prompts' to start from new ones.",
        )
        self.class_names = clean_names(class_names)
        self.names = backbone.text.tokenize(self.class_names, context_tokens=prompts.global_contexts.shape[1])
        self.paper = FastGalLoP(self.backbone, self.names, self.config, prompts)
        self.templates = None if templates is None else self._checked(clean_templates(templates))
        self.class_weights: Tensor | None = None
        self._text: tuple[bytes, TextFeatures] | None = None  # of these contexts

    def __copy__(self) -> PromptModel:
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __getstate__(self) -> dict[str, Any]:
        """Its parts, with prompts on the CPU, which any machine can read; the backbone as its name where it has one."""
        return {
            "backbone": self.backbone,
            "class_names": self.class_names,
            "config": self.config,
            "prompts": copy.deepcopy(self.prompts).cpu(),
            "templates": self.templates,
            "branches": self.branches,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        PromptModel.__init__(self, **{**state, "prompts": state["prompts"].to(state["backbone"].device)})

    def _checked(self, templates: tuple[str, ...]) -> tuple[str, ...]:
        if len(templates) > self.config.global_prompts:
            raise TemplateError(
                f"{len(templates)} templates were given for {self.config.global_prompts} global prompts. Each prompt "
                f"uses one template, so pass at most {self.config.global_prompts}."
            )
        for template in templates:
            try:
                self.backbone.text.tokenize([fill(template, name) for name in self.class_names], context_tokens=0)
            except ClassNameError as error:
                raise TemplateError(
                    f"The template {template!r} leaves too little room for a class name. {error}"
                ) from error
        return templates

    def with_branches(self, branches: Iterable[Branch | None]) -> PromptModel:
        """Return a model of the same prompts and classes with other branches, of those that could learn."""
        other = copy.copy(self)
        other.branches = tuple(branch for branch in branches if branch is not None)
        return other

    def with_config(self, config: MethodConfig) -> PromptModel:
        """Return a model of the same prompts, classes and branches that looks at photos according to other settings.

        Raises:
            BackboneError, ConfigError: as in the constructor.
        """
        other = PromptModel(self.backbone, self.class_names, config, self.prompts, self.templates, self.branches)
        other._text = self._text
        return other

    def for_classes(self, class_names: Sequence[str], text: TextFeatures | None = None) -> PromptModel:
        """Return a model of the same prompts for other classes; its branches preserve what they learned about these.

        Args:
            text: text features of these classes, where they follow from ``cached_text_features`` of now.

        Raises:
            ClassNameError: names that cannot be used.
            ConfigError: as ``Branch.for_classes``.
        """
        branches = [each.for_classes(self.class_names, class_names, self.name_features) for each in self.branches]
        other = PromptModel(self.backbone, class_names, self.config, self.prompts, self.templates)
        other = other.with_branches(branches)
        other._text = None if text is None or self._text is None else (self._text[0], text)
        return other

    def with_class(self, name: str) -> PromptModel:
        """Return a model that knows one more class; no other class is encoded again.

        Raises:
            ClassNameError: a name that cannot be used, or that exists already.
        """
        names, known = clean_names([*self.class_names, name]), self.cached_text_features()
        with torch.no_grad():
            added = self.text_features(names[-1:])
        both = (torch.cat([known.global_, added.global_]), torch.cat([known.local, added.local]))
        return self.for_classes(names, TextFeatures(*both))

    def without_class(self, name: str) -> PromptModel:
        """Return a model that does not know a class.

        Raises:
            ClassNameError: no such class, or the last one there is.
            ConfigError: a branch no longer has its shots.
        """
        (wanted,) = spelled_as([clean_name(name)], self.class_names)
        if wanted not in self.class_names:
            raise ClassNameError(
                f"This model has no class {wanted!r}; its classes are {listed(self.class_names)}."
                f"{did_you_mean(wanted, self.class_names)}"
            )
        if len(self.class_names) == 1:
            raise ClassNameError(
                f"{wanted!r} cannot be removed: it is the only class, and a classifier needs at least one."
            )
        left, text = [k for k, name in enumerate(self.class_names) if name != wanted], self.cached_text_features()
        return self.for_classes([self.class_names[k] for k in left], TextFeatures(text.global_[left], text.local[left]))

    def taught(self, shots: Mapping[str, ShotFeatures], texts: Tensor | None = None) -> tuple[Branch, ...]:
        """Return the branches of its settings, each trained on its features of the shots; without those for which
        ``Branch.of`` returns None.

        Args:
            texts: ``name_features`` of its classes, where they are already computed.
        """
        names, classes, balanced = self.config.branches, self.class_names, self.config.balanced
        if texts is None and any(KINDS[name].names for name in names):
            texts = self.name_features(classes)
        each = zip(names, usual_mixes(names), strict=True)
        made = [Branch.of(name, shots[name], len(classes), mix, texts, balanced=balanced) for name, mix in each]
        return tuple(branch for branch in made if branch is not None)

    @property
    def branch_weights(self) -> dict[str, float]:
        """The weight of each branch in the answer; the rest is the prompts'.

        A branch whose features no text is compared with knows nothing of a class without shots. As long as there is
        one, its weight is shared out to the others and the prompts as theirs are.
        """
        weights = {branch.kind: branch.mix.weight for branch in self.branches}
        silent = {each.kind for each in self.branches if each.how.extra is not None and not each.sums.known.all()}
        left = max(1 - sum(weights[kind] for kind in silent), 1e-9)
        return {kind: 0.0 if kind in silent else weight / left for kind, weight in weights.items()}

    def shot_features(self, features: ImageFeatures) -> dict[str, Tensor]:
        """Return the features of photos that each branch of its settings is linear in, (B, D) of length 1."""
        looks, projection = len(self.sight.times), self.backbone.vision.region_projection
        return {name: shot_features(features, looks, projection, KINDS[name].extra) for name in self.config.branches}

    def text_features(self, class_names: Sequence[str] | None = None) -> TextFeatures:
        """Return the text features of every class after every context, or in every template; gradients reach the
        contexts.

        Args:
            class_names: in place of the model's, so that adding a class encodes nothing else.
        """
        text, (m, n) = self.backbone.text, self.prompts.sizes
        if self.templates is None:
            contexts = self.prompts.contexts()
            tokens = self.names if class_names is None else text.tokenize(class_names, context_tokens=contexts.shape[1])
            encoded = _encoded(self.backbone, tokens, contexts)
        else:
            names = self.class_names if class_names is None else class_names
            with self.backbone.autocast_text(learning=False):
                each = [text.encode_texts([fill(template, name) for name in names]) for template in self.templates]
            encoded = torch.stack([each[i % len(each)] for i in (*range(m), *range(n))], dim=1).float()
        return TextFeatures(encoded[:, :m], encoded[:, m:])

    def cached_text_features(self) -> TextFeatures:
        """Return ``text_features`` without gradients, computed once for the current prompts: again where these were
        changed, also in place.
        """
        made_of = self.prompts.contexts().detach().float().cpu().numpy().tobytes()
        if self._text is None or self._text[0] != made_of:
            with torch.no_grad():
                self._text = made_of, self.text_features()
        return self._text[1]

    def name_features(self, class_names: Sequence[str]) -> Tensor:
        """Return the text features of names in the sentence that all prompts begin with, (K, D) of length 1 on the CPU:
        nothing that is learned changes them.
        """
        return name_features(self.backbone, class_names)

    def similarities(self, features: ImageFeatures, text: TextFeatures) -> Similarities:
        """Return cosines of images and regions with every class and prompt, on the backbone's device.

        Raises:
            DataError: features of more or fewer looks than the model answers from, or of other widths or regions than
                the backbone's.
        """
        self.sight.check(features, self.backbone)
        return self.maps(features, text)

    def maps(self, features: ImageFeatures, text: TextFeatures) -> Similarities:
        """Return the same for all looks that there are, where a further one may be there for its maps alone."""
        looks, counted = features.to(self.backbone.device).looks, len(self.sight.times)
        branches = {each.kind: each.on(self.backbone, text.global_)(looks, counted) for each in self.branches}
        made = []
        for i, look in enumerate(looks):
            regions = alone = self.paper.region_cosines(look.regions, text)
            if text.local.shape[1] == 0:  # regions are compared with the global prompts
                alone = self.paper.region_cosines(look.regions, TextFeatures(text.global_, text.global_))
            of_branches = {name: maps[i] for name, maps in branches.items()}
            images = self.paper.image_cosines(look.global_, text)
            made.append(Look(images, regions, alone.mean(dim=-1), of_branches))
        weights = tuple(1 / counted if i < counted else 0.0 for i in range(len(made)))
        return Similarities(tuple(made), weights, self.branch_weights)

    def rule(self, calibration: Calibration | None = None, topk: Sequence[int] | None = None) -> Rule:
        """Return how the model answers from similarities.

        Args:
            calibration: temperature, threshold and the limits of a model of one class; None has none.
            topk: one k a local prompt, in place of the model's.
        """
        fitted = calibration or Calibration()
        return Rule(
            topk=tuple(self.config.topk if topk is None else topk),
            scale=self.backbone.logit_scale,
            temperature=fitted.temperature,
            threshold=fitted.threshold,
            own=one_class(self.class_names),
            sure=fitted.sure,
            pooling=self.paper.custom_pool,
        )

    @property
    def prompts(self) -> Prompts:
        """What is learned."""
        return self.paper.prompts

    @prompts.setter
    def prompts(self, prompts: Prompts) -> None:
        self.paper = FastGalLoP(self.backbone, self.names, self.config, prompts)  # copies share the one before

    @property
    def damping(self) -> Damping:
        """Of its cosines."""
        return self.paper.damping

    def votes(self, features: ImageFeatures, text: TextFeatures) -> dict[str, ShotVotes]:
        """Return the contribution of each shot to the scores of one image (B = 1), by branch, where it is known."""
        photo, scale = self.shot_features(features), self.backbone.logit_scale
        voted = {each.kind: each.votes(photo[each.kind][0], text.global_, scale) for each in self.branches}
        return {name: votes for name, votes in voted.items() if votes is not None}

    def loss(
        self, features: ImageFeatures, labels: Tensor, kept: Tensor, text: TextFeatures | None = None
    ) -> tuple[Loss, Tensor, Tensor]:
        """Return the training loss, and the cosines it was made of: global (B, K, M) and top-k local (B, K, N).

        Of features with a second look these are the means over both, as in an answer.

        Args:
            text: features of the classes after the current prompts, where they are already computed.
        """
        text = self.text_features() if text is None else text
        looks = features.to(self.backbone.device).looks
        global_ = torch.stack([self.paper.image_cosines(look.global_, text) for look in looks]).mean(dim=0)
        local = torch.stack([self.paper.local_logits(look.regions, text) for look in looks]).mean(dim=0)
        weights = None if self.class_weights is None else self.class_weights.to(global_)
        labels = labels.to(global_.device)
        loss = gallop_loss(global_, local, labels, self.backbone.logit_scale, kept, weights)
        return loss, global_, local


def text_features_together(models: Sequence[PromptModel]) -> list[TextFeatures]:
    """Return the text features of models that differ in their prompts alone: every class after every context, gradients
    reach the contexts.

    One pass of the text encoder for all of them, which on a few classes is much cheaper than a pass for each.
    """
    contexts = torch.cat([model.prompts.contexts() for model in models])
    text = _encoded(models[0].backbone, models[0].names, contexts)
    parts = iter(torch.split(text, [size for model in models for size in model.prompts.sizes], dim=1))
    return [TextFeatures(next(parts), next(parts)) for _ in models]


def _encoded(backbone: Backbone, names: NameTokens, contexts: Tensor) -> Tensor:
    """Return text features (K, P, D) of every class name after every context (P, C, T)."""
    with backbone.autocast_text(learning=contexts.requires_grad):
        return backbone.text.encode(contexts, names).float()


def name_features(backbone: Backbone, names: Sequence[str]) -> Tensor:
    """Return the text features of names after "A photo of a", (K, D) of length 1 on the CPU."""
    with torch.no_grad(), backbone.autocast_text(learning=False):
        text = backbone.text.encode_texts([f"{CONTEXT_INIT} {name}" for name in names])
    return F.normalize(text.float(), dim=-1).cpu()


def initial_prompts(backbone: Backbone, config: MethodConfig) -> Prompts:
    """Return prompts that have learned nothing: contexts are the words of ``starts``, projections the identity.

    Raises:
        ConfigError: as ``starting_prompts``.
    """
    return starting_prompts(backbone, replace(config, init=0.0))


def starting_prompts(backbone: Backbone, config: MethodConfig) -> Prompts:
    """Return what a training starts from: the initial prompts, which the noise of ``init`` moves apart.

    The noise of a prompt is the same in every training, whatever its seed: so is what it comes to see.

    Raises:
        ConfigError: the text encoder makes different numbers of tokens of the words.
    """
    starts = config.sentences
    contexts = [backbone.text.embed(words).float() for words in starts]
    for words, context in zip(starts, contexts, strict=True):
        require(
            len(context) == len(contexts[0]),
            f"Prompts have contexts of one length, and {quoted(starts[0])} has {len(contexts[0])} tokens where "
            f"{quoted(words)} has {len(context)}. Use starting words of as many tokens.",
        )
    each = torch.stack([contexts[i % len(contexts)] for size in config.sizes for i in range(size)])
    noise = torch.randn(*each.shape, generator=torch.Generator().manual_seed(0))
    spread = backbone.text.embed(CONTEXT_INIT).float().std()
    return Prompts(each + config.init * spread * noise.to(each), config, backbone).to(backbone.device)


def likeness(text: TextFeatures) -> Tensor:
    """Return how alike the prompts of a branch are: the mean cosine of two prompts' features of one class, a scalar.

    The mean over the branches that have two prompts or more; 0 where none has.
    """
    units = [F.normalize(part, dim=-1) for part in (text.global_, text.local) if part.shape[1] > 1]
    # Of P unit vectors the squared length of the sum is P, and twice the cosine of each pair.
    each = [(u.sum(dim=1).square().sum(dim=-1).mean() / u.shape[1] - 1) / (u.shape[1] - 1) for u in units]
    return torch.stack(each).mean() if each else text.global_.new_zeros(())
