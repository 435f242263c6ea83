"""Text to token ids: CLIP's byte pair encoding, and tokenizers of Hugging Face's (SigLIP, CLIPA, many languages)."""

from __future__ import annotations

import copyreg
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from math import prod
from pathlib import Path
from typing import Any

from gallop.backbones.allowed import CLIP_TOKENS
from gallop.backbones.weights import TOKENIZER_FILES, in_cache
from gallop.errors import BackboneError, UnsupportedBackbone, first_line
from gallop.runtime.reading import check_file, read_text

_LARGEST = 2**28
# Times as long as it was; published ones replace a few characters by one or none.
_MOST_GROWTH = 1000


@dataclass(frozen=True)
class TokenRule:
    """The tokens that surround those of a text.

    Attributes:
        before: token ids before a text, CLIP's [SOS]; some tokenizers have none.
        after: token ids behind it, CLIP's [EOT].
        pad: the token id that fills the rest of the encoder's length.
        special: token ids that no text may hold.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    pad: int
    special: frozenset[int]


def token_rule(tokenizer: Any) -> TokenRule:
    """Return the rule of a tokenizer of open_clip's, or of one that has it as ``rule``.

    Raises:
        UnsupportedBackbone: another kind of tokenizer.
    """
    if isinstance(rule := getattr(tokenizer, "rule", None), TokenRule):
        return rule
    if not hasattr(tokenizer, "sot_token_id"):
        raise UnsupportedBackbone(
            "Only CLIP's BPE tokenizer and tokenizers from the Hugging Face Hub are supported; this is a "
            f"{type(tokenizer).__name__}."
        )
    return TokenRule((tokenizer.sot_token_id,), (tokenizer.eot_token_id,), 0, frozenset(tokenizer.all_special_ids))


@cache
def clip_tokenizer() -> Any:
    """Return open_clip's ``SimpleTokenizer``, from its module alone: the package takes three seconds to load."""
    package: Any = find_spec("open_clip")  # which does not load it
    file = Path(package.submodule_search_locations[0], "tokenizer.py")
    spec: Any = spec_from_file_location("open_clip_tokenizer", file)
    module: Any = module_from_spec(spec)
    spec.loader.exec_module(module)
    # It is pickled as a call of this function: by the name of its module nothing can be imported.
    copyreg.pickle(module.SimpleTokenizer, lambda _: (clip_tokenizer, ()))
    return module._tokenizer  # the one that the module makes for itself: another would take as long again


class HubTokenizer:
    """A tokenizer of ``transformers`` in open_clip's wrapper, with the methods of CLIP's.

    Attributes:
        rule: what it puts around a text.
    """

    def __init__(self, wrapped: Any) -> None:
        self._wrapped, self._inner = wrapped, wrapped.tokenizer
        # A text with and without its special tokens: no setting of a tokenizer gives them for all kinds.
        bare = self.encode("a")
        framed: list[int] = self._inner("a").input_ids
        start = next(i for i in range(len(framed)) if framed[i : i + len(bare)] == bare)
        after = framed[start + len(bare) :]
        if self._wrapped.strip_sep_token:  # CLIPA was trained with zeros in the place of BERT's [SEP]
            after = [0 if i == self._inner.sep_token_id else i for i in after]
        self.rule = TokenRule(
            before=tuple(framed[:start]),
            after=tuple(after),
            pad=self._inner.pad_token_id,
            special=frozenset(self._inner.all_special_ids) - {self._inner.unk_token_id},
        )

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, without the tokens that surround it."""
        return list(self._inner(self._wrapped.clean_fn(text), add_special_tokens=False).input_ids)


def _check_growth(name: str, file: Path) -> None:
    """Refuse a tokenizer whose replacements, one after the other, make a text longer than any that is published.

    Raises:
        BackboneError: it does, or the file is no JSON.
    """

    def growth(part: Any) -> int:
        inside = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        content = part.get("content") if isinstance(part, dict) and part.get("type") == "Replace" else ""
        return prod(map(growth, inside), start=1 + len(content) if isinstance(content, str) else _MOST_GROWTH + 1)

    try:
        settings = json.loads(read_text(file, _LARGEST))
        grown = growth([settings.get("normalizer"), settings.get("pre_tokenizer")])
    except (ValueError, AttributeError, RecursionError) as error:
        raise BackboneError(f"{file} is damaged: it does not contain the settings of a tokenizer.") from error
    if grown > _MOST_GROWTH:
        raise BackboneError(f"The tokenizer of {name} cannot be used: its replacements make a text too long ({file}).")


def hub_tokenizer(name: str, settings: Mapping[str, Any], folder: Path, *, download: bool | None) -> HubTokenizer:
    """Return the tokenizer that open_clip's settings of a text encoder name.

    Args:
        name: of the backbone, for sentences.
        settings: of its text encoder.
        folder: of its weights, where the tokenizer may lie too.
        download: whether the Hub may be asked for one that is not on this machine; None where it never is.

    Raises:
        BackboneError: there is no such tokenizer here.
    """
    from open_clip.tokenizer import HFTokenizer

    source = str(settings["hf_tokenizer_name"])
    beside = all((folder / file).is_file() for file in TOKENIZER_FILES)
    if beside:
        for file in TOKENIZER_FILES:
            check_file(folder / file, _LARGEST)
        _check_growth(name, folder / TOKENIZER_FILES[0])
    options: dict[str, Any] = {
        "trust_remote_code": False,  # a tokenizer's own settings may name code to run
        "context_length": settings.get("context_length"),
        **(settings.get("tokenizer_kwargs") or {}),
    }
    place = str(folder) if beside else source
    try:
        if not (beside or download or in_cache(source).is_dir()):  # the client would look for its name all the same
            raise OSError("it is not on this machine")
        try:
            made = HubTokenizer(HFTokenizer(place, local_files_only=True, **options))
        except OSError:  # it is not on this machine
            if beside or not download:
                raise
            made = HubTokenizer(HFTokenizer(place, **options))
        ids: tuple[Any, ...] = (*made.rule.before, *made.rule.after, made.rule.pad, *made.encode("A photo of a"))
        if not all(isinstance(i, int) and i < settings.get("vocab_size", CLIP_TOKENS) for i in ids):
            raise ValueError("it has other tokens than its text encoder")
        return made
    except Exception as error:  # the hub's, those of transformers and of what it reads with
        raise BackboneError(
            f"The tokenizer of {name} ({source}) could not be loaded from this machine or downloaded "
            f"({first_line(error)}). Download {' and '.join(TOKENIZER_FILES)} from https://huggingface.co/{source} on "
            "a machine with internet access, and put them in the same folder as the weights."
            + (f" Or name the backbone yourself, which allows a download: backbone={name!r}." * (download is False))
        ) from error
