"""Parts of the method that a program may replace: a function each, under a name that the program registers.

A saved model holds the name alone. To load it, a program must have registered the part: a file never imports or runs
anything. Nothing here knows torch.

Shapes: B images, K classes, R regions, N local prompts, D joint width, V region width.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

from gallop.errors import UnknownPart
from gallop.setting import require, setting
from gallop.wording import did_you_mean, quoted

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)


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


REGISTERED: dict[str, dict[str, Function]] = {part: {} for part in PARTS}
"""By part, the functions that were registered, by name."""


def register(part: str, name: object, function: F) -> F:
    """Register a function as a part of the method, under a name for ``fit`` and ``load``. Returns the function.

    Registering a name again replaces its function, as when a notebook's cell runs twice.

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


def registered(part: str, name: object) -> Function | None:
    """Return what is registered under a name; None for the built-in choice.

    Raises:
        UnknownPart: this program has registered nothing under it.
    """
    if name == PARTS[part].usual:
        return None
    function = REGISTERED[part].get(name) if isinstance(name, str) else None
    if function is None:
        raise UnknownPart(
            f"No {part} called {quoted(name)} is registered.{did_you_mean(str(name), REGISTERED[part])} Register it "
            f"first with gallop.register({part!r}, ...)."
        )
    return function


def check_registered(*configs: object) -> None:
    """Raise UnknownPart where settings name a part that is not registered."""
    for part in PARTS:
        for config in configs:
            registered(part, getattr(config, part, PARTS[part].usual))


def named(part: str, given: str | Function) -> str:
    """Return the name of a part that was given by name, or as a function, which is registered under its ``__name__``.

    Raises:
        ConfigError: as ``register`` and ``registered``.
    """
    if not callable(given):
        registered(part, given)
        return given
    name = getattr(given, "__name__", "")
    require(
        name.isidentifier() and not isinstance(given, type),
        f"{part} cannot be {quoted(given)}: write a function with def, of the form {PARTS[part].call}, or register one "
        f"under a name with gallop.register({part!r}, ...).",
    )
    register(part, name, given)
    return str(name)


def named_parts(*given: str | Function | None) -> dict[str, Any]:
    """Return the name of each part that was given, by the part. Raises as ``named``.

    Args:
        given: what is in the place of each of ``PARTS``, in their order; None is the built-in choice.
    """
    return {part: named(part, custom) for part, custom in zip(PARTS, given, strict=True) if custom is not None}


def check_result(part: str, fits: bool, result: object) -> None:
    """Raise ConfigError unless the result of a custom part fits its form."""
    shape = getattr(result, "shape", None)
    got = quoted(result) if shape is None else f"shape {tuple(shape)}"
    require(fits, f"The custom {part} must have the form {PARTS[part].call}; its result was {got}.")


def require_topk(pooling: Function | None, what: str) -> None:
    """Raise ConfigError where regions are pooled by a function in place of the mean of the top-k."""
    used = getattr(pooling, "__name__", quoted(pooling))
    require(pooling is None, f"{what} needs top-k pooling, but this model pools regions with {used}.")


def _check_name(part: str, name: object) -> None:
    require(
        isinstance(name, str) and name.isidentifier(),
        f"{quoted(name)} cannot be the name of a part. Pass the name of a registered {part}.",
    )


def part_setting(part: str, help: str) -> str:
    """Return the dataclass field of a part: the name of the built-in choice, or of a registered function."""
    # A program that only answers needs no part that only training calls, so a saved model names these unresolved.
    check = partial(registered if part == "pooling" else _check_name, part)
    return setting(
        PARTS[part].usual,
        part.replace("_", " "),
        help,
        option="",
        range="the name of a registered part",
        check=check,
    )
