"""The benchmark of maps on pictures and maps whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from benchmarks.maps import __main__ as command
from benchmarks.maps.figures import TOP, Hit, Hits, hit_of, hits, pooled
from benchmarks.maps.games import Board, area, games, played, points
from benchmarks.maps.pictures import SIDE, Corpus, CutOut, Picture, cut_out, pictures, sample_corpus, scenes
from benchmarks.maps.tables import AT, gains
from benchmarks.maps.ways import (
    CAM,
    CENTRE,
    COLOUR,
    EDGES,
    GRAD_CAM,
    OURS,
    Look,
    blind_maps,
    cells,
    grad_cam,
    looks_at,
    maps_of,
)
from gallop import GalLoPClassifier, load_backbone
from gallop.features.encoding import ImageFeatures
from tests.tiny import vit

GRID = (14, 14)


def thing(colour: tuple[int, int, int], name: str, height: int = 40, width: int = 60) -> CutOut:
    pixels = np.full((height, width, 3), colour, dtype=np.uint8)
    return CutOut(pixels, np.ones((height, width), dtype=bool), name, Path(f"{name}.png"))


@pytest.fixture
def corpus() -> Corpus:
    return Corpus("two things", (thing((250, 0, 0), "red"), thing((0, 0, 250), "blue")), None)


@pytest.fixture
def grey(tmp_path: Path) -> list[Path]:
    Image.new("RGB", (300, 260), (128, 128, 128)).save(tmp_path / "grey.png")
    return scenes(tmp_path)


@pytest.mark.parametrize("share", [0.04, 0.08, 0.16])
@pytest.mark.parametrize("second", [False, True])
def test_things_cover_what_they_should_and_stand_beside_each_other(
    corpus: Corpus, grey: list[Path], share: float, second: bool
) -> None:
    found = list(pictures(corpus, grey, share, second=second, draws=3))
    assert [picture.name for picture in found] == ["red"] * 3 + ["blue"] * 3
    alone = next(pictures(corpus, grey, share, second=False, draws=3))
    assert np.array_equal(alone.cover, found[0].cover), "a second thing moves nothing"
    again = next(pictures(corpus, grey, share, second=second, draws=3))
    assert np.array_equal(np.asarray(again.image), np.asarray(found[0].image))
    for picture in found:
        assert picture.image.size == (SIDE, SIDE)
        assert picture.cover.mean() == pytest.approx(share, rel=0.05)
        own, pixels = (255, 0, 0) if picture.name == "red" else (0, 0, 255), np.asarray(picture.image).astype(int)
        assert np.abs(pixels[picture.cover == 1] - own).max() < 10
        nothing = picture.cover == 0
        assert (picture.other is not None) is second
        if picture.other is not None:
            assert picture.other.mean() == pytest.approx(share, rel=0.05)
            assert (picture.other * picture.cover).max() == 0
            nothing &= picture.other == 0
        assert np.abs(pixels[nothing] - 128).max() < 10


def test_a_thing_on_even_ground_is_cut_out_with_its_holes_and_another_photo_is_not(tmp_path: Path) -> None:
    image = Image.new("RGB", (120, 100), "white")
    ImageDraw.Draw(image).ellipse((30, 20, 90, 80), outline="black", width=12)
    image.save(tmp_path / "ring.png")
    found = cut_out(tmp_path / "ring.png", "ring")
    assert found is not None
    assert found.mask.shape == pytest.approx((61, 61), abs=2)
    assert found.mask[30, 30]
    noise = np.random.default_rng(0).integers(0, 255, (100, 120, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    assert cut_out(tmp_path / "noise.png", "noise") is None


def picture_of(cover: np.ndarray, other: np.ndarray | None = None) -> Picture:
    return Picture(Image.new("RGB", (SIDE, SIDE)), cover, other, "red", Path("a"))


def test_hits_are_counted_by_the_area_of_regions() -> None:
    cover, other = np.zeros((SIDE, SIDE)), np.zeros((SIDE, SIDE))
    side = SIDE // GRID[0]
    cover[: 2 * side, : 7 * side // 2] = 1  # two rows of three regions and a half: eight, of which two by half
    other[-side:, -side:] = 1
    scores = -np.arange(196.0).reshape(GRID)
    found = hit_of(scores, picture_of(cover, other))
    assert found == Hit(best=1.0, top=4 / TOP, other=0.0)
    assert hit_of(-scores, picture_of(cover, other)) == Hit(best=0.0, top=0.0, other=1.0)
    fine = np.kron(scores, np.ones((2, 2)))
    np.testing.assert_allclose(pooled(fine, GRID), scores)
    assert cells(cover, GRID).sum() == pytest.approx(7)


def test_blind_maps_find_what_they_look_for() -> None:
    pixels = np.full((SIDE, SIDE, 3), 90, dtype=np.uint8)
    side = SIDE // GRID[0]
    pixels[side : 2 * side, 10 * side : 11 * side] = (200, 0, 0)  # one region: row 1, column 10
    pixels[10 * side : 11 * side, ::4] = 120  # stripes in row 10
    picture = Picture(Image.fromarray(pixels), np.zeros((SIDE, SIDE)), None, "red", Path("a"))
    looks = looks_at(load_backbone("mini", device="cpu"), picture, [2])
    found = dict(blind_maps(picture, looks))
    assert np.unravel_index(found[COLOUR].argmax(), GRID) == (1, 10)
    assert found[EDGES].mean(axis=1).argmax() == 10
    assert found[f"{EDGES}, detail 2"].mean(axis=1).argmax() in (20, 21)
    assert found[CENTRE].max() == found[CENTRE][6:8, 6:8].min()


@pytest.mark.parametrize("tower", ["trunk", "vit"])
def test_the_models_own_map_is_what_the_app_shows_and_the_tower_gives_the_others(
    corpus: Corpus, grey: list[Path], tower: str
) -> None:
    backbone = load_backbone("mini", device="cpu") if tower == "trunk" else vit()
    classifier = GalLoPClassifier(backbone, cache=False).zero_shot(corpus.names)
    picture = next(pictures(corpus, grey, 0.16, second=True, draws=1))
    found = dict(maps_of(classifier, picture, looks_at(backbone, picture, [1, 2])))
    for way, detail in ((OURS, 1), (f"{OURS}, detail 2", 2)):
        shown = classifier.set_detail(detail, "maps").explain(picture.image)
        wanted = np.mean([shown.region_scores("red", n) for n in range(4)], axis=0)
        np.testing.assert_allclose(found[way], wanted, atol=1e-6)
        assert {scores.shape for name, scores in found.items() if ("detail" in name) == (detail == 2)} == {shown.grid}
    assert found[GRAD_CAM].min() >= 0
    closer = {name.removesuffix(", detail 2") for name in found if "detail" in name}
    assert closer == ({OURS, GRAD_CAM} if tower == "trunk" else {OURS}), "windows have a layer each"


@pytest.mark.parametrize("tower", ["trunk", "vit"])
def test_grad_cam_is_the_gradient_of_the_score(tower: str) -> None:
    """Where the global feature is the mean of the regions, without damping: by differences of the score itself."""
    backbone = load_backbone("mini", device="cpu") if tower == "trunk" else vit()
    classifier = GalLoPClassifier(backbone, cache=False).zero_shot(["red", "blue"])
    model, text = classifier.model_, classifier.text_features()
    pixels = torch.rand(1, 3, *[backbone.preprocess.size] * 2, generator=torch.Generator().manual_seed(0))
    look = Look(1, backbone.vision.grid, pixels, ImageFeatures(*backbone.encode_image(pixels)))
    found = grad_cam(model, text, look, 1)
    assert found is not None
    assert found.shape == (backbone.vision.grid[0] * backbone.vision.grid[1],)
    if tower == "vit":
        return
    regions = backbone.encode_image(pixels)[1].double()

    def score(values: torch.Tensor) -> float:
        whole = ImageFeatures(values.mean(dim=1).float(), values[:, :1].float())
        return float(model.similarities(whole, text).global_[0, 1].mean())

    step = 20.0
    moved = torch.stack([torch.nn.functional.one_hot(torch.tensor(d), regions.shape[-1]) * step for d in range(12)])
    slope = [(score(regions + each) - score(regions - each)) / (2 * step) for each in moved]
    gradient = torch.autograd.functional.jacobian(
        lambda whole: model.similarities(ImageFeatures(whole, regions[:, :1].float()), text).global_[0, 1].mean(),
        regions.mean(dim=1).float(),
    )[0]
    np.testing.assert_allclose(slope, gradient[:12], rtol=0.1, atol=1e-5)
    wanted = (regions[0] @ gradient.double() / regions.shape[1]).clamp_min(0)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-6)


def test_games_have_their_ends_and_areas(corpus: Corpus, grey: list[Path]) -> None:
    assert points(196).tolist()[0] == 0
    assert points(196).tolist()[-1] == 196
    assert area([0.0, 1.0], np.array([0.0, 1.0])) == pytest.approx(0.5)
    classifier = GalLoPClassifier(vit(), cache=False).zero_shot(corpus.names)
    picture = next(pictures(corpus, grey, 0.16, second=True, draws=1))
    board = Board(classifier, picture)
    count = vit().vision.grid[0] * vit().vision.grid[1]
    nothing, whole = board.scores(torch.stack([torch.zeros(count), torch.ones(count)]))
    own = classifier.explain(picture.image).similarities.logits(classifier.model_.config.topk)[0, 1]
    assert classifier.classes_.tolist() == ["blue", "red"]
    assert whole == pytest.approx(float(own), abs=1e-5)
    order = np.arange(count)
    deletion, insertion = played(board, order, nothing, whole)
    back_deletion, back_insertion = played(board, order[::-1], nothing, whole)
    assert min(nothing, whole) - 1 < deletion < max(nothing, whole) + 1
    assert {round(v, 9) for v in (deletion, insertion)} != {round(v, 9) for v in (back_deletion, back_insertion)}
    assert set(games(classifier, [picture])) >= {OURS, CAM, GRAD_CAM, CENTRE, "chance"}


def test_errors_are_over_things_and_chance_is_what_they_cover(corpus: Corpus, grey: list[Path]) -> None:
    classifier = GalLoPClassifier(vit(), cache=False).zero_shot(corpus.names)
    shown = list(pictures(corpus, grey, 0.16, second=False, draws=2))
    found = hits({"a": classifier, "b": classifier}, shown, [2])
    assert found["a"].keys() == found["b"].keys() >= {OURS, f"{OURS}, detail 2", f"{OURS}, detail 2, pooled"}
    assert found["a"]["chance"].figures[0].mean == pytest.approx(0.16, abs=0.05)
    single = [hits({"a": classifier}, shown[i : i + 1])["a"][OURS].each[0] for i in range(4)]
    each = found["a"][OURS].each
    np.testing.assert_allclose(each, [(single[0] + single[1]) / 2, (single[2] + single[3]) / 2])
    np.testing.assert_allclose(found["b"][OURS].figures[1].error, abs(each[0, 1] - each[1, 1]) / 2, atol=1e-12)


def test_gains_are_of_the_same_things() -> None:
    """Two things of which one is hit twice as often with a second look, and the other as often: 25 points, give or take
    as many."""
    one, two = Hits(np.array([[0.5, 0.2, 0], [0.5, 0.2, 0]])), Hits(np.array([[1.0, 0.2, 0], [0.5, 0.3, 0]]))
    ways = {OURS: one, f"{OURS}, detail 2": two, f"{OURS}, detail 2, pooled": one}
    found = gains({"zero-shot": {(AT, False): ways}, "taught": {(AT, False): {**ways, OURS: two}}}, [2])
    assert "| zero-shot: detail 2 over one look | +25 ± 25 | +5 ± 5 |" in found
    assert "| zero-shot: detail 2, pooled over one look | +0 ± 0 | +0 ± 0 |" in found
    assert "| taught: detail 2 over one look | +0 ± 0 | +0 ± 0 |" in found
    assert "| taught over zero-shot: one look | +25 ± 25 | +5 ± 5 |" in found
    assert gains({"zero-shot": {(16, False): ways}}, [2]) == ""


def test_the_sample_has_things_to_cut_out_and_scenes_come_with_packages() -> None:
    corpus = sample_corpus()
    assert len(corpus.things) == 24
    assert corpus.train is not None
    assert corpus.names == ("candle", "mug", "teapot", "vase")
    assert len(corpus.train) == 32
    assert all(0.2 < thing.mask.mean() <= 1 for thing in corpus.things)
    assert len(scenes(None)) >= 6


def test_the_command_writes_a_table_and_pictures(
    corpus: Corpus,
    grey: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"before\n{command.BEGIN}\nold\n{command.END}\nafter\n")
    monkeypatch.setattr(command, "README", page)
    monkeypatch.setattr(command, "PLOT", tmp_path / "maps.webp")
    monkeypatch.setattr(command, "sample_corpus", lambda: corpus)
    monkeypatch.setattr(command, "load_backbone", lambda name: vit())
    monkeypatch.setattr(command, "REGION_KINDS", ("value", "query-query"))
    words = ["maps", "--scenes", str(tmp_path), "--sizes", "8", "--draws", "1", "--games", "1", "--write"]
    monkeypatch.setattr("sys.argv", words)
    command.main()
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert text.count(f"| {OURS} |") == 2, "a table a kind of regions; nothing to learn from"
    assert text.count(f"| {OURS}, detail 1.5, pooled |") == text.count(f"| {OURS}, detail 2, pooled |") == 2
    assert text.count("zero-shot: detail 2 over one look") == 2
    assert "8 %, beside another" in text
    assert f"| {OURS} |" in capsys.readouterr().out
    assert Image.open(tmp_path / "maps.webp").width > 200
