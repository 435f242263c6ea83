"""Build `mini`, the embedded vision-language model: no image and no network needed, two processor cores will do.

    pip install -r requirements-build.txt        # and Debian's package wordnet-base
    python build.py --work /some/scratch/folder

Writes ``config.json`` and ``mini.safetensors`` beside this file (or to ``--out``). The steps: a trained classifier
gives the image encoder and the joint space (joint.py); WordNet and a sentence encoder give the places of names and
phrases in that space (wordnet.py, phrases.py, sentences.py, targets.py, vocabulary.py); a small CLIP text encoder
learns to go there from the words alone (text_encoder.py). measure.py measures what it understands.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from functools import partial
from pathlib import Path
from typing import Any

# Idle threads must sleep and nothing may be fetched: both are read when the libraries are first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from files import save
from joint import classifier, implied_mean, joint_space, trunk_state
from open_clip import IMAGENET_CLASSNAMES
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer
from sentences import embed
from text_encoder import Recipe, encode, start, train
from timm.data import ImageNetInfo
from torch import Tensor
from torch.nn import functional as F
from vocabulary import Vocabulary, collect

SCALE = 82.0
FRACTIONS = {
    "classes": 0.20,
    "synonyms": 0.06,
    "common": 0.16,
    "nouns": 0.22,
    "plurals": 0.09,
    "attributed": 0.07,
    "attributes": 0.02,
    "pairs": 0.05,
    "scenes": 0.03,
    "deeds": 0.03,
    "adj": 0.04,
    "verb": 0.03,
}
"""Fractions of the kinds of phrases in every batch of the text encoder's training."""
CONFIG: dict[str, Any] = {
    "format": 1,
    "name": "mini",
    "model_cfg": {
        "embed_dim": 512,
        "quick_gelu": False,
        "vision_cfg": {
            "timm_model_name": "tf_efficientnet_lite0",
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
            "timm_proj_bias": True,
            "image_size": 224,
        },
        "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 256, "heads": 4, "layers": 4},
    },
    "trunk": {"output_stride": 16},
    "damping": {"image": 46.0, "region": 120.0},
    "preset": "default",
    "preprocess": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic"},
}


def assemble(seed: int) -> tuple[CLIP, Tensor]:
    """The model with its image side done and its text side fresh, and the direction of every class."""
    network = classifier()
    weight = network.get_classifier().weight.detach()
    projection, bias, directions = joint_space(weight, implied_mean(network.bn2), CONFIG["model_cfg"]["embed_dim"])
    torch.manual_seed(seed)
    model = CLIP(**CONFIG["model_cfg"])
    model.visual.trunk.load_state_dict(trunk_state(network))
    model.visual.head.proj.load_state_dict({"weight": projection, "bias": bias})
    model.logit_scale.data.fill_(math.log(SCALE))
    return model, directions


def vocabulary(wordnet: Path, work: Path, directions: Tensor) -> Vocabulary:
    """All phrases with their targets."""
    leaves = ImageNetInfo().label_names()
    words = collect(wordnet, list(IMAGENET_CLASSNAMES), leaves, directions, partial(embed, cache=work), FRACTIONS)
    print(f"phrases: { {kind: len(group.names) for kind, group in words.groups.items()} }", flush=True)
    return words


@torch.no_grad()
def nearest_fraction(model: CLIP, directions: Tensor, tokenizer: SimpleTokenizer) -> float:
    """Fraction of the 1000 class names whose text feature is nearest to the direction of their class."""
    tokens = tokenizer([f"A photo of a {name}" for name in IMAGENET_CLASSNAMES])
    nearest = (encode(model, tokens) @ directions.T).argmax(dim=1)
    return float((nearest == torch.arange(len(nearest))).float().mean())


@torch.no_grad()
def check(model: CLIP, tokenizer: SimpleTokenizer) -> None:
    """The two shortcuts of this build against open_clip's way: text cut to length, pooling before projecting."""
    model.eval()
    tokens = tokenizer(["A photo of a dog", "tea"])
    torch.testing.assert_close(encode(model, tokens), model.encode_text(tokens, normalize=True), atol=1e-4, rtol=0)
    pixels = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pooled = model.visual.trunk.forward_features(pixels).mean(dim=(2, 3))
    image = F.normalize(model.visual.head.proj(pooled), dim=1)
    torch.testing.assert_close(image, model.encode_image(pixels, normalize=True), atol=1e-4, rtol=0)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for what the next build can use again")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the finished model")
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"), help="folder with data.noun")
    parser.add_argument("--steps", type=int, default=1800, help="training steps of the text encoder")
    parser.add_argument(
        "--save-every", type=int, default=500, help="steps between two saves, so that a stop loses little"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    for folder in (options.work, options.out):
        folder.mkdir(parents=True, exist_ok=True)
    tokenizer = SimpleTokenizer(context_length=CONFIG["model_cfg"]["text_cfg"]["context_length"])
    model, directions = assemble(options.seed)
    check(model, tokenizer)
    words = vocabulary(options.wordnet, options.work, directions)
    start(model, words, tokenizer)
    began = time.monotonic()
    losses = train(model, words, tokenizer, Recipe(steps=options.steps, seed=options.seed))
    for step, loss in enumerate(losses, start=1):
        if step % 50 == 0:
            print(f"step {step}: loss {loss:.4f}, {time.monotonic() - began:.0f} s", flush=True)
        if step % options.save_every == 0:
            save(model.state_dict(), options.out)
    save(model.state_dict(), options.out)
    (options.out / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n", encoding="utf-8")
    print(
        f"names nearest to the direction of their class: {nearest_fraction(model, directions, tokenizer):.1%}",
        flush=True,
    )


if __name__ == "__main__":
    main()
