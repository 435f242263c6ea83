"""What people do wrong, and the sentence that each gets: it names the thing, and says the way out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from gallop import GalLoPClassifier, MethodConfig, load_backbone, read_folder
from gallop.errors import GallopError
from gallop.features.encoding import ImageFeatures, encode_sources
from gallop.model.prompted import PromptModel, Prompts
from tests.tiny import classifier, picture, write_folder


@dataclass(frozen=True)
class Place:
    """A folder of two classes, lists of its files, and a model that knows them."""

    root: Path
    paths: list[str]
    names: list[str]
    model: GalLoPClassifier

    @property
    def elsewhere(self) -> Path:
        return self.root.parent

    def broken(self) -> Path:
        path = self.elsewhere / "broken.png"
        path.write_bytes(Path(self.paths[0]).read_bytes()[:60])
        return path

    def csv(self, *lines: str, encoding: str = "utf-8") -> Path:
        path = self.elsewhere / "table.csv"
        path.write_bytes("\n".join(lines).encode(encoding))
        return path

    def frame(self, **columns: Any) -> Any:
        pandas = pytest.importorskip("pandas", reason="needs the extra 'app'")
        return pandas.DataFrame({"path": self.paths, "label": self.names} | columns)

    def folder(self, name: str) -> Path:
        path = self.elsewhere / name
        path.mkdir(exist_ok=True)
        return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = write_folder(tmp_path_factory.mktemp("misuse") / "photos", {"green": 3, "red": 3})
    data = read_folder(root)
    return Place(root, [str(path) for path in data.paths], data.names, classifier().zero_shot(["green", "red"]))


class Rows(torch.utils.data.Dataset[Any]):
    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


class Endless(torch.utils.data.Dataset[Any]):
    def __getitem__(self, index: int) -> Any:
        return picture(index), "green"


class Stream(torch.utils.data.IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(())


def fit(*given: Any, class_names: Any = None, **settings: Any) -> Any:
    return classifier(epochs=1, **settings).fit(*given, class_names=class_names)


def too_high(p: Place) -> Any:
    write_folder(p.folder("high") / "train" / "photos", {"green": 1, "red": 1})
    return fit(p.elsewhere / "high" / "train")


def an_empty_class(p: Place, **settings: Any) -> Any:
    write_folder(p.folder("holes"), {"green": 2, "red": 2})
    (p.elsewhere / "holes" / "blue").mkdir(exist_ok=True)
    return fit(p.elsewhere / "holes", **settings)


def features(p: Place) -> ImageFeatures:
    return next(encode_sources(p.model.model_.backbone, p.paths[:2]))


def narrow(p: Place) -> ImageFeatures:
    found = features(p)
    return ImageFeatures(found.global_, found.regions[..., :5])


def other_prompts(p: Place) -> Any:
    model = p.model.model_
    prompts = Prompts(torch.zeros(4, model.backbone.text.width), MethodConfig(3, (5,)), model.backbone)
    return PromptModel(model.backbone, model.class_names, model.config, prompts)


MISUSES: list[tuple[str, Callable[[Place], Any], str, str]] = [
    # --- what fit is given: what somebody does, the call, what the sentence names, the way out that it says
    ("nothing", lambda p: fit(None), r"nothing \(None\)", "Pass their class names"),
    ("a number", lambda p: fit(3), "an int", "a folder of class folders"),
    ("a path that is not there", lambda p: fit("photoss"), "photoss is not a folder", "one folder of images for each"),
    ("a photo for a folder", lambda p: fit(p.paths[0]), r"0\.png is not a folder", "Use a folder that contains"),
    ("an empty folder", lambda p: fit(p.folder("empty")), "empty contains no class folders", "a separate folder"),
    (
        "a folder without classes",
        lambda p: fit(p.root / "red"),
        "red contains no class folders",
        "a separate folder",
    ),
    ("a folder above the right one", too_high, r"photos contains folders", r"Use the folder .*perhaps .*photos"),
    ("a class without images", an_empty_class, "'blue' has no images", "Add images, or remove the class"),
    (
        "none of its shots",
        lambda p: an_empty_class(p, shots=2),
        "'blue' has no images",
        "Add images, or remove the class",
    ),
    ("one class", lambda p: fit({"red": p.paths[3:]}), "one class, 'red'", "use zero_shot"),
    ("images without labels", lambda p: fit(p.paths), "without labels", "class names too, or .*DataFrame"),
    ("shots without labels", lambda p: fit(p.paths, shots=2), "without labels", "class names too, or .*DataFrame"),
    (
        "a Series without labels",
        lambda p: fit(p.frame()["path"]),
        "a Series",
        "class names too, or .*columns image and label",
    ),
    ("labels of another length", lambda p: fit(p.paths, p.names[1:]), "6 images and 5 labels", "one label for each"),
    ("one text for all labels", lambda p: fit(p.paths, "red"), "6 images and 1 labels", "one label for each"),
    (
        "a label that is NaN",
        lambda p: fit(p.paths, [float("nan"), *p.names[1:]]),
        "Label 1 of 6 is missing",
        "leave the",
    ),
    ("a label that is None", lambda p: fit(p.paths, [*p.names[:5], None]), "Label 6 of 6 is missing", "class name"),
    ("numbers without names", lambda p: fit(p.paths, [0, 0, 0, 1, 1, 1]), "the number 0", r"class_names=\[\.\.\.\]"),
    (
        "a number beyond the names",
        lambda p: fit(p.paths, [0, 0, 0, 1, 1, 2], class_names=["green", "red"]),
        "Label 6 of 6 is the number 2",
        "Add the missing name",
    ),
    (
        "labels with fractions",
        lambda p: fit(p.paths, np.arange(6) / 4 + 0.5),
        "Label 1 of 6 is 0.5",
        "Use class names",
    ),
    ("true and false for labels", lambda p: fit(p.paths, [True] * 6), "Label 1 of 6 is True", "Use class names"),
    ("labels in a dict", lambda p: fit(p.paths, {"a": 1}), "a dict", "a list of class names"),
    ("labels in a set", lambda p: fit(p.paths, set(p.names)), "A set has no order", "Pass a list"),
    ("a number for labels", lambda p: fit(p.paths, 7), "an int", "a list of class names"),
    (
        "one text for class_names",
        lambda p: fit(p.paths, p.names, class_names="green, red"),
        "must be a list",
        "parse_names",
    ),
    (
        "class_names with a double",
        lambda p: fit(p.paths, p.names, class_names=["red", "Red"]),
        "'red' and 'Red'",
        "Rename",
    ),
    (
        "class_names without images",
        lambda p: fit(p.root, class_names=["red", "green", "blue"]),
        "classes without images: blue",
        "Add images, or correct class_names",
    ),
    (
        "class_names that leave one out",
        lambda p: fit(p.paths, p.names, class_names=["red", "x"]),
        "green",
        "Add the missing names",
    ),
    ("labels that differ in case", lambda p: fit(p.paths[2:4], ["cat", "Cat"]), "'cat' and 'Cat'", "Rename one"),
    ("a label of spaces", lambda p: fit(p.paths[2:4], ["cat", "  "]), "'  ' has no visible", "Add a word"),
    (
        "one picture in two classes",
        lambda p: fit([p.paths[0], p.paths[0], p.paths[4]], ["green", "red", "red"]),
        "labelled 'green' and 'red'",
        "Remove one",
    ),
    (
        "a folder with labels beside it",
        lambda p: fit(p.root, p.names),
        "A folder already contains class names",
        "Leave out the labels argument",
    ),
    ("an empty dict", lambda p: fit({}), "dict is empty", "maps each class name"),
    (
        "a dict with an empty class",
        lambda p: fit({"a": p.paths, "b": []}),
        "'b' has no images",
        "Add some, or remove the class",
    ),
    (
        "a broken picture",
        lambda p: fit([p.broken(), *p.paths], ["red", *p.names]),
        r"broken\.png",
        "use another copy|again",
    ),
    (
        "a DataLoader",
        lambda p: fit(torch.utils.data.DataLoader(Rows([1]))),
        "a DataLoader",
        r"its data set \(\.dataset\)",
    ),
    ("a stream", lambda p: fit(Stream()), "a Stream", "loaded completely"),
    ("rows without a number of them", lambda p: fit(Endless()), "an Endless", "came without labels"),
    (
        "a data set of images alone",
        lambda p: fit(Rows([picture(0)])),
        "Row 0 of the Rows",
        r"must be a pair \(image, label\)",
    ),
    (
        "a data set of unknown numbers",
        lambda p: fit(Rows([(picture(0), 0)])),
        "The Rows, row 0: the label is the",
        "class_names=",
    ),
    ("an empty data set", lambda p: fit(Rows([])), "The Rows has no rows", "one row for each image"),
    # --- tables
    (
        "a DataFrame without labels",
        lambda p: fit(p.frame()[["path"]]),
        "no column of labels",
        "with the labels to label",
    ),
    (
        "a DataFrame without images",
        lambda p: fit(p.frame()[["label"]]),
        "no column of images",
        "with the images to image or path",
    ),
    ("an empty DataFrame", lambda p: fit(p.frame()[:0]), "DataFrame has no rows", "one row for each image"),
    (
        "a path that is NaN",
        lambda p: fit(p.frame(path=[None, *p.paths[1:]])),
        "row 0: the image is missing",
        "leave the row",
    ),
    (
        "a label that is NaN in a table",
        lambda p: fit(p.frame(label=[None, *p.names[1:]])),
        "row 0: the label",
        "leave the",
    ),
    (
        "a file that is not there",
        lambda p: fit(p.frame(path=["x.png", *p.paths[1:]])),
        r"row 0: the file x\.png does not exist",
        "start at",
    ),
    (
        "a CSV table that is not there",
        lambda p: fit("gone.csv"),
        r"gone\.csv does not exist",
        "Pass the path of a table",
    ),
    (
        "a CSV table of other columns",
        lambda p: fit(p.csv("file,class", "a,b")),
        "is 'file, class'",
        "columns path and label",
    ),
    (
        "a CSV table in Latin-1",
        lambda p: fit(p.csv("path,label", "a,rosé", encoding="latin-1")),
        "is not UTF-8 text",
        "Save it as",
    ),
    # --- settings
    ("more shots than there are", lambda p: fit(p.root, shots=4), "'green' has 3 images, but 4 shots", "allow fewer"),
    ("no shots", lambda p: fit(p.root, shots=0), "0 shots", "the minimum is 1"),
    ("shots in a text", lambda p: fit(p.root, shots="3"), "shots is '3'", "an integer"),
    ("k of 0", lambda p: fit(p.root, topk=(0,)), "topk", "1 or more|from 1|at least 1|positive"),
    ("less than no prompts", lambda p: fit(p.root, topk=None, local_prompts=-1), "-1", "0|whole number"),
    ("half a prompt", lambda p: fit(p.root, topk=None, local_prompts=2.5), r"2\.5", "integer"),
    ("one number for topk", lambda p: fit(p.root, topk=5), "topk is 5", "such as|list|numbers"),
    ("a text for topk", lambda p: fit(p.root, topk="5, 10"), "topk", "such as|list|numbers"),
    ("a share above 1", lambda p: fit(p.root, dropout=1.5), "dropout is 1.5", "less than 1|below 1|to 1|< 1"),
    ("epochs below 0", lambda p: fit(p.root).set_params(epochs=-1).fit(p.root), "epochs is -1", "0"),
    ("a rate that is NaN", lambda p: fit(p.root, lr=float("nan")), "lr is nan", "number|0"),
    ("a preset with a slip", lambda p: fit(p.root, preset="papre"), "papre", "paper"),
    ("a seed below 0", lambda p: fit(p.root, seed=-1), "seed is -1", "0"),
    ("a text for the method", lambda p: fit(p.root, method="paper"), "'paper'", "MethodConfig"),
    ("a kind of regions with a slip", lambda p: load_backbone(regions="valu"), "valu", "value"),
    ("a backbone with a slip", lambda p: load_backbone("minni"), "'minni'", "mini"),
    ("weights that nobody has", lambda p: load_backbone("RN50/opnai"), "opnai", "openai"),
    ("a device that is none", lambda p: load_backbone(device="gpu"), "gpu", "cuda|cpu"),
    ("a setting with a slip", lambda p: classifier().set_params(epoch=3), "epoch", "Valid parameters|valid"),
    # --- asking
    (
        "before fitting",
        lambda p: classifier().predict(p.paths),
        "GalLoPClassifier has no classes yet",
        "call fit, zero_shot",
    ),
    ("no image", lambda p: p.model.predict([]), "No images", "at least one"),
    (
        "features of another backbone",
        lambda p: p.model.predict_all(narrow(p)),
        r"\(16, 5\) for its regions",
        "with that backbone",
    ),
    (
        "a mask for dropout",
        lambda p: p.model.model_.loss(features(p), torch.tensor([0, 1]), torch.tensor([[True, False]] * 2)),
        "torch.bool",
        r"mask\.nonzero",
    ),
    ("prompts of other settings", other_prompts, "they are 3 global and 1 local", "Omit the argument 'prompts'"),
    (
        "numbers in cross_val_score",
        lambda p: cross_val_score(classifier(epochs=1), p.paths, [0, 0, 0, 1, 1, 1], cv=3, error_score="raise"),
        "the number 0",
        r"params=\{'class_names'",
    ),
    (
        "nothing for an image",
        lambda p: p.model.predict(None),
        "nothing",
        "pass bytes, a path",
    ),  # type: ignore[arg-type]
    ("a number for an image", lambda p: p.model.predict(3), "an? int", "pass bytes, a path"),  # type: ignore[arg-type]
    ("a photo that is not there", lambda p: p.model.predict("gone.jpg"), r"gone\.jpg", "check the path"),
    (
        "an address of the web",
        lambda p: p.model.predict("https://a.b/c.jpg"),
        "c.jpg",
        "save the picture and use its path",
    ),
    (
        "a file that is no picture",
        lambda p: p.model.predict(p.csv("path,label").rename(p.elsewhere / "a.png")),
        r"a\.png",
        "JPEG|PNG",
    ),
    ("features in place of photos", lambda p: p.model.predict(np.zeros(16)), r"shape \(16,\)", r"\(H, W, 3\)"),
    ("two channels", lambda p: p.model.predict(np.zeros((8, 8, 2))), r"shape \(8, 8, 2\)", r"\(H, W, 3\)"),
    (
        "a normalised tensor",
        lambda p: p.model.predict(torch.randn(3, 8, 8) * 3),
        "outside \\[0, 1\\]",
        "scale it|uint8",
    ),
    (
        "a folder without images",
        lambda p: p.model.predict(p.folder("empty")),
        "empty contains no images",
        "Only files that end in",
    ),
    (
        "splits in place of one",
        lambda p: p.model.predict({"train": _Split([]), "val": _Split([])}),
        "no split 'test'",
        "it has train, val",
    ),
    (
        "a table of many columns",
        lambda p: p.model.predict(p.frame(x=1)[["label", "x"]]),
        "columns are label, x",
        "pass one of the columns",
    ),
    (
        "a class that it does not know",
        lambda p: p.model.score(p.paths, ["cat"] * 6),
        "the classes cat",
        "add them or leave",
    ),
    (
        "weights of another length",
        lambda p: p.model.score(p.paths, p.names, [1, 2]),
        r"shape \(2,\)",
        "one number for each",
    ),
    ("a score that there is not", lambda p: p.model.ood_score(p.paths, "MSP"), "'MSP'", "choose one of MCM"),
    # --- class lists and files
    (
        "one text for class names",
        lambda p: classifier().zero_shot("cat"),
        "must be a list, not a single string",
        "parse_names",
    ),
    ("no class names", lambda p: classifier().zero_shot([]), "No class names", "Give at least one"),
    ("a class name twice", lambda p: classifier().zero_shot(["cat", "cat"]), "'cat' and 'cat'", "Rename one"),
    ("a template without its gap", lambda p: classifier().zero_shot(["cat"], ["a photo"]), "'a photo'", "{}"),
    ("a class that is there", lambda p: p.model.add_class("Red"), "'red' and 'Red'", "Rename one"),
    (
        "a number for a class",
        lambda p: p.model.add_class(3),
        r"not int \(3\)",
        "must be text",
    ),  # type: ignore[arg-type]
    ("a folder that is no model", lambda p: GalLoPClassifier.load(p.root), "photos is not a checkpoint", "gallop.json"),
    (
        "a class that is not explained",
        lambda p: p.model.explain(p.paths[0]).regions("cat", 0),
        "'cat'",
        "its classes are",
    ),
]


class _Split(Rows):
    """As one split of Hugging Face's."""

    features: dict[str, Any] = {}  # noqa: RUF012


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("do", "named", "way_out"), [m[1:] for m in MISUSES], ids=[m[0] for m in MISUSES])
def test_a_sentence_names_it_and_the_way_out(
    do: Callable[[Place], Any], named: str, way_out: str, place: Place
) -> None:
    with pytest.raises((GallopError, ValueError, NotFittedError)) as caught:
        do(place)
    said = str(caught.value)
    assert [words for words in (named, way_out) if not re.search(words, said)] == [], said
    assert said.endswith((".", ")", "]")) or re.search(r"Did you mean [^?]+\?$", said), said
    assert len(said) < 800, said


def test_warnings_point_at_the_line_that_called(place: Place) -> None:
    model = classifier(epochs=1, topk=(99,))
    steps = model.fit_steps(place.root)
    for call in (lambda: model.fit(place.root), lambda: model.zero_shot(["green"]), lambda: list(steps)):
        with pytest.warns(UserWarning, match="topk contains 99|only class") as told:
            call()
        assert {warning.filename for warning in told} == {__file__}
