"""Teach `mini` kinds of picture: words such as *sketch*, *blurry* and *several* get new token embeddings.

    sudo apt-get install tuxpaint-stamps-default mate-backgrounds
    python contexts.py [FOLDER] --work /some/scratch/folder

The text encoder of build.py is taught that every form of speech means the same, so no context says anything. Here a
kind's word learns to move the text feature of a name as photos of things move when they are made into pictures of that
kind (kinds.py). Every other weight stays as it is, bit for bit, and with them the features of all texts without these
words and of all images.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from random import Random

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import timm
import torch
from files import load, save
from kinds import KINDS, photos
from open_clip import IMAGENET_CLASSNAMES
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image
from safetensors.torch import load_file, save_file
from text_encoder import encode
from torch import Tensor
from torch.nn import functional as F

WORDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sketch": (("sketch", "drawing", "doodle"), ("a * of a {}", "a * of the {}", "* of {}", "{} *")),
    "black and white": (
        ("monochrome", "greyscale", "grayscale"),
        ("a * photo of a {}", "a * picture of the {}", "* photo of {}", "a * {}"),
    ),
    "blurry": (
        ("blurry", "blurred", "blur"),
        ("a * photo of a {}", "a * picture of the {}", "* photo of {}", "a * {}", "a * of a {}"),
    ),
    "close-up": (
        ("close", "closeup", "macro"),
        ("a * photo of a {}", "a * of a {}", "* photo of the {}", "a *-up photo of a {}", "a *-up of {}"),
    ),
    "far away": (
        ("far", "distant"),
        ("a * photo of a {}", "a * {}", "a photo of a {} * away", "a photo of a * {}"),
    ),
    "dark": (("dark", "dim", "gloomy"), ("a * photo of a {}", "a * picture of the {}", "* photo of {}")),
    "poster": (("poster", "cartoon"), ("a * of a {}", "a * of the {}", "* of {}", "{} *")),
    "several": (("several", "many", "multiple", "numerous"), ("a photo of * {}", "* {}", "a picture of * {}")),
}
"""Of each kind the words that get new embeddings, and the sentences to teach them in, the name at ``{}``."""
STEPS, NAMES, RATE = 500, 32, 0.05
STRENGTH = 1.0
"""Length of the step from a name's feature, which is 1, towards the kind."""
PARTING, SCALE, KEEPING = 0.3, 20.0, 0.25
"""Weights in the loss of telling the kinds apart (with a logit scale) and of staying near the name."""
_NOISE = 3e-4
"""Added to the variances of how photos move, which are known from some hundred photos alone."""


@torch.no_grad()
def image_features(model: CLIP, pictures: list[Image.Image], stride: int) -> Tensor:
    """Features (n, D) of unit norm, of whole pictures at the model's size."""
    trunk = timm.create_model("tf_efficientnet_lite0", num_classes=0, output_stride=stride).eval()
    trunk.load_state_dict(model.visual.trunk.state_dict())
    side, parts = model.visual.image_size[0], []
    for first in range(0, len(pictures), 32):
        sized = [picture.resize((side, side), Image.Resampling.BICUBIC) for picture in pictures[first : first + 32]]
        pixels = torch.from_numpy(np.stack(sized)).permute(0, 3, 1, 2).float() / 127.5 - 1
        parts.append(model.visual.head.proj(trunk.forward_features(pixels).mean(dim=(2, 3))))
    return F.normalize(torch.cat(parts), dim=1)


def kinds_of(model: CLIP, work: Path, stamps: Path, backgrounds: Path, stride: int) -> tuple[Tensor, Tensor]:
    """Features (n, D) of photos and (kinds, n, D) of the pictures made of them; saved in ``work``."""
    path = work / "kinds.safetensors"
    if not path.is_file():
        if not (stamps.is_dir() and backgrounds.is_dir()):
            raise SystemExit("Photos are missing: sudo apt-get install tuxpaint-stamps-default mate-backgrounds")
        every = [photo for seed in (0, 1) for photo in photos(stamps, backgrounds, seed)]
        made = {"plain": image_features(model, every, stride)}
        for name, make in KINDS.items():
            pictures = [make(photo, Random(f"{name} {number}")) for number, photo in enumerate(every)]
            made[name] = image_features(model, pictures, stride)
            print(f"{name}: {len(every)} pictures", flush=True)
        save_file(made, path)
    made = load_file(path)
    return made["plain"], torch.stack([made[name] for name in KINDS])


def directions(plain: Tensor, made: Tensor, reach: Tensor) -> Tensor:
    """The direction (kinds, D), of unit length and within ``reach`` (T, D), that tells each kind from all kinds.

    Fisher's: the mean of a kind less that of all, by the covariance of how photos move when they are made into kinds.
    """
    moved = (made - plain) @ reach.T
    within = (moved - moved.mean(dim=1, keepdim=True)).flatten(0, 1)
    spread = within.T @ within / len(within) + _NOISE * torch.eye(len(reach))
    means = made.mean(dim=1) @ reach.T
    return F.normalize(torch.linalg.solve(spread, (means - means.mean(dim=0)).T).T @ reach, dim=1)


def word_tokens(tokenizer: SimpleTokenizer) -> Tensor:
    """The number of the first token of every word."""
    return torch.tensor(sorted({tokenizer.encode(word)[0] for words, _ in WORDS.values() for word in words}))


def sentences(names: list[str], draw: Random) -> list[str]:
    """A sentence for each name and kind, kinds within names."""
    return [
        draw.choice(forms).replace("*", draw.choice(words)).replace("{}", name)
        for name in names
        for words, forms in WORDS.values()
    ]


def teach(model: CLIP, plain: Tensor, made: Tensor, tokenizer: SimpleTokenizer, steps: int = STEPS) -> None:
    """Change the embeddings of the words in place.

    The loss of a text is 1 - cosine with its target, the name's feature and a step towards the kind; a little of
    choosing among the kinds' texts of one name the right one for a picture, whatever it shows; and of 1 - cosine with
    the name.
    """
    reach = torch.linalg.svd(model.text_projection, full_matrices=False).Vh
    steps_to = STRENGTH * directions(plain, made, reach)
    with torch.no_grad():
        names = encode(model, tokenizer([f"A photo of a {name}" for name in IMAGENET_CLASSNAMES]))
    words = word_tokens(tokenizer)
    rows = torch.nn.Parameter(model.token_embedding.weight[words].clone())
    optimizer = torch.optim.Adam([rows], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    draw, kinds = Random(0), len(made)
    for step in range(steps):
        drawn = draw.sample(range(len(names)), NAMES)
        tokens = tokenizer(sentences([IMAGENET_CLASSNAMES[number] for number in drawn], draw))
        table = model.token_embedding.weight.index_copy(0, words, rows)
        texts = encode(model, tokens, table).view(NAMES, kinds, -1)
        plainly = names[drawn][:, None]
        target = F.normalize(plainly + steps_to, dim=2)
        seen = torch.stack([made[kind, draw.sample(range(made.shape[1]), NAMES)] for kind in range(kinds)], dim=1)
        choice = SCALE * torch.einsum("nid,njd->nij", seen, texts)
        parting = F.cross_entropy(choice.flatten(0, 1), torch.arange(kinds).repeat(NAMES))
        away, kept = (1 - (texts * other).sum(dim=2).mean() for other in (target, plainly))
        loss = away + PARTING * parting + KEEPING * kept
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % 50 == 0:
            right = (choice.argmax(dim=2) == torch.arange(kinds)).float().mean()
            print(f"step {step + 1}: {right:.0%} of kinds, cosine with the name {1 - kept.item():.2f}", flush=True)
    model.token_embedding.weight[words] = rows.detach()


def arguments(about: str) -> argparse.Namespace:
    """Parse the options of a script that teaches words, and make its work folder."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument(
        "folder", type=Path, nargs="?", default=Path(__file__).parent, help="the model, changed in place"
    )
    parser.add_argument("--work", type=Path, required=True, help="folder for features that the next call can use again")
    parser.add_argument("--stamps", type=Path, default=Path("/usr/share/tuxpaint/stamps"))
    parser.add_argument("--backgrounds", type=Path, default=Path("/usr/share/backgrounds/mate"))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    return options


def main() -> None:
    options = arguments(__doc__)
    config = json.loads((options.folder / "config.json").read_text(encoding="utf-8"))
    model, tokenizer = (
        load(options.folder),
        SimpleTokenizer(context_length=config["model_cfg"]["text_cfg"]["context_length"]),
    )
    plain, made = kinds_of(model, options.work, options.stamps, options.backgrounds, config["trunk"]["output_stride"])
    teach(model, plain, made, tokenizer)
    save(model.state_dict(), options.folder)  # what was read in half precision comes back as it was


if __name__ == "__main__":
    main()
