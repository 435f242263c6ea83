"""Parts of the method that a program may replace, by a function or by the name under which it has registered one.

A model keeps the functions that it was made with. A saved model holds their names alone. To load it, a program must
have registered them: a file never imports or runs anything. Nothing here knows torch.

Shapes: B images, K classes, R regions, N local prompts, D joint width, V region width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast

from gallop.errors import ConfigError, UnknownPart
from gallop.setting import require, setting
from gallop.wording import did_you_mean, quoted

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)
C = TypeVar("C")


class About(NamedTuple):
    """The built-in choice of a part, and the arguments and the result of a function in its place."""

    usual: str
    call: str


PARTS = {
    "pooling": About("topk", "(region_cosines (B, R, K, N), topk) -> local logits (B, K, N)"),
    "keep_rule": About(
        "random", "(images, prompts, kept, generator) -> indices (images, kept) of the kept prompts, from 0"
    ),
    "extra_loss": About("none", "(model, global_ (B, D), regions (B, R, V), labels (B,)) -> scalar, added to the loss"),
    "optimizer": About("sgd", "(parameters, config) -> torch.optim.Optimizer"),
    "scheduler": About("cosine", "(epoch, epochs) -> factor of the learning rate"),
}
"""``config`` is a ``TrainConfig``, ``model`` a ``gallop.GalLoP``; epochs count from 0."""


ONLY_PROMPTS = (
    "A custom part has a tensor that requires a gradient, such as a module's parameter, but only prompts are trained "
    "and saved here. Call requires_grad_(False) on it, or train it in a custom loop with gallop.GalLoP."
)
"""Of a tensor that no step would change and no file would hold."""


REGISTERED: dict[str, dict[str, Function]] = {part: {} for part in PARTS}
"""By part, the functions that were registered, by name."""


def register(part: str, name: object, function: F) -> F:
    """Register a function as a part of the method, under a name for ``fit``, ``save`` and ``load``. Returns it.

    Registering a name again, as when a notebook's cell runs twice, replaces its function in what is fitted or loaded
    from then on; a model that exists keeps its own.

    Args:
        part: one of ``PARTS``, which says what each is called with.

    Raises:
        ConfigError: no such part, a name that is built in or not an identifier, or an object that cannot be called.

    >>> def soft(region_cosines, topk):
    ...     return ((100 * region_cosines).softmax(dim=1) * region_cosines).sum(dim=1)
    >>> register("pooling", "soft", soft) is soft
    True
    """
    require(part in PARTS, f"Unknown part {part!r}; choose one of {', '.join(PARTS)}.")
    require(callable(function), f"{quoted(function)} is not a function; {part} must have the form {PARTS[part].call}.")
    require(
        isinstance(name, str) and name.isidentifier() and name != PARTS[part].usual,
        f"{quoted(name)} cannot be the name of a part. Use letters, digits and _, without a digit at the start, and "
        f"not the built-in name {PARTS[part].usual!r}.",
    )
    REGISTERED[part][str(name)] = function
    return function


def registered(part: str, given: object) -> Function | None:
    """Return the function of a part, given itself or by its name; None for the built-in choice.

    Raises:
        ConfigError: a class, which is no function of its form, or a module that learns.
        UnknownPart: this program has registered nothing under the name.
    """
    if callable(given):
        require(
            not isinstance(given, type),
            f"{part} cannot be {quoted(given)}: write a function with def, of the form {PARTS[part].call}.",
        )
        require(not any(tensor.requires_grad for _, tensor in getattr(given, "named_parameters", dict)()), ONLY_PROMPTS)
        return given
    if given == PARTS[part].usual:
        return None
    function = REGISTERED[part].get(given) if isinstance(given, str) else None
    if function is None:
        raise UnknownPart(
            f"No {part} called {quoted(given)} is registered.{did_you_mean(str(given), REGISTERED[part])} Register it "
            f"first with gallop.register({part!r}, ...)."
        )
    return function


def given_parts(*given: str | Function | None) -> dict[str, Any]:
    """Return what was given, a function or a name, by the part. Raises as ``registered``.

    Args:
        given: what is in the place of each of ``PARTS``, in their order; None leaves the part as it is.
    """
    parts = {part: custom for part, custom in zip(PARTS, given, strict=True) if custom is not None}
    for part, custom in parts.items():
        registered(part, custom)
    return parts


def resolved(config: C, *needed: str) -> C:
    """Return settings with functions in place of their names: what is made of these keeps its functions, whatever is
    registered under the names later.

    Args:
        needed: parts that must be registered; other names may stay.

    Raises:
        UnknownPart: one of them is not.
    """
    names = {part: name for part in PARTS if isinstance(name := getattr(config, part, None), str)}
    found = {part: registered(part, name) for part, name in names.items() if part in needed or name in REGISTERED[part]}
    own = {part: function for part, function in found.items() if function is not None}
    return cast(C, replace(cast(Any, config), **own)) if own else config


def saved_parts(config: object) -> dict[str, Any]:
    """Return what a file or a pickle has of each part of some settings: its name, since neither holds code.

    Raises:
        ConfigError: a function that is registered under no name.
    """
    given = {part: getattr(config, part) for part in PARTS if hasattr(config, part)}
    return {part: _saved(part, own) if callable(own) else own for part, own in given.items()}


def _saved(part: str, function: Function) -> str:
    name = next((name for name, known in REGISTERED[part].items() if known is function), "")
    require(
        bool(name),
        f"The {part} {quoted(name_of(function))} cannot be saved or pickled: it is registered under no name, and a "
        f"file holds names and no code. Register it with gallop.register({part!r}, NAME, FUNCTION).",
    )
    return name


def name_of(function: object) -> str:
    """Return what a sentence calls a function: its name, or that of an object's class."""
    return str(getattr(function, "__name__", type(function).__name__))


class WithParts:
    """Settings some of which are parts: pickled by their names, copied with their functions."""

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | saved_parts(self)

    def __deepcopy__(self: C, memo: object) -> C:
        return self  # frozen, and a copy of a function would be another one


def check_result(part: str, fits: bool, result: object) -> None:
    """Raise ConfigError unless the result of a custom part fits its form."""
    shape = getattr(result, "shape", None)
    got = quoted(result) if shape is None else f"shape {tuple(shape)}"
    require(fits, f"The custom {part} must have the form {PARTS[part].call}; its result was {got}.")


def require_topk(pooling: Function | None, what: str) -> None:
    """Raise ConfigError where regions are pooled by a function, and not by the mean of the top-k."""
    require(pooling is None, f"{what} needs top-k pooling, but this model uses {name_of(pooling)!r} pooling.")


def _check(part: str, given: object) -> None:
    # A program that only answers needs no part that only training calls, so a saved model names these unresolved.
    if part == "pooling" or callable(given):
        registered(part, given)
    elif not isinstance(given, str) or not given.isidentifier():
        raise ConfigError(
            f"{quoted(given)} cannot be the name of a part. Pass the name of a registered {part}, or a function."
        )


def part_setting(part: str, help: str) -> Any:
    """Return the dataclass field of a part: the name of the built-in choice or of a registered function, or a
    function.
    """
    return setting(
        PARTS[part].usual,
        part.replace("_", " "),
        help,
        option="",
        range="the name of a registered part, or a function",
        check=partial(_check, part),
    )
