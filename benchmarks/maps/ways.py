"""Ways to locate a name on a picture: the model's maps, others made of the same backbone, and maps that do not know
the name.

Shapes: R regions, K classes, M global prompts, V region width, D joint width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from benchmarks.maps.pictures import SIDE, Picture
from gallop import GalLoPClassifier
from gallop.backbones import Backbone
from gallop.core.gallop import TextFeatures
from gallop.features.encoding import ImageFeatures
from gallop.model.prompted import PromptModel

Map = NDArray[np.float64]
"""(rows, columns), larger = more of the name."""

OURS, PLAIN, GRAD_CAM = "GalLoP", "plain cosine", "Grad-CAM"
CENTRE, EDGES, COLOUR = "centre (blind)", "edges (blind)", "odd colour (blind)"


@dataclass(frozen=True)
class Look:
    """What a backbone gives of a picture at so many times its input size: pixels (1, 3, H, W) and features, B = 1."""

    times: float
    grid: tuple[int, int]
    pixels: Tensor
    features: ImageFeatures


def looks_at(backbone: Backbone, picture: Picture, details: Iterable[float]) -> tuple[Look, ...]:
    """Return one look, and one more for each other ``detail``: maps at that detail need no other."""
    looks = []
    for times in (1.0, *(detail for detail in details if detail != 1)):
        pixels = backbone.preprocess.centre(picture.image, times)[0][None]
        looks.append(Look(times, backbone.grid_at(times), pixels, ImageFeatures(*backbone.encode_image(pixels))))
    return tuple(looks)


def called(way: str, look: Look) -> str:
    """Return what the map of a look is called."""
    return way if look.times == 1 else f"{way}, detail {look.times:g}"


def maps_of(classifier: GalLoPClassifier, picture: Picture, looks: Iterable[Look]) -> Iterator[tuple[str, Map]]:
    """Yield each way's map of a picture's name, at every look; those that ask nothing are ``blind_maps``.

    The model's is the mean over local prompts, as the app shows it. Plain cosine is the same without damping. Grad-CAM
    is that of the score of the global prompts (Selvaraju et al., ICCV 2017). Second looks have the model's map alone.
    """
    model, text = classifier.model_, classifier.model_.cached_text_features()
    row = model.class_names.index(picture.name)
    for look in looks:
        for way, scores in _of_look(model, text, look, row):
            yield called(way, look), scores.reshape(look.grid).double().cpu().numpy()


def _of_look(model: PromptModel, text: TextFeatures, look: Look, row: int) -> Iterator[tuple[str, Tensor]]:
    """Scores (R,) of the regions."""
    with torch.no_grad():
        yield OURS, model.maps(look.features, text).looks[0].region_cosines[0, :, row].mean(dim=-1)
        if look.times != 1:
            return
        regions = look.features.regions[0] @ model.paper.region_projection()
        products = regions @ F.normalize(text.local[row], dim=-1).mean(dim=0)
        yield PLAIN, products / regions.norm(dim=1)
    cam = grad_cam(model, text, look, row)
    if cam is not None:
        yield GRAD_CAM, cam


def grad_cam(model: PromptModel, text: TextFeatures, look: Look, row: int) -> Tensor | None:
    """Return the map (R,) of the global prompts' score of a class; None for backbones whose last layer has no
    regions.

    Where the global feature is the mean of the regions, these are taken as the last layer: what follows is linear.
    """
    vision: Any = model.backbone.vision

    def score(global_: Tensor) -> Tensor:
        return model.paper.image_cosines(global_, text)[0, row].mean()

    with torch.enable_grad():
        if vision.mean_is_global:
            layer = look.features.regions.detach().clone().requires_grad_()
            global_ = layer.mean(dim=1)
        else:
            layers, last = list[Tensor](), _last_layer(vision)
            if last is None:
                return None
            hook = last.register_forward_hook(lambda module, given, made: layers.append(made))
            global_, _ = vision(look.pixels.to(model.backbone.device).requires_grad_())
            hook.remove()
            layer = layers[0]
        (gradient,) = torch.autograd.grad(score(global_), layer)
    if layer.ndim == 4:  # (1, V, rows, columns)
        layer, gradient = (each.flatten(2).transpose(1, 2) for each in (layer, gradient))
    rows, columns = look.grid
    regions, gradient = (each[0, -rows * columns :] for each in (layer, gradient))  # without a class token
    return (regions @ gradient.mean(dim=0)).clamp_min(0).detach().cpu()


def _last_layer(vision: Any) -> torch.nn.Module | None:
    """Of a CLIP's ViT the norm before its last attention, as is usual; of its ResNet the last layer."""
    if hasattr(vision.module, "layer4"):
        return vision.module.layer4  # type: ignore[no-any-return]
    blocks = getattr(getattr(vision.module, "transformer", None), "resblocks", None)
    return None if blocks is None else blocks[-1].ln_1  # type: ignore[no-any-return]


def blind_maps(picture: Picture, grid: tuple[int, int]) -> Iterator[tuple[str, Map]]:
    """Yield maps of a picture alone, whatever it is asked for: the least that a map of a name has to be better than."""
    pixels = np.asarray(picture.image, dtype=np.float64)
    grey = pixels.mean(axis=2)
    edges = np.hypot(ndimage.sobel(grey, axis=0), ndimage.sobel(grey, axis=1))
    y, x = ((np.arange(count) + 0.5) / count - 0.5 for count in grid)
    yield CENTRE, -np.hypot(y[:, None], x[None])
    colours = np.stack([cells(pixels[..., channel], grid) for channel in range(3)], axis=-1)
    yield COLOUR, np.linalg.norm(colours - colours.mean(axis=(0, 1)), axis=-1)
    yield EDGES, cells(edges, grid)


def cells(values: NDArray[np.float64], grid: tuple[int, int]) -> Map:
    """Return means of pixels (SIDE, SIDE) over the cells of a grid."""
    assert values.shape == (SIDE, SIDE)
    means = F.adaptive_avg_pool2d(torch.from_numpy(np.ascontiguousarray(values))[None], grid)[0]
    return np.asarray(means)
