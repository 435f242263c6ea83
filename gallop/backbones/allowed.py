"""What the settings of a backbone folder may say, in either layout: a stranger may have written them.

Every key has a rule. A ``range`` is an integer of it, a ``slice`` a number from its start to its stop, a tuple a list
of as many values, a list any of its rules, a dictionary settings of their own, a pattern a text that it fits; anything
else is that very value. All architectures that open_clip lists fit (``tests/backbones/test_open_clip_format.py``).

Nothing here builds a model: whether numbers fit each other, and the file of weights, is asked of the model without its
weights (``gallop.backbones.loading``). Ranges keep that short.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gallop.errors import UnsupportedBackbone
from gallop.wording import quoted

CLIP_TOKENS = 49408
"""Of CLIP's tokenizer."""
THEIR_TEXT = (
    "its text encoder is {} from Hugging Face, and prompts can only be learned with open_clip's text transformers"
)
_FLAG, _FRACTION, _WIDTH, _DEPTH, _HEADS = [False, True], slice(0, 1), range(1, 8193), range(1, 129), range(1, 257)
_SIDE, _PATCH, _TOKEN, _WORD = range(1, 1025), range(8, 257), range(2**21), re.compile(r"\w{1,40}")
_SIZE, _COLOUR = [_SIDE, (_SIDE, _SIDE)], slice(-1000, 1000)
_FLAGS = "final_ln_after_pool output_tokens qk_norm scaled_cosine_attn scale_heads scale_attn_inner scale_attn scale_fc"
_BOTH: Mapping[str, Any] = {
    **dict.fromkeys(_FLAGS.split(), _FLAG),
    "width": _WIDTH,
    "mlp_ratio": slice(0.1, 16),
    "ls_init_value": [None, _FRACTION],
    "act_kwargs": [None, {"approximate": ["none", "tanh"]}],
    "norm_kwargs": [None, {"eps": _FRACTION}],
    "block_type": [None, "default", "custom"],
}
_VISION: Mapping[str, Any] = {
    **_BOTH,
    "layers": [_DEPTH, (_DEPTH,) * 4],
    "head_width": range(1, 1025),
    "patch_size": [None, _PATCH, (_PATCH, _PATCH)],
    "image_size": _SIZE,
    "patch_dropout": _FRACTION,
    "attentional_pool": _FLAG,
    "attn_pooler_queries": range(1, 1025),
    "attn_pooler_heads": _HEADS,
    "no_ln_pre": _FLAG,
    "pos_embed_type": "learnable",
    "pool_type": ["tok", "avg"],
    "timm_model_name": [None, re.compile(".{1,100}")],
    "timm_model_pretrained": _FLAG,  # and never followed
    "timm_pool": ["", "avg", "map", "token"],
    "timm_proj": [None, "", "linear", "mlp", "none"],
    "timm_proj_bias": _FLAG,
    "timm_drop": _FRACTION,
    "timm_drop_path": [None, _FRACTION],
}
_TEXT: Mapping[str, Any] = {
    **_BOTH,
    "layers": _DEPTH,
    "heads": _HEADS,
    "context_length": range(1, 1025),
    "vocab_size": _TOKEN,
    "pad_id": _TOKEN,
    "eos_id": _TOKEN,
    "embed_cls": _FLAG,
    "no_causal_mask": _FLAG,
    "pool_type": ["argmax", "eos", "first", "last"],
    "proj_bias": _FLAG,
    "proj_type": ["linear", "none"],
    "hf_model_name": [None, ""],
    "hf_tokenizer_name": [None, "", re.compile(r"[\w.-]{1,100}(/[\w.-]{1,100})?")],
    "tokenizer_mode": None,
    "tokenizer_kwargs": [
        None,
        {"clean": ["canonicalize", "lower", "whitespace"], "strip_sep_token": _FLAG, "language": [None, _WORD]},
    ],
}
_MODEL: Mapping[str, Any] = {
    "embed_dim": _WIDTH,
    "vision_cfg": _VISION,
    "text_cfg": _TEXT,
    "quick_gelu": _FLAG,
    "custom_text": _FLAG,
    "init_logit_scale": _COLOUR,
    "init_logit_bias": [None, _COLOUR],
    "nonscalar_logit_scale": _FLAG,
    "output_dict": _FLAG,
}
_PREPROCESS: Mapping[str, Any] = {
    "mean": (_COLOUR,) * 3,
    "std": (slice(1e-6, 1000),) * 3,
    "interpolation": _WORD,
    "resize_mode": _WORD,
    "size": _SIZE,
    "mode": "RGB",
    "fill_color": [range(256), (range(256),) * 3],
}
OPEN_CLIPS: Mapping[str, Any] = {"model_cfg": _MODEL, "preprocess_cfg": _PREPROCESS}
"""Of ``open_clip_config.json``."""
OURS: Mapping[str, Any] = {
    "format": 1,
    "name": re.compile(".{0,100}"),
    "model_cfg": _MODEL,
    "trunk": [None, {"output_stride": [8, 16, 32], "drop_rate": _FRACTION, "drop_path_rate": _FRACTION}],
    "damping": {"image": slice(0, 1e6), "region": slice(0, 1e6)},
    "preset": ["paper", "default"],
    "preprocess": {key: _PREPROCESS[key] for key in ("mean", "std", "interpolation")},
}
"""Of ``config.json``, as in ``checkpoints/mini``."""
_NEEDED = {"model_cfg", "preprocess", "embed_dim", "vision_cfg", "text_cfg"}


def check_settings(name: str, given: Any, rules: Mapping[str, Any], where: str = "the file") -> None:
    """Refuse settings with a key that has no rule, or a value that does not fit its rule.

    Args:
        name: of the backbone, for sentences.
        where: what they are the settings of.

    Raises:
        UnsupportedBackbone: of a kind of model that is not read here.
        ValueError: any other; the message says which.
    """
    if not isinstance(given, dict):
        raise ValueError(f"{where} has {quoted(given)} in place of settings")
    if missing := sorted(_NEEDED & rules.keys() - given.keys()):
        raise ValueError(f"{where} lacks {', '.join(missing)}")
    for key, value in given.items():
        if key == "hf_model_name" and value:
            raise UnsupportedBackbone(f"{name} cannot be used: {THEIR_TEXT.format(quoted(value))}.")
        if key == "multimodal_cfg":
            raise UnsupportedBackbone(f"{name} cannot be used: it has a decoder for captions (multimodal_cfg).")
        if key not in rules:
            raise ValueError(f"{where} has a setting that is not known here, {quoted(key)}")
        if isinstance(rules[key], dict):
            check_settings(name, value, rules[key], key)
        elif not _fits(value, rules[key]):
            raise ValueError(f"{key} of {where} is {quoted(value)}, which is not supported")


def _fits(value: Any, rule: Any) -> bool:
    if isinstance(rule, list):
        return any(_fits(value, each) for each in rule)
    if isinstance(rule, tuple):
        return isinstance(value, list) and len(value) == len(rule) and all(map(_fits, value, rule))
    if isinstance(rule, dict):
        return isinstance(value, dict) and all(key in rule and _fits(value[key], rule[key]) for key in value)
    if isinstance(rule, re.Pattern):
        return isinstance(value, str) and rule.fullmatch(value) is not None
    if isinstance(rule, slice):
        return type(value) in (int, float) and bool(rule.start <= value <= rule.stop)
    if isinstance(rule, range):
        return type(value) is int and value in rule
    return type(value) is type(rule) and bool(value == rule)
