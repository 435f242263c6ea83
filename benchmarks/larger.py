"""Larger photos through an image encoder: in one pass, by windows of the encoder's input size, or with interpolated
positions.

    python -m benchmarks.larger DATA [--write]     # DATA: folder of photo sets; their train folders alone are read
    python -m benchmarks.larger DATA --backbone ViT-B-16/openai --vits

A CNN such as ``mini`` takes them in one pass; here it is shown windows too. For a ViT windows are compared with one
pass with its positional embeddings interpolated (bicubic, as open_clip's ``resize_pos_embed``). Both ways are measured
zero-shot (accuracy of the second look alone, and of the mean with the first), and for maps (best region on the thing,
and fraction of the first ten, pictures of ``benchmarks.maps`` at 8 %). ViTs of random weights show what time either
takes, and how far their features are from those of one look where both must see the same, in a photo that is repeated
two by two. Whether interpolated positions preserve an encoder's answers needs a pretrained one.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import copy
import datetime
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.choose_settings import first_classes
from benchmarks.images import load_vision
from benchmarks.maps.figures import Figure, hit_of
from benchmarks.maps.pictures import folder_corpus, pictures, sample_corpus, scenes
from benchmarks.maps.tables import AT
from benchmarks.measure import machine, seconds
from benchmarks.report import README, replace_between
from gallop import GalLoPClassifier, Photo, draw_shots, load_backbone, load_image, read_folder
from gallop.backbones import Backbone
from gallop.backbones.vision import ImageEncoder, encode_larger, scaled_grid
from gallop.backbones.vision.clip_encoders import ViTEncoder
from gallop.features.encoding import ImageFeatures
from gallop.lab.bench.photos import set_folders
from gallop.model.answers import answers

BEGIN, END = "<!-- larger: begin -->", "<!-- larger: end -->"
TIMES = 2.0
VITS = ("ViT-B-16", "ViT-B-32")


def by_windows(vision: ImageEncoder) -> ImageEncoder:
    """Return the same encoder as one that takes its input size alone."""
    encoder = copy.copy(vision)
    encoder.any_size = False
    return encoder


def with_positions(vision: ViTEncoder, times: float) -> ViTEncoder:
    """Return the same encoder with its positional embeddings interpolated for so many times the pixels a side."""
    encoder = copy.copy(vision.module)
    encoder._parameters = dict(encoder._parameters)  # all but the positions are the same tensors
    positions, (rows, columns) = encoder.positional_embedding.detach(), vision.grid
    grid = positions[1:].T.reshape(1, -1, rows, columns)
    larger = F.interpolate(grid, scaled_grid(vision.grid, times), mode="bicubic", antialias=True)
    encoder.positional_embedding = nn.Parameter(torch.cat([positions[:1], larger.flatten(2)[0].T]), requires_grad=False)
    encoder.grid_size = scaled_grid(vision.grid, times)
    return ViTEncoder(encoder, vision.region_kind)


Way = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Pixels (B, 3, H, W) at ``TIMES`` the size to global (B, D) and regions (B, R, V)."""


def ways(backbone: Backbone) -> dict[str, Way]:
    """Return the ways that an encoder has: two, but for those that windows alone are for."""
    vision, size = backbone.vision, backbone.preprocess.size
    cut = by_windows(vision)
    choices: dict[str, Way] = {"windows": lambda pixels: encode_larger(cut, size, pixels)}
    if vision.any_size:
        return {"one pass": lambda pixels: encode_larger(vision, size, pixels), **choices}
    if isinstance(vision, ViTEncoder):
        choices["interpolated positions"] = with_positions(vision, TIMES)
    return choices


@dataclass(frozen=True)
class Seen:
    """A photo at its usual size and, by each way, at ``TIMES`` the size; B = 1."""

    first: ImageFeatures
    larger: dict[str, ImageFeatures]

    @staticmethod
    def of(backbone: Backbone, photo: Photo) -> Seen:
        usual, enlarged = (backbone.preprocess.centre(photo.image, times)[0][None] for times in (1.0, TIMES))
        with torch.no_grad():
            larger = {way: ImageFeatures(*look(enlarged)) for way, look in ways(backbone).items()}
        return Seen(ImageFeatures(*backbone.encode_image(usual)), larger)


def accuracies(backbone: Backbone, data: Path, count: int) -> Iterator[str]:
    """Yield a line a set: accuracy zero-shot of the first look, and by each way of the second alone and of both."""
    totals = list[tuple[float, ...]]()
    whats = (f"{way}: {what}" for way in ways(backbone) for what in ("second look", "both"))
    cells = ("set", "photos", "one look", *whats)
    yield f"| {' | '.join(cells)} | cosine of regions |\n|---|{'---:|' * len(cells)}"
    for name, root in set_folders(data).items():
        shots = draw_shots(first_classes(read_folder(root)), count, seed=0)
        classifier = GalLoPClassifier(backbone, cache=False).zero_shot(shots.class_names)
        rows = [
            row
            for path, label in zip(shots.paths, shots.labels, strict=True)
            for row in [_right(classifier, Seen.of(backbone, load_image(path)), label)]
        ]
        means = tuple(torch.tensor(rows).mean(dim=0).tolist())
        totals.append(means)
        yield _accuracy(name, str(len(rows)), means)
    yield _accuracy("mean", "", tuple(torch.tensor(totals).mean(dim=0).tolist()))


def _accuracy(name: str, photos: str, means: Sequence[float]) -> str:
    *fractions, cosine = means
    return f"| {name} | {photos} | {' | '.join(f'{100 * fraction:.1f}' for fraction in fractions)} | {cosine:.2f} |"


@torch.no_grad()
def _right(classifier: GalLoPClassifier, seen: Seen, label: int) -> list[float]:
    """Whether each answer is right, and the mean cosine of a region by one way with that by the other."""
    model, text = classifier.model_, classifier.model_.cached_text_features()
    one, *others = (
        answers(model.maps(features, text), model.rule()).scores[0] for features in (seen.first, *seen.larger.values())
    )
    each = [one, *chain.from_iterable((other, (one + other) / 2) for other in others)]
    alike = F.cosine_similarity(*(features.regions[0] for features in seen.larger.values()), dim=-1)
    return [*(float(answer.argmax() == label) for answer in each), float(alike.mean())]


def maps(backbone: Backbone, data: Path, most: int) -> Iterator[str]:
    """Yield a line a way: how its maps hit, zero-shot."""
    backgrounds = scenes(None)
    yield f"| things alone, then beside another, {AT} % | best | top | best | top |\n|---|---:|---:|---:|---:|"
    rows_by_way: dict[str, list[list[float]]] = {}
    for corpus in (sample_corpus(), folder_corpus(data / "caltech101")):
        model = GalLoPClassifier(backbone, cache=False).zero_shot(corpus.names).model_
        both = (pictures(corpus, backgrounds, AT / 100, second=second, draws=1) for second in (False, True))
        for pair, _ in zip(zip(*both, strict=True), range(most), strict=False):
            rows: dict[str, list[float]] = {}
            for picture in pair:
                seen = Seen.of(backbone, load_image(picture.image))
                row = corpus.names.index(picture.name)
                for way, features in {"one look": seen.first, **seen.larger}.items():
                    with torch.no_grad():
                        (only,) = model.maps(features, model.cached_text_features()).looks
                    scores = only.region_cosines[0, :, row]
                    side = round(len(scores) ** 0.5)
                    hit = hit_of(scores.mean(dim=-1).reshape(side, side).double().numpy(), picture)
                    rows.setdefault(way, []).extend((hit.best, hit.top))
            for way, row_ in rows.items():
                rows_by_way.setdefault(way, []).append(row_)
    for way, each in rows_by_way.items():
        figures = [Figure.of(column) for column in torch.tensor(each).double().numpy().T]
        cells = " | ".join(f"{100 * figure.mean:.0f} ± {100 * figure.error:.0f}" for figure in figures)
        yield f"| {way} ({len(each)} pictures) | {cells} |"


def vits(names: Sequence[str], repeats: int) -> Iterator[str]:
    """Yield a line a ViT of random weights and way: its time over one look's, and what a repeated photo changes."""
    yield (
        "| backbone | way | time over one look | cosine with one look, regions | global feature |\n"
        "|---|---|---:|---:|---:|"
    )
    for name in names:
        backbone = load_vision(name)
        vision, size = backbone.vision, backbone.preprocess.size
        assert isinstance(vision, ViTEncoder)
        usual = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
        larger, looks = usual.repeat(1, 1, 2, 2), ways(backbone)
        with torch.no_grad():
            one, *taken = seconds(
                partial(vision, usual), *(partial(look, larger) for look in looks.values()), repeats=repeats
            )
            global_, regions = vision(usual)
            wanted = regions.unflatten(1, vision.grid).repeat(1, 2, 2, 1).flatten(1, 2)
            for (way, look), time in zip(looks.items(), taken, strict=True):
                yield _vit(name, way, time / one, look(larger), (global_, wanted))


def _vit(name: str, way: str, times: float, features: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]) -> str:
    global_, regions = (float(F.cosine_similarity(a, b, dim=-1).mean()) for a, b in zip(features, wanted, strict=True))
    return f"| {name} | {way} | {times:.1f} | {regions:.3f} | {global_:.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", default="mini")
    parser.add_argument("--shots", type=int, default=16, help="photos of each class")
    parser.add_argument("--most", type=int, default=100, help="pictures of each corpus")
    parser.add_argument("--vits", nargs="*", default=list(VITS), help="architectures of open_clip, with random weights")
    parser.add_argument("--repeats", type=int, default=5, help="of each time, of which the median counts")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    options = parser.parse_args()
    backbone = load_backbone(options.backbone)
    if len(ways(backbone)) < 2:
        parser.error(f"{options.backbone} has windows alone; compare a CNN or a ViT of open_clip.")
    parts = [f"{datetime.date.today().isoformat()}, {machine()}; `{options.backbone}`."]
    for lines in (
        vits(options.vits, options.repeats),
        maps(backbone, options.data, options.most),
        accuracies(backbone, options.data, options.shots),
    ):
        written = []
        for line in lines:
            print(line, flush=True)
            written.append(line)
        parts.append("\n".join(written))
        if options.write:
            replace_between(README, BEGIN, END, "\n\n".join(parts))


if __name__ == "__main__":
    main()
