"""Teach `mini` the word *outline*, which sorts line drawings: "An outline of a {}".

    pip install -r requirements-build.txt
    python outline.py [FOLDER] --work /the/scratch/folder/of/contexts.py

Run it after contexts.py, with its packages. "A sketch of a {}" says that a picture is a sketch; which thing it shows
is read no better for it: features of all sketches lie near one mean, and a name whose text has more of that mean than
others gets most of them. The word learns to take each name's part of the mean away, and to put the same amount in its
place.
"""

from __future__ import annotations

import json
import os
from random import Random

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from contexts import arguments, kinds_of
from files import load, save
from kinds import KINDS
from open_clip import IMAGENET_CLASSNAMES
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer
from text_encoder import encode
from torch import Tensor
from torch.nn import functional as F

WORD = "outline"
FORMS = ("an * of a {}", "an * drawing of a {}", "an * of the {}", "* of a {}")
STEPS, NAMES, PICTURES, RATE = 350, 64, 256, 0.1
STRENGTH = 2.0
"""Length of the step towards the mean of the sketches, from a name's feature, which is 1."""
TOWARDS = 3.0
"""Weight of 1 - cosine with the target, beside how far the scores of names on sketches are from their targets'."""


def teach(model: CLIP, sketches: Tensor, tokenizer: SimpleTokenizer, steps: int = STEPS) -> None:
    """Change the embedding of the word in place.

    Args:
        sketches: (n, D) features of unit norm.
    """
    mean = F.normalize(sketches.mean(dim=0), dim=0)
    reach = torch.linalg.svd(model.text_projection, full_matrices=False).Vh
    with torch.no_grad():
        names = F.normalize(encode(model, tokenizer([f"A photo of a {name}" for name in IMAGENET_CLASSNAMES])), dim=1)
    even = names - (names @ mean)[:, None] * mean
    targets = F.normalize(even + STRENGTH * F.normalize(mean @ reach.T @ reach, dim=0), dim=1)
    word = torch.tensor(tokenizer.encode(WORD))
    row = torch.nn.Parameter(model.token_embedding.weight[word].clone())
    optimizer = torch.optim.Adam([row], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    draw = Random(0)
    for step in range(steps):
        drawn = draw.sample(range(len(names)), NAMES)
        said = [draw.choice(FORMS).replace("*", WORD).format(IMAGENET_CLASSNAMES[number]) for number in drawn]
        table = model.token_embedding.weight.index_copy(0, word, row)
        texts = F.normalize(encode(model, tokenizer(said), table), dim=1)
        seen = sketches[draw.sample(range(len(sketches)), PICTURES)]
        # What is the same for all names decides nothing.
        got, wanted = (
            cosines - cosines.mean(dim=1, keepdim=True) for cosines in (seen @ texts.T, seen @ targets[drawn].T)
        )
        differs = (got - wanted).square().mean() / wanted.square().mean()
        away = 1 - (texts * targets[drawn]).sum(dim=1).mean()
        loss = differs + TOWARDS * away
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % 50 == 0:
            print(f"step {step + 1}: {differs.item():.2f} of the scores' variance, {away.item():.2f} away", flush=True)
    model.token_embedding.weight[word] = row.detach()


def main() -> None:
    options = arguments(__doc__)
    config = json.loads((options.folder / "config.json").read_text(encoding="utf-8"))
    model = load(options.folder)
    tokenizer = SimpleTokenizer(context_length=config["model_cfg"]["text_cfg"]["context_length"])
    _, made = kinds_of(model, options.work, options.stamps, options.backgrounds, config["trunk"]["output_stride"])
    teach(model, F.normalize(made[list(KINDS).index("sketch")], dim=1), tokenizer)
    save(model.state_dict(), options.folder)  # what was read in half precision comes back as it was


if __name__ == "__main__":
    main()
