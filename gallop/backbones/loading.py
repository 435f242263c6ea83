"""``load_backbone``: the one door to frozen CLIP towers. Only this package imports open_clip and timm.

They take longer to load than torch itself, so they are loaded with the first towers that ``gallop.backbones.own`` does
not build, and not with the library.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast, get_args

from torch import nn

from gallop.backbones.clip import Backbone
from gallop.backbones.damping import Damping
from gallop.backbones.device import moved, pick_device, pick_precision
from gallop.backbones.own import own_model
from gallop.backbones.pairs import load_pair
from gallop.backbones.preprocess import Preprocess
from gallop.backbones.state import load_strictly, read_state
from gallop.backbones.text.bpe import ClipTokens
from gallop.backbones.vision import pick_regions
from gallop.backbones.weights.known import LARGEST_CONFIG
from gallop.backbones.weights.offered import offered_towers
from gallop.backbones.weights.on_disk import available_models, known_elsewhere
from gallop.config import OwnPreset
from gallop.errors import BackboneError, suggesting
from gallop.runtime.reading import read_text
from gallop.wording import did_you_mean


@suggesting
def load_backbone(
    name: str | os.PathLike[str] = "mini",
    *,
    device: str = "auto",
    precision: str = "fp32",
    regions: str = "value",
    download: bool = True,
) -> Backbone:
    """Return a frozen backbone by name.

    Args:
        name: ``mini`` (shipped); ``ARCH/TAG`` of open_clip, such as ``ViT-B-16/openai`` (downloaded once by open_clip);
            ``ARCH/FILE`` with a local weights file; or a folder that holds ``config.json`` and one ``.safetensors``
            file, laid out as ``checkpoints/mini`` is.
        device: "auto" (a GPU when there is one), "cpu", "cuda", "cuda:1".
        precision: of the towers on a CPU: "fp32", which gives the same prompts on every machine; "bf16"; or "auto",
            bf16 where the processor multiplies it faster.
        regions: the kind of a ViT's region features, as ``gallop.backbones.vision`` defines them: one of
            ``gallop.config.REGION_KINDS``, of which "value" is the paper's; other towers have "value" alone.
        download: whether weights that are not on this machine may be asked for; without, no network is.

    Raises:
        BackboneError: unknown name, precision or kind of regions, weights missing or not fitting, no network for them,
            a GPU that is not there or cannot be used.
        UnsupportedTower: a text tower that learned contexts cannot be put into, or a vision tower without regions.
    """
    target, chosen, kind = pick_device(device), pick_precision(precision), pick_regions(regions)
    backbone = moved(_load(os.fspath(name), download=download), target)
    backbone.precision = chosen
    if known_elsewhere(os.fspath(name)):
        backbone.again = loaded_again
    return backbone.with_regions(kind)


def loaded_again(name: str, fingerprint: str, device: str, precision: str, regions: str) -> Backbone:
    """Return a backbone that was pickled by its name, as ``load_backbone`` finds it here.

    Raises:
        BackboneError: as there, or its weights are others here.
    """
    backbone = load_backbone(name, device=device, precision=precision, regions=regions)
    if backbone.fingerprint != fingerprint:
        raise BackboneError(
            f"What was pickled was made with other weights of {name!r} than those that this machine has by that name "
            f"(fingerprints {fingerprint[:12]} and {backbone.fingerprint[:12]}); get the same ones, or train again."
        )
    return backbone


def _load(name: str, *, download: bool) -> Backbone:
    folder = _shipped_folder(name)
    if folder is None and Path(name).is_dir():
        folder = Path(name)
    if folder is not None:
        return _load_folder(name, folder)
    arch, _, source = name.partition("/")
    if not source:
        raise BackboneError(
            f"There is no backbone {name!r}. Use 'mini', an open_clip pair such as 'ViT-B-16/openai', or a folder."
            f"{_near(name)}"
        )
    return load_pair(name, arch, source, download=download)


def _near(name: str) -> str:
    """What a name without a slash may have meant: a tower that ships, or a pair of an architecture."""
    if near := did_you_mean(name, available_models()):
        return near
    pairs = {tower.name.partition("/")[0]: tower.name for tower in reversed(offered_towers())}
    return did_you_mean(name, pairs, shown=pairs)


def _shipped_folder(name: str) -> Path | None:
    return available_models().get(name) if os.sep not in name else None


def _load_folder(name: str, folder: Path) -> Backbone:
    """``config.json`` (open_clip's model settings, the trunk's, preprocessing) and one safetensors file beside it."""
    try:
        config = json.loads(read_text(folder / "config.json", LARGEST_CONFIG))
        model_cfg, pre = config["model_cfg"], config["preprocess"]
        preprocess = Preprocess(
            size=int(model_cfg["vision_cfg"]["image_size"]),
            mean=_channels(pre["mean"]),
            std=_channels(pre["std"]),
            interpolation=pre["interpolation"],
        )
        damping = Damping(**config.get("damping", {}))
        preset = _own_preset(config.get("preset", "paper"))
        trunk = config.get("trunk") or {}
        model = own_model(model_cfg, trunk) or _open_clip_model(model_cfg, trunk)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise BackboneError(f"{folder / 'config.json'} is missing or not a backbone's settings ({error!r}).") from error
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        raise BackboneError(
            f"{folder} must hold exactly one .safetensors file beside config.json; it has {len(files)}."
        )
    load_strictly(model, read_state(str(files[0])), name)
    return Backbone(name, model.float(), ClipTokens(), preprocess, damping=damping, preset=preset)


def _open_clip_model(settings: dict[str, Any], trunk: dict[str, Any]) -> nn.Module:
    from open_clip.model import CLIP

    model: nn.Module = CLIP(**settings)
    if trunk:
        import timm

        # open_clip's settings cannot say a trunk's output stride, so the trunk is built again with it.
        architecture = settings["vision_cfg"]["timm_model_name"]
        model.visual.trunk = timm.create_model(architecture, num_classes=0, **trunk)  # type: ignore[union-attr]
    return model


def _own_preset(name: Any) -> OwnPreset:
    if name not in get_args(OwnPreset):
        raise ValueError(f"there is no preset {name!r}")
    return cast(OwnPreset, name)


def _channels(values: Any) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)
