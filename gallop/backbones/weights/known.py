"""What is known of a tower from files and settings alone, before any of its weights is read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from gallop.config import REGION_KINDS, OwnPreset, RegionKind
from gallop.runtime.reading import open_file

LARGEST_CONFIG, LARGEST_WEIGHTS = 2**20, 64 * 2**30
"""Bytes of the settings of a folder, and of a file of weights."""
TOKENIZERS = "needs the extra tokenizers"
"""Of a tower that reads text with a tokenizer of the Hub."""
_LARGEST_HEADER = 2**20
_FP32 = 4
_LICENCES = {
    "openai": "MIT, its repository's; of the weights nothing is said, and the model card is for research alone",
    "laion": "MIT",
    "datacomp_": "MIT",
    "commonpool_": "MIT",
    "metaclip": "CC BY-NC 4.0: no commercial use",
    "dfn": "Apple's for models, for research alone",
    "datacompdr": "Apple's for models, for research alone",
    "webli": "Apache-2.0",
}
"""By how the tag of the weights begins, the longest that fits: what the pages of these models said in 2025.

OpenAI was asked and has not answered (its issues 203 and 241); of LAION's, open_clip says that MIT is the weights' too
(its issue 177); Apple's is called apple-amlr on the hub.
"""


@dataclass(frozen=True)
class KnownTower:
    """A tower that is on this machine, or that can be downloaded.

    Attributes:
        name: what it is called. ``load_backbone`` takes it, for a file or a folder that lies in the working folder.
        source: what ``load_backbone`` takes here; empty where its weights are not on this machine.
        bytes: of its weights, as a file; of one that is not here about so many.
        memory: bytes that its weights take once they are loaded.
        licence: of its weights, where it is known.
        input: side of its square input in pixels; None where the settings do not tell, as of the next two.
        grid: rows and columns of its regions.
        tokens: the longest prompt.
        needs: what else must be installed for it, where something must.
        preset: settings of a training that go with it, as ``Backbone`` has them.
        kinds: of region features that it has, as far as its settings tell.
    """

    name: str
    source: str = ""
    bytes: int = 0
    memory: int = 0
    licence: str = ""
    input: int | None = None
    grid: tuple[int, int] | None = None
    tokens: int | None = None
    needs: str = ""
    preset: OwnPreset = "paper"
    kinds: tuple[RegionKind, ...] = ("value",)

    @property
    def here(self) -> bool:
        """Whether its weights are on this machine."""
        return bool(self.source)

    def with_settings(self, settings: Mapping[str, Any], trunk: Mapping[str, Any] | None = None) -> KnownTower:
        """Return it with what open_clip's settings of its architecture say; ``trunk`` are those of timm's trunk."""
        vision, text = settings.get("vision_cfg", {}), settings.get("text_cfg", {})
        side, tokens = vision.get("image_size", 224), text.get("context_length", 77)
        needs = TOKENIZERS if text.get("hf_tokenizer_name") else self.needs
        kinds = REGION_KINDS if _at_class_token(vision) else self.kinds
        known = replace(self, input=_number(side), grid=_grid(vision, trunk or {}), tokens=_number(tokens))
        return replace(known, needs=needs, kinds=kinds)


def licence_of(tag: str) -> str:
    """Return the licence of weights by open_clip's tag of them; empty where it is not known here."""
    fits = [begins for begins in _LICENCES if tag.startswith(begins)]
    return _LICENCES[max(fits, key=len)] if fits else ""


def memory_of(path: Path, *, halved: bool = False) -> int:
    """Return the bytes that the weights of a file take once loaded: in single precision, whatever the file has.

    Args:
        halved: the file has half precision. It is asked for where the file does not say: of all but safetensors.
    """
    size = path.stat().st_size
    if path.suffix != ".safetensors":
        return 2 * size if halved else size
    try:
        with open_file(path, LARGEST_WEIGHTS) as file:
            header = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), _LARGEST_HEADER)))
        return sum(_FP32 * prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return size  # it is no such file, which loading it will tell


def _at_class_token(vision: Mapping[str, Any]) -> bool:
    """Whether it is open_clip's own ViT, read at its class token: such a one has every kind of regions."""
    own = not vision.get("timm_model_name") and isinstance(vision.get("layers", 12), int)
    pooled = vision.get("attentional_pool") or vision.get("final_ln_after_pool")
    return own and not pooled and vision.get("pool_type", "tok") == "tok"


def _grid(vision: Mapping[str, Any], trunk: Mapping[str, Any]) -> tuple[int, int] | None:
    side, layers = _number(vision.get("image_size", 224)), vision.get("layers", 12)
    patch = _number(vision.get("patch_size", 16))
    if name := vision.get("timm_model_name"):
        named = re.search(r"patch(\d+)", str(name))
        patch = _number(trunk.get("output_stride")) or (int(named.group(1)) if named else None)
    elif isinstance(layers, list | tuple):
        patch = 32  # CLIP's ResNets
    return (side // patch, side // patch) if side and patch else None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
