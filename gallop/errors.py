"""Every kind of failure that is reported to a person, under one base: an error goes in, a sentence comes out.

Imports nothing heavy, so that the command line and the app can catch :class:`GallopError` before torch is loaded. Each
kind has a built-in exception (``ValueError``, ``RuntimeError``) as a second base, for those who catch that.
"""

from __future__ import annotations

import sys
import warnings

from gallop.wording import shortened


class GallopError(Exception):
    """A failure whose message is a sentence for a person: what is wrong, by name, and the way out.

    However much of a stranger's file it quotes, it is no longer than a page: a browser may have to show it.
    """

    def __str__(self) -> str:
        return shortened(super().__str__())


class ConfigError(GallopError, ValueError):
    """A setting that cannot be used; the message names it and the values that can."""


class UnknownPart(ConfigError):
    """A part of the method is named that this program does not have: a custom one is registered before it is used."""


class ClassNameError(GallopError, ValueError):
    """A class name, or a list of them, that cannot be used; the message names the class and the way out."""


class TemplateError(GallopError, ValueError):
    """A template that cannot be used; the message names it and the way out."""


class ImageError(GallopError, ValueError):
    """A picture that is not accepted; the message names it and the way out."""


class ImageTooLarge(ImageError):
    """The file has more bytes than allowed."""


class TooManyPixels(ImageError):
    """The header claims more pixels, or a longer side, than allowed."""


class NotAnImage(ImageError):
    """There is no picture here: no such file, a folder, a web page, text."""


class UnsupportedImage(ImageError):
    """A picture of a kind that is not read here."""


class CorruptImage(ImageError):
    """A damaged or incomplete picture."""


class EmptyImage(ImageError):
    """No bytes, or no pixels."""


class DataError(GallopError, ValueError):
    """A folder or a set of labels that cannot be used; the message names what is wrong and the way out."""


class BackboneError(GallopError, RuntimeError):
    """Weights that are missing, do not fit or cannot be downloaded, or a wrong option; the message says what to do."""


class UnsupportedBackbone(GallopError, ValueError):
    """An encoder whose features GalLoP does not define; the message says what it has and what is needed."""


class TrainingDiverged(GallopError, RuntimeError):
    """The loss stopped being a number; the parameters are as they were before that step."""


class CheckpointError(GallopError, ValueError):
    """A checkpoint that cannot be read or does not belong to this backbone; the message says why and what to do."""


class HubError(GallopError, RuntimeError):
    """A model on the Hugging Face Hub that cannot be read or written; the message names it and the way out."""


class OnnxError(GallopError, RuntimeError):
    """No file was made, or it is withheld; the message says why and what to do."""


class PageError(GallopError, RuntimeError):
    """A page for browsers that cannot be made; the message says why and what to do."""


class BenchError(GallopError, ValueError):
    """A benchmark that cannot be run as specified; the message names what is wrong and the way out."""


class CommandError(GallopError):
    """A call of the command line that cannot be carried out; the message is the sentence that is shown."""


def sentence_of(error: BaseException) -> str | None:
    """Return the message for a person about an error, or None where it is a bug of ours.

    A :class:`GallopError` speaks for itself; what the system and the processor refuse (a file, memory, a GPU) is put
    into words here, alike for command line, app and benchmarks.
    """
    if isinstance(error, GallopError) or (isinstance(error, OSError) and error.strerror is None):
        return str(error)
    if isinstance(error, OSError):
        return shortened(f"{error.filename}: {error.strerror}." if error.filename is not None else f"{error.strerror}.")
    if _is_gpu_memory(error):
        return (
            "The GPU does not have enough memory for this. Close other programs that use it, use a smaller batch "
            "size or fewer classes or prompts, or compute on the CPU (device='cpu')."
        )
    if is_gpu_trouble(error):
        return f"The GPU failed ({first_line(error)}). Start again, or compute on the CPU (device='cpu')."
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):  # Python's, or torch's on a CPU
        return (
            "There is not enough memory for this. Use fewer classes or prompts, fewer or smaller photos, or a smaller "
            "batch size."
        )
    return None


def is_gpu_trouble(error: BaseException) -> bool:
    """Return whether a GPU failed, or was too small, while it computed."""
    of_a_kind = _is_gpu_memory(error) or _is_kind(error, "AcceleratorError")  # torch's from 2.8 on
    return of_a_kind or (isinstance(error, RuntimeError) and str(error).startswith(_GPU_ERRORS))


_GPU_ERRORS = ("CUDA error: ", "cuDNN error: ")
"""How torch begins what CUDA and the libraries on it report, where it has no kind for that."""


def _is_gpu_memory(error: BaseException) -> bool:
    message = str(error) if isinstance(error, RuntimeError) else ""
    return _is_kind(error, "OutOfMemoryError") or (
        message.startswith(_GPU_ERRORS) and ("_ALLOC_FAILED" in message or "out of memory" in message)
    )


def _is_kind(error: BaseException, name: str) -> bool:
    """Whether it is of one of torch's kinds, known by name because torch need not be loaded here."""
    return any(kind.__name__ == name for kind in type(error).__mro__)


def first_line(error: BaseException) -> str:
    """Return an error's first line without its full stop, to be quoted in a sentence; its kind where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def warn_caller(sentence: str) -> None:
    """Warn at the line of a program that has called the library, however deep within it this is."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("gallop."):
        level, frame = level + 1, frame.f_back
    warnings.warn(sentence, stacklevel=level)
