"""What varies together in a photo: the square root of the covariance of its cells, and the map of a score that is
linear in it.

A mean says how much of everything there is in a photo; a covariance says what is there together, such as a texture and
its colour (bilinear pooling, arXiv 1504.07889). Its square root keeps what is large in a photo from drowning the rest,
and takes some products of small matrices (iSQRT-COV, arXiv 1712.01034).

The score of a class is linear in the root, and the root is a covariance times its own inverse root. So it is a sum over
regions, exactly: of W Z x x' for the centred cells x and the inverse root Z.

Shapes: L looks, B images, R regions, U channels of the cells, C of them that are kept, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gallop.backbones import Backbone
from gallop.backbones.vision import cells_width
from gallop.features.image_features import ImageFeatures

CHANNELS = 40
"""C. Chosen by cross-validation inside train folders, on ``mini``: 32 to 64 are alike, and more ask for more memory."""

_STEPS = 8
"""Of Newton and Schulz. A direction with a hundredth of a photo's variance has its root within 0.2% then, one with a
thousandth 69% of it: the least of a photo is damped. In accuracy 4 to 12 steps are alike, and maps are exact after any.
"""


def total_covariance(looks: Sequence[ImageFeatures]) -> Tensor:
    """Return the sum over photos of how the cells of each vary together, (U, U) in fp32: the mean over the looks."""
    each = [cells.flatten(0, 1).T @ cells.flatten(0, 1) / cells.shape[1] for cells in map(_centred, looks)]
    return torch.stack(each).mean(dim=0)


def main_channels(covariance: Tensor) -> Tensor:
    """Return the directions (U, C) in which the cells of some photos vary most, of the sum (U, U) of their covariances.

    Of fewer than ``CHANNELS`` channels there are C = U.
    """
    directions: Tensor = torch.linalg.eigh(covariance.double())[1][:, -CHANNELS:]
    largest = directions.gather(0, directions.abs().argmax(dim=0, keepdim=True))
    return (directions * largest.sign()).float()  # either sign is right: the same one on every machine


def moment_width(backbone: Backbone) -> int:
    """Return U."""
    return cells_width(backbone.vision) or backbone.vision.region_width


def moment_values(channels: Tensor) -> int:
    """Return how many values a head knows of a photo: C (C + 1) / 2."""
    kept = channels.shape[-1]
    return kept * (kept + 1) // 2


def moment_features(looks: Sequence[ImageFeatures], channels: Tensor) -> Tensor:
    """Return what a head knows of photos, (B, C (C + 1) / 2) of length 1; of a photo without any contrast it is 0.

    It is one triangle of the root, what is off the diagonal times the square root of two: products are those of roots.

    Args:
        channels: what ``main_channels`` gives (U, C).

    Raises:
        ValueError: the features have no cells of so many channels.
    """
    root, _ = _roots(_covariance([_in_channels(look, channels) for look in looks]))
    rows, columns, weights = _triangle(root)
    return root[:, rows, columns] * weights


def moment_maps(looks: Sequence[ImageFeatures], counted: int, channels: Tensor, weights: Tensor) -> list[Tensor]:
    """Return of each look what every region adds to the scores (B, R, K): their mean is ``weights`` times the feature.

    Args:
        counted: looks whose mean the feature is of; a further one is there for its map.
        weights: (K, C (C + 1) / 2)
    """
    cells = [_in_channels(look, channels) for look in looks]
    _, inverse = _roots(_covariance(cells[:counted]))
    found = [_map(each, inverse, weights) for each in cells[:counted]]
    return found + [_map(each, _roots(_covariance([each]))[1], weights) for each in cells[counted:]]


def _map(cells: Tensor, inverse: Tensor, weights: Tensor) -> Tensor:
    """By forms of the classes where these are fewer than the channels, else by the products of channels, which are as
    many whatever K is: what is less work, and less memory.
    """
    rows, columns, double = _triangle(cells)
    other, (classes, channels) = cells @ inverse, (len(weights), cells.shape[-1])
    if classes < channels:
        forms = weights.new_zeros(classes, channels, channels)
        forms[:, rows, columns] = weights * double / 2
        forms = forms + forms.transpose(1, 2)
        pulled = (cells @ forms.permute(1, 0, 2).flatten(1)).reshape(*cells.shape[:2], classes, channels)
        return (pulled * other[:, :, None]).sum(dim=-1)
    products = cells[..., rows] * other[..., columns] + cells[..., columns] * other[..., rows]
    return (products * (double / 2)) @ weights.T


def _centred(look: ImageFeatures) -> Tensor:
    """Cells (B, R, U), without the mean over each photo; a tower without cells has its regions in their place."""
    cells = (look.regions if look.cells is None else look.cells).float()
    apart = cells - cells.mean(dim=1, keepdim=True)
    rounding = 1e-10 * cells.square().mean(dim=(1, 2), keepdim=True)  # all that is left of a photo without contrast
    return apart * (apart.square().mean(dim=(1, 2), keepdim=True) > rounding)


def _in_channels(look: ImageFeatures, channels: Tensor) -> Tensor:
    """Centred cells (B, R, C)."""
    cells = _centred(look)
    if cells.shape[-1] != len(channels):
        raise ValueError(
            f"The head knows cells of {len(channels)} channels, and these features have {cells.shape[-1]}. Encode "
            "photos with the model's own backbone (classifier.model_.backbone), which asks for cells."
        )
    return cells @ channels


def _covariance(cells: Sequence[Tensor]) -> Tensor:
    each = [some.transpose(1, 2) @ some / some.shape[1] for some in cells]
    return each[0] if len(each) == 1 else torch.stack(each).mean(dim=0)


def _roots(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """The root (B, C, C), of length 1, and what a covariance is multiplied with to give it."""
    one = torch.eye(covariance.shape[-1], device=covariance.device)
    size = (covariance * one).sum(dim=(1, 2), keepdim=True).clamp_min(1e-12)
    root, inverse = covariance / size, one.expand_as(covariance)
    for _ in range(_STEPS):
        step = 1.5 * one - 0.5 * inverse @ root
        root, inverse = root @ step, step @ inverse
    length = root.square().sum(dim=(1, 2), keepdim=True).sqrt().clamp_min(1e-12)
    return root / length, inverse / (size * length)


def _triangle(like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rows and columns of one triangle, and what its places weigh in a product of two symmetric matrices."""
    rows, columns = torch.triu_indices(like.shape[-1], like.shape[-1], device=like.device)
    return rows, columns, 1 + (rows != columns) * (2**0.5 - 1)
