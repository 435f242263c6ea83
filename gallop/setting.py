"""A setting is a field of a frozen dataclass with its description, its valid values and its option.

Everything that uses settings reads these from there: the object itself, which refuses values out of range, the command
line, the app's form, the model card. Nothing here knows torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields
from numbers import Real
from typing import Any, SupportsIndex, TypeVar

from gallop.errors import ConfigError
from gallop.wording import quoted

T = TypeVar("T")

# Where a field's metadata has it.
_ABOUT = "setting"


@dataclass(frozen=True)
class Setting:
    """The description of a setting, beside its name, type and default.

    Attributes:
        words: what it is called in a sentence; as a label, with a capital.
        help: what it does, in one sentence.
        symbol: what the paper, or the command line, calls it.
        low, high: the least and the most; ``above`` and ``below`` leave these themselves out.
        zero: what 0 means where it is no amount; it may be 0 then, whatever ``low`` is.
        range: in words, where ``low`` and ``high`` are hard to read.
        choices: the texts it may be; empty for a number.
        among: the only numbers it may be; empty for all of the range.
        card_template: its text in a model card, with {} for the value; empty for its words and the value.
        option: on the command line; None is made from the field's name, empty is none.
        metavar: the placeholder of the value in the command line's help.
        form: least, most and step that the app offers; None where it does not ask.
        offered: the texts that the app offers, where others are valid, too.
        check: raises ConfigError for a value that it cannot be, where no other attribute excludes that value.
    """

    words: str
    help: str
    symbol: str = ""
    low: float = 0
    high: float = math.inf
    above: bool = False
    below: bool = False
    zero: str = ""
    range: str = ""
    choices: Collection[str] = ()
    among: tuple[float, ...] = ()
    card_template: str = ""
    option: str | None = None
    metavar: str | None = None
    form: tuple[float, float, float] | None = None
    offered: Collection[str] = ()
    check: Callable[[Any], object] | None = None

    @property
    def label(self) -> str:
        """Return the label of a widget."""
        return self.words[:1].upper() + self.words[1:] + (f" ({self.symbol})" if self.symbol else "")

    @property
    def must(self) -> str:
        """Return what it must be, as the end of a sentence."""
        if self.range:
            return f"be {self.range}"
        if self.among:
            *others, last = (f"{number:g}" for number in self.among)
            return f"be {', '.join(others)} or {last}"
        zero = f"0 ({self.zero}), or " if self.zero else ""
        least = f"above {self.low:g}" if self.above else f"at least {self.low:g}"
        most = "" if self.high == math.inf else f" and {'below' if self.below else 'at most'} {self.high:g}"
        return f"be {zero}{least}{most}"

    def option_of(self, name: str) -> str:
        """Return its option, for a field of this name; empty for none."""
        return f"--{name.replace('_', '-')}" if self.option is None else self.option

    def opposite_of(self, name: str) -> str:
        """Return the option that sets a flag back to its default, where a preset changes it."""
        option = self.option_of(name)
        return (
            f"--{option.removeprefix('--no-')}" if option.startswith("--no-") else f"--no-{option.removeprefix('--')}"
        )

    def phrase(self, value: object) -> str:
        """Return a value as a model card states it."""
        shown = (
            f"{value:g}"
            if isinstance(value, float)
            else self.zero
            if self.zero and value == 0
            else str(getattr(value, "__name__", value))
        )
        return (self.card_template or f"{self.words} {{}}").format(shown)


def setting(default: T, words: str, help: str, **more: Any) -> T:
    """Return a dataclass field that is a setting; ``more`` are attributes of ``Setting``."""
    return field(default=default, metadata={_ABOUT: Setting(words, help, **more)})


def settings_of(kind: Any) -> dict[str, Setting]:
    """Return the settings of a dataclass, or of an object of one, by the names of their fields."""
    return {each.name: each.metadata[_ABOUT] for each in fields(kind) if _ABOUT in each.metadata}


def recorded(config: Any, first: Collection[str]) -> dict[str, Any]:
    """Return the fields of an object as a record has them: all of ``first``, and others that are not at their default.

    So a setting that was added later is left out where it is not used, and older versions read what newer ones write.
    """
    values = {each.name: (getattr(config, each.name), each.default) for each in fields(config)}
    return {name: value for name, (value, default) in values.items() if name in first or value != default}


def check_settings(config: Any) -> None:
    """Convert each setting of a frozen object to the type of its default. A list is left to the object.

    Raises:
        ConfigError: a value of another type, or out of range.
    """
    for each in fields(config):
        about: Setting | None = each.metadata.get(_ABOUT)
        if about is None or isinstance(each.default, tuple):
            continue
        value: Any = getattr(config, each.name)
        # No sentence is made for a value that is right: a slider waits for this.
        if about.choices:
            if not isinstance(value, str) or value not in about.choices:
                raise ConfigError(f"{each.name} is {quoted(value)}; it must be one of {', '.join(about.choices)}.")
        elif isinstance(each.default, bool):
            # Python's bool; numpy's are accepted too, but neither 1 nor "yes".
            kind = type(value)
            if kind is not bool and (kind.__module__, kind.__name__.rstrip("_")) != ("numpy", "bool"):
                raise ConfigError(f"{each.name} is {quoted(value)}; it must be True or False.")
            value = bool(value)
        elif about.check is not None:
            about.check(value)
        else:
            value = (integer_between if isinstance(each.default, int) else number_between)(each.name, value)
            low = value > about.low if about.above else value >= about.low
            high = value < about.high if about.below else value <= about.high
            if not (value in about.among if about.among else (low and high) or (about.zero and value == 0)):
                raise ConfigError(f"{each.name} is {quoted(value)}; it must {about.must}.")
        object.__setattr__(config, each.name, value)


def require(condition: bool, sentence: str) -> None:
    """Raise ConfigError with a sentence unless a condition holds."""
    if not condition:
        raise ConfigError(sentence)


def number_between(name: str, value: object, least: float = -math.inf, most: float = math.inf) -> float:
    """Return a setting as a float.

    Raises:
        ConfigError: it is not a finite number, or not between ``least`` and ``most``.
    """
    try:
        number = float(value) if isinstance(value, Real) else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ConfigError(f"{name} is {quoted(value)}; it must be a finite number.")
    if not least <= number <= most:
        raise ConfigError(f"{name} is {number:g}; it must be between {least:g} and {most:g}.")
    return number


def integer_between(name: str, value: object, least: float = -math.inf, most: float = math.inf) -> int:
    """Return a setting as Python's int: numpy's integers cannot be written to a checkpoint's JSON.

    Raises:
        ConfigError: it is not an integer, or not between ``least`` and ``most``.
    """
    if type(value) is int:  # nearly always, and a protocol takes long to ask: a slider waits for it
        number = value
    elif isinstance(value, SupportsIndex):
        number = value.__index__()
    else:
        require(isinstance(value, Real) and value % 1 == 0, f"{name} is {quoted(value)}; it must be an integer.")
        number = int(value)  # type: ignore[call-overload]
    if not least <= number <= most:
        raise ConfigError(f"{name} is {quoted(number)}; it must be between {least} and {most}.")
    return number
