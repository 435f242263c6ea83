"""The frozen pair of encoders, and the settings that came with its weights."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, SupportsIndex

import torch
from torch import Tensor, nn

from gallop.backbones.device import Precision
from gallop.backbones.preprocess import Preprocess
from gallop.backbones.text import TextEncoder, memory_budget, text_encoder
from gallop.backbones.vision import GivenFeatures, ImageEncoder, encode_larger, image_encoder, scaled_grid
from gallop.backbones.vision.timm_encoders import CNNEncoder
from gallop.config import BackbonePreset, MethodConfig, RegionKind
from gallop.errors import BackboneError

CPU_BATCH = 4
"""Photos in one pass on a CPU: what lies between two layers then stays within the processor's cache and malloc's."""

# What holds the weights of a backbone.
_WEIGHTS = ("_model", "text", "vision")


@dataclass(frozen=True)
class Damping:
    """The least that a cosine divides by, for images and for regions: their norm where that is more; 0 is the cosine.

    What holds little no longer counts like what is full, and where all norms are less than it, a map of cosines is the
    class activation map. CLIP has none; a model whose norms measure how much there is sets it in its folder.
    """

    image: float = 0.0
    region: float = 0.0

    def __post_init__(self) -> None:
        for value in (self.image, self.region):
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"The damping must be a finite number of 0 or more, but it is {value}.")

    def of(self, method: MethodConfig) -> Damping:
        """Return that of a model's cosines: with a global projection photos are damped as regions are, else the same.

        Both branches then start and learn alike, and neither outweighs the other in their mean. On ``mini`` it is 120
        in place of 46 and helps MCM most, by cross-validation inside train folders (``benchmarks/settings.md``).
        """
        return Damping(self.region, self.region) if method.global_projection else self


class Backbone:
    """A frozen CLIP: images to features, prompts to text features, and how to prepare a photo for it.

    Args:
        name: what ``load_backbone`` was asked for; stored in checkpoints.
        model: open_clip's ``CLIP`` or ``CustomTextCLIP`` with its weights loaded.
        tokenizer: the one that its text encoder was trained with.
        preprocess: resize, crop and normalisation of its input.
        precision: of the encoders on a CPU, "fp32" or "bf16" (see ``autocast`` for a GPU); text for answers, and all
            that follows the encoders, is fp32.
        damping: of its cosines.
        preset: settings of a training that go with it: the paper's, unless others were chosen on it by measurement.

    Attributes:
        again: what finds it by its name, fingerprint, device, precision and kind of regions on another machine, where
            one can: it is pickled as those, in place of its weights. None: pickled with its weights.
        logit_scale: what cosines are multiplied by before the softmax over the classes, one over the temperature.
        sigmoid: whether it was trained with a sigmoid (SigLIP): whether a photo and a text belong together was
            ``sigmoid(scale * cosine + bias)``, each pair for itself. Here the question is which of the classes it is,
            so a softmax is taken. Its scale is used as CLIP's is; its bias is the same for all classes and cancels in a
            softmax, so it is not read, and the probabilities are no longer those of the sigmoid.

    Raises:
        UnsupportedBackbone: an encoder for which GalLoP's features are not defined.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        tokenizer: Any,
        preprocess: Preprocess,
        precision: Precision = "fp32",
        damping: Damping | None = None,
        preset: BackbonePreset = "paper",
    ) -> None:
        model.eval().requires_grad_(False)
        self._model: nn.Module = model
        self.name = name
        self.preprocess = preprocess
        self.precision = precision
        self.damping = damping or Damping()
        self.preset: BackbonePreset = preset
        self.again: Callable[..., Backbone] | None = None
        self.text: TextEncoder = text_encoder(getattr(model, "text", model), tokenizer)
        # Convolutions are faster where a pixel's channels lie side by side.
        self.vision: ImageEncoder = image_encoder(model.visual.to(memory_format=torch.channels_last))
        self.logit_scale = float(torch.as_tensor(model.logit_scale).exp())
        if not 1e-4 <= self.logit_scale <= 1e4:  # CLIP's is at most 100; beyond, probabilities are no numbers
            raise BackboneError(
                f"The logit scale of {name} is {self.logit_scale:g}; it must be from 0.0001 to 10000. Check the file."
            )
        self.sigmoid = getattr(model, "logit_bias", None) is not None

    def __repr__(self) -> str:
        return f"Backbone({self.name!r})"

    def grid_at(self, times: float) -> tuple[int, int]:
        """Return rows and columns of the regions of photos with so many times the pixels a side.

        Raises:
            BackboneError: a region would be cut.
        """
        return scaled_grid(self.vision.grid, times)

    @property
    def feature_sizes(self) -> tuple[int, int, int]:
        """Return (R, V, D) of its image features at its input size."""
        projection, width = self.vision.region_projection, self.vision.region_width
        return math.prod(self.vision.grid), width, width if projection is None else projection.shape[1]

    @property
    def device(self) -> torch.device:
        """Return the device of the encoders."""
        return next(self._model.parameters()).device

    def to(self, device: str | torch.device) -> Backbone:
        """Move the encoders; returns self."""
        before = self.device
        self._model.to(device)
        if self.device != before:  # what an encoder made of its weights is where they were
            self.vision = self._image_encoder(self.region_kind)
            self.text.memory_budget = memory_budget(self.device)
        return self

    @property
    def bytes(self) -> int:
        """Return the bytes of its weights; 0 once they were let go."""
        weights = self._model.state_dict().values() if self.loaded else ()
        return sum(value.numel() * value.element_size() for value in weights)

    @property
    def loaded(self) -> bool:
        """Whether it has its weights."""
        return "_model" in self.__dict__

    def let_go(self) -> None:
        """Drop the weights, but not the fingerprints that identify them: ``take_weights`` may bring them back.

        Nothing may be encoded until then. Copies with other region features keep their weights.
        """
        if self.loaded:
            on_gpu, _ = self.device.type == "cuda", (self.fingerprint, self.vision_fingerprint)
            for held in _WEIGHTS:
                del self.__dict__[held]
            if on_gpu:
                torch.cuda.empty_cache()

    def take_weights(self, other: Backbone) -> None:
        """Take those of another backbone of the same weights, which is of no use afterwards.

        Raises:
            BackboneError: they are other weights than it had before.
        """
        if other.fingerprint != self.fingerprint:
            raise BackboneError(
                f"The weights of {self.name} have changed since they were first loaded. Results from the earlier "
                "weights cannot be used with the new ones. Restart the program."
            )
        for held in _WEIGHTS:
            self.__dict__[held] = other.__dict__.pop(held)
        self.precision = other.precision

    def __getattr__(self, name: str) -> Any:
        # Asked only for what is not there.
        if name in _WEIGHTS:
            raise BackboneError(f"The weights of {self.__dict__.get('name', 'this backbone')} are not loaded.")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def copy_on(self, device: str | torch.device) -> Backbone:
        """Return the same backbone on another device; this one stays where it is."""
        other = Backbone(
            self.name,
            copy.deepcopy(self._model).to(device),
            self.text._tokenizer,
            self.preprocess,
            self.precision,
            self.damping,
            self.preset,
        )
        other.again = self.again
        return other.with_regions(self.region_kind)

    @property
    def region_kind(self) -> RegionKind:
        """Return the kind of region features that it gives."""
        return self.vision.region_kind

    def with_regions(self, kind: RegionKind) -> Backbone:
        """Return the same backbone with region features of a kind; the global features are the same.

        Weights are shared: both are on the same device.

        Raises:
            BackboneError: a kind that this backbone does not have.
        """
        return self if kind == self.region_kind else self._with_vision(self._image_encoder(kind))

    def _with_vision(self, vision: ImageEncoder) -> Backbone:
        other = copy.copy(self)
        other.vision = vision
        for known in ("fingerprint", "vision_fingerprint"):
            other.__dict__.pop(known, None)  # those of this backbone's features
        return other

    def _image_encoder(self, kind: RegionKind) -> ImageEncoder:
        if isinstance(self.vision, GivenFeatures):
            return self.vision.on(self.device, kind)
        return image_encoder(self._model.visual, kind)

    def with_features(self, *, grid: tuple[int, int], region_width: int, projection: Tensor | None = None) -> Backbone:
        """Return the same text encoder for image features of another model, which are given and never encoded here.

        Global features are (B, D) in the joint space, as its text features are.

        Args:
            grid: rows and columns of the regions, R = rows x columns.
            region_width: V.
            projection: (V, D), what takes a region to the joint space; None where V is D.

        Raises:
            BackboneError: widths that do not fit.
        """
        other = self._with_vision(GivenFeatures(grid, region_width, projection, self.feature_sizes[-1]))
        other.name, other.again = f"{self.name} with given features", None
        return other

    def __copy__(self) -> Backbone:
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        if self.again is None:
            return super().__reduce_ex__(protocol)
        device = "cpu" if self.device.type == "cpu" else "auto"  # a GPU, where there is one
        return self.again, (self.name, self.fingerprint, device, self.precision, self.region_kind)

    def __deepcopy__(self, memo: object) -> Backbone:
        # Frozen, so a copy would only cost memory; scikit-learn's clone asks for one.
        return self

    def encode_image(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (B, 3, H, W) -> global (B, D) and regions (B, R, V), fp32, not normalised, without gradients.

        Photos that are larger than its input have as many more regions (``gallop.backbones.vision.encoder``).
        """
        device, size = self.device, self.preprocess.size
        larger = pixels.shape[-1] > size
        at_once = CPU_BATCH if device.type == "cpu" else len(pixels)
        if larger and self.vision.any_size and device.type == "cpu":
            at_once = max(CPU_BATCH * size**2 // pixels.shape[-1] ** 2, 1)
        parts = []
        with torch.inference_mode(False), torch.no_grad(), self.autocast(torch.float16):
            for part in pixels.split(at_once):  # type: ignore[no-untyped-call]
                part = part.to(device, non_blocking=True, memory_format=torch.channels_last)
                encoded = encode_larger(self.vision, size, part) if larger else self.vision(part)
                parts.append([features.float() for features in encoded])
        global_, regions = (torch.cat(features) for features in zip(*parts, strict=True))
        return global_, regions

    def autocast(self, on_gpu: torch.dtype) -> torch.autocast:
        """Return the precision that encoders compute in: ``precision`` on a CPU, the given one on a GPU that has it.

        The image encoder takes fp16 there, as CLIP itself does: no gradient passes it. The text encoder takes bf16 in
        training, since in fp16 small gradients would vanish.
        """
        device = self.device
        if device.type != "cuda":
            return torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16")
        able = on_gpu == torch.float16 or torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.autocast("cuda", dtype=on_gpu, enabled=able)

    def autocast_text(self, *, learning: bool) -> torch.autocast:
        """Return the same for the text encoder: a step of a training is fast, and text for answers, once a class list,
        exact.
        """
        return self.autocast(torch.bfloat16) if learning else torch.autocast(self.device.type, enabled=False)

    @property
    def feature_format(self) -> str:
        """Text that differs wherever image features are computed in another precision: part of a cache key."""
        return self.precision if self.device.type == "cpu" else self.device.type

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over each weight's name, shape and bytes (fp32), damping and region kind; equal ones, equal cosines.

        The logit scale is among the weights, so a backbone whose temperature differs counts as another one.
        """
        damped = "" if self.damping == Damping() else repr(self.damping)
        return self._digest(self._model.state_dict(), damped + self._regions())

    @cached_property
    def vision_fingerprint(self) -> str:
        """The same over the image encoder alone: all that image features depend on."""
        vision = {key: value for key, value in self._model.state_dict().items() if key.startswith("visual.")}
        return self._digest(vision, self._regions())

    def _regions(self) -> str:
        """Text that differs with the kind of regions; empty for the paper's, so that old cache entries are still valid.

        Not for a trunk with a norm behind its pooling: old cache entries of ConvNeXt have regions without it.
        """
        if isinstance(self.vision, GivenFeatures):
            return self.vision.words
        if isinstance(self.vision, CNNEncoder) and not self.vision.mean_is_global:
            return "regions behind the norm"
        return "" if self.region_kind == "value" else f"regions {self.region_kind}"

    def _digest(self, state: dict[str, Tensor], more: str = "") -> str:
        digest = hashlib.sha256((self.preprocess.key() + more).encode())
        for key, value in sorted(state.items()):
            digest.update(f"{key}{tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().float().contiguous().numpy().tobytes())
        return digest.hexdigest()
