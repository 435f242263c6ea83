"""Pairs whose files, tokenizers or preprocessing are not those of CLIP's own: no network, a tokenizer made here."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from gallop.backbones import Preprocess, load_backbone
from gallop.backbones.text import text_encoder
from gallop.backbones.text.causal import CausalTextEncoder
from gallop.backbones.text.plain import PlainTextEncoder
from gallop.backbones.text.tokenizers import TokenRule
from gallop.errors import ClassNameError
from tests.backbones.conftest import refused
from tests.backbones.test_encoders import TINY_VISION, draw_parameters
from tests.reference import relative_error

WORDS = ["cat", "golden retriever", "double decker bus", "axolotl"]
TEXT = {"context_length": 24, "vocab_size": 700, "width": 64, "heads": 1, "layers": 2}
BOTH_WAYS = {"no_causal_mask": True, "pool_type": "last"}
HUB = {"hf_tokenizer_name": "nobody/nothing-of-this-name"}
SIGLIP = {**TEXT, **BOTH_WAYS, **HUB, "proj_bias": True, "tokenizer_kwargs": {"clean": "canonicalize"}}
CLIPA = {**TEXT, **BOTH_WAYS, **HUB, "tokenizer_kwargs": {"strip_sep_token": True}}
WORLDWIDE = {**TEXT, **HUB, "pool_type": "eos", "eos_id": 2}
SIZES = {"embed_dim": 16, "vision_cfg": TINY_VISION}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "gallop-siglip": {**SIZES, "text_cfg": SIGLIP, "custom_text": True, "init_logit_bias": -10},
    "gallop-clipa": {**SIZES, "text_cfg": CLIPA},
    "gallop-worldwide": {**SIZES, "text_cfg": WORLDWIDE},
    "gallop-custom": {**SIZES, "text_cfg": {**TEXT, "vocab_size": 49408}, "custom_text": True},
}
pytestmark = pytest.mark.usefixtures("architectures")


def made(arch: str, folder: Path) -> tuple[Any, Path]:
    """A small model with everything drawn at random, and its file."""
    torch.manual_seed(0)
    model = open_clip.create_model(arch, pretrained=None).eval().requires_grad_(False)
    draw_parameters(model)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, folder / "w.safetensors")
    return model, folder / "w.safetensors"


# --- What stands around a text ---------------------------------------------------------------------------------------


@dataclass
class ByHand:
    """A tokenizer that knows four words; how it frames them is the test's affair."""

    rule: TokenRule

    def encode(self, text: str) -> list[int]:
        return [10 + len(word) for word in text.split()]

    def decode(self, ids: list[int]) -> str:
        return " ".join(map(str, ids))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (SIGLIP, TokenRule((), (1,), 1, frozenset({1}))),  # SigLIP pads with what ends a text
        (SIGLIP, TokenRule((), (1,), 0, frozenset({0, 1}))),  # SigLIP 2
        (CLIPA, TokenRule((101,), (0,), 0, frozenset({0, 101}))),
        (WORLDWIDE, TokenRule((0,), (2,), 1, frozenset({0, 1, 2}))),
    ],
    ids=["SigLIP", "SigLIP 2", "CLIPA", "worldwide"],
)
def test_texts_are_framed_and_padded_as_the_backbone_was_trained(text: dict[str, Any], rule: TokenRule) -> None:
    torch.manual_seed(0)
    settings = {key: text[key] for key in text.keys() - {"hf_tokenizer_name", "tokenizer_kwargs"}}
    model = open_clip.CustomTextCLIP(16, TINY_VISION, settings).eval().requires_grad_(False)
    draw_parameters(model)
    tokenizer = ByHand(rule)
    encoder = text_encoder(model.text, tokenizer)
    assert isinstance(encoder, CausalTextEncoder if text is WORLDWIDE else PlainTextEncoder)
    rows = [[*rule.before, *tokenizer.encode(word), *rule.after] for word in WORDS]
    wanted = model.encode_text(torch.tensor([[*row, *[rule.pad] * (24 - len(row))] for row in rows]))
    assert relative_error(encoder.encode_texts(WORDS), wanted) < 1e-5
    halves = [word.split(maxsplit=1) for word in WORDS if " " in word]
    learned = encoder.encode(encoder.embed(halves[0][0])[None], encoder.tokenize([halves[0][1]], context_tokens=1))
    assert relative_error(learned[0], wanted[1:2]) < 1e-5
    room = 24 - len(rule.before) - len(rule.after)
    assert len(encoder.tokenize([" ".join(["cat"] * room)], context_tokens=0)) == 1
    with pytest.raises(ClassNameError, match=f"room for only {room}"):
        encoder.tokenize([" ".join(["cat"] * (room + 1))], context_tokens=0)


# --- A tokenizer beside the weights ----------------------------------------------------------------------------------


def train_tokenizer(folder: Path, kind: str) -> None:
    """One of SentencePiece's manner with an end token, one of BERT's, and one framed on both sides."""
    pytest.importorskip("transformers", reason="needs the extra tokenizers")
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    texts = [*WORDS, "A photo of a", *open_clip.IMAGENET_CLASSNAMES[:100]]
    if kind == "gallop-clipa":
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
        inner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        inner.normalizer, inner.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
        trainer: Any = trainers.WordPieceTrainer(vocab_size=690, special_tokens=special)
        frame, names = "[CLS] $A [SEP]", {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
        names["unk_token"] = "[UNK]"
    else:
        special = ["<s>", "<pad>", "</s>", "<unk>"]
        inner = Tokenizer(models.BPE(unk_token="<unk>"))
        inner.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.BpeTrainer(vocab_size=690, special_tokens=special)
        frame = "$A </s>" if kind == "gallop-siglip" else "<s> $A </s>"
        names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    inner.train_from_iterator(texts, trainer)
    ids = [(token, inner.token_to_id(token)) for token in special]
    inner.post_processor = processors.TemplateProcessing(single=frame, special_tokens=ids)
    PreTrainedTokenizerFast(tokenizer_object=inner, **names).save_pretrained(folder)


@pytest.mark.parametrize("arch", ["gallop-siglip", "gallop-clipa", "gallop-worldwide"])
def test_a_tokenizer_beside_the_weights_is_read_as_open_clip_reads_it(arch: str, tmp_path: Path) -> None:
    train_tokenizer(tmp_path, arch)
    model, file = made(arch, tmp_path)
    ours = load_backbone(f"{arch}/{file}", device="cpu")
    options = ARCHITECTURES[arch]["text_cfg"].get("tokenizer_kwargs", {})
    theirs = open_clip.tokenizer.HFTokenizer(str(tmp_path), context_length=24, **options, local_files_only=True)
    texts = [f"A photo of a {word}" for word in WORDS]
    wanted = model.encode_text(theirs(texts))
    assert relative_error(ours.text.encode_texts(texts), wanted) < 1e-5
    context = ours.text.embed("A photo of a")
    learned = ours.text.encode(context[None], ours.text.tokenize(WORDS, context_tokens=len(context)))
    assert relative_error(learned[:, 0], wanted) < 1e-5
    pixels = torch.randn(2, 3, 32, 32)
    assert relative_error(ours.encode_image(pixels)[0], model.encode_image(pixels)) < 1e-5


def test_a_special_token_is_refused_and_an_unknown_sign_is_not(tmp_path: Path) -> None:
    train_tokenizer(tmp_path, "gallop-worldwide")
    ours = load_backbone(f"gallop-worldwide/{made('gallop-worldwide', tmp_path)[1]}", device="cpu")
    with pytest.raises(ClassNameError, match="special token"):
        ours.text.tokenize(["cat </s>"], context_tokens=1)
    assert len(ours.text.tokenize(["cat 猫"], context_tokens=1)) == 1


def test_a_broken_tokenizer_beside_the_weights_is_a_sentence(tmp_path: Path) -> None:
    train_tokenizer(tmp_path, "gallop-siglip")
    (tmp_path / "tokenizer.json").write_text("{")
    name = f"gallop-siglip/{made('gallop-siglip', tmp_path)[1]}"
    refused("tokenizer.json is damaged: it does not contain the settings of a tokenizer", name)


def test_a_file_of_weights_that_are_no_numbers_is_refused(tmp_path: Path) -> None:
    model, file = made("gallop-custom", tmp_path)
    next(model.visual.parameters()).fill_(float("nan"))
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, file)
    refused("holds weights that are not finite numbers", f"gallop-custom/{file}")


def test_a_tokenizer_that_is_not_here_may_be_downloaded_by_whoever_names_the_backbone(tmp_path: Path) -> None:
    name = f"gallop-siglip/{made('gallop-siglip', tmp_path)[1]}"
    refused(f"could not be loaded.* Or name the backbone yourself, .*backbone='{name}'", name, download=False)


def test_tokens_that_the_text_encoder_does_not_have_are_a_sentence(tmp_path: Path) -> None:
    train_tokenizer(tmp_path, "gallop-worldwide")
    name = f"gallop-worldwide/{made('gallop-worldwide', tmp_path)[1]}"
    tokens = json.loads((tmp_path / "tokenizer.json").read_text())
    vocabulary = tokens["model"]["vocab"]
    vocabulary |= dict.fromkeys((token for token in vocabulary if "x" in token), 700)
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokens))
    with pytest.raises(ClassNameError, match="special token of the text encoder, or one that it does not have"):
        load_backbone(name, device="cpu").text.tokenize(["axolotl"], context_tokens=1)
    vocabulary |= dict.fromkeys((token for token in vocabulary if "o" in token), 700)
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokens))
    refused("it has other tokens than its text encoder", name)


def test_without_the_package_the_sentence_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    says = r"needs the transformers package.*gallop-explorer\[tokenizers\]"
    refused(says, f"gallop-siglip/{made('gallop-siglip', tmp_path)[1]}")


# --- Files under older names -----------------------------------------------------------------------------------------


def test_a_clips_file_fits_the_same_backbones_apart(tmp_path: Path) -> None:
    """EVA's and ViTamin's text encoders stand in a part of their own, which files older than that do not know."""
    torch.manual_seed(0)
    old = open_clip.CLIP(16, TINY_VISION, {**TEXT, "vocab_size": 49408}).eval().requires_grad_(False)
    draw_parameters(old)
    save_file({key: value.contiguous() for key, value in old.state_dict().items()}, tmp_path / "old.safetensors")
    ours = load_backbone(f"gallop-custom/{tmp_path / 'old.safetensors'}", device="cpu")
    wanted = old.encode_text(open_clip.tokenize(WORDS, context_length=24))
    assert relative_error(ours.text.encode_texts(WORDS), wanted) < 1e-5


def test_a_scale_that_is_kept_as_a_vector_of_one_is_a_number(tmp_path: Path) -> None:
    model, file = made("gallop-custom", tmp_path)
    save_file(model.state_dict() | {"logit_scale": torch.tensor([2.0])}, file)
    assert load_backbone(f"gallop-custom/{file}", device="cpu").logit_scale == pytest.approx(torch.e**2, rel=1e-6)


# --- Preprocessing ---------------------------------------------------------------------------------------------------


def test_a_squashed_photo_has_a_key_and_a_sentence_of_its_own() -> None:
    plain, squashed = (Preprocess(64, (0.5, 0.4, 0.3), (0.5, 0.6, 0.7), squash=squash) for squash in (False, True))
    assert "squash" in squashed.key()
    assert "squash" not in plain.key()  # the key of features that were kept before there was another way
    assert "resized to 64 x 64, whatever its shape" in squashed.sentence
    assert "short side resized to 64" in plain.sentence


def test_a_file_of_any_name_has_the_preprocessing_of_all_published_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SigLIP's would be normalised as CLIP's are, and no figure would tell."""
    half: dict[str, Any] = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
    tags = {"webli": {"hf_hub": "x/y/", **half, "interpolation": "bicubic", "resize_mode": "squash"}}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "gallop-custom", tags)
    _, file = made("gallop-custom", tmp_path)
    found = load_backbone(f"gallop-custom/{file}", device="cpu").preprocess
    assert found == Preprocess(32, **half, squash=True)
    tags["other"] = {**tags["webli"], "mean": (0.1,) * 3}
    found = load_backbone(f"gallop-custom/{file}", device="cpu").preprocess
    assert (found.mean, found.squash) == (open_clip.OPENAI_DATASET_MEAN, True)


def test_a_sigmoids_bias_cancels_and_its_scale_is_the_temperatures(tmp_path: Path) -> None:
    """The order of classes is the sigmoid's; how sure the softmax is depends on the scale alone."""
    train_tokenizer(tmp_path, "gallop-siglip")
    model, file = made("gallop-siglip", tmp_path)
    ours = load_backbone(f"gallop-siglip/{file}", device="cpu")
    assert ours.sigmoid
    assert ours.logit_scale == pytest.approx(float(model.logit_scale.exp()))
    photo, texts = ours.encode_image(torch.randn(1, 3, 32, 32))[0], ours.text.encode_texts(WORDS)
    cosines = torch.nn.functional.normalize(photo, dim=-1) @ torch.nn.functional.normalize(texts, dim=-1).T
    logits, found = model.logit_scale.exp() * cosines + model.logit_bias, (ours.logit_scale * cosines).softmax(-1)
    assert torch.allclose(found, logits.softmax(dim=-1), atol=1e-6)
    assert torch.equal(logits.sigmoid().argsort(), found.argsort())
    assert not load_backbone(f"gallop-custom/{made('gallop-custom', tmp_path)[1]}", device="cpu").sigmoid
