"""What is said of photos on cards. Knows no Streamlit and no torch."""

from __future__ import annotations

from collections.abc import Sequence


def photos_counted(count: int) -> str:
    """Return a number of photos in words."""
    return f"{count} photo{'' if count == 1 else 's'}"


def among_photos(name: str, *, tests: bool) -> str:
    """Return where a photo of a class lies."""
    return f"among the {'test ' if tests else ''}photos of {name!r}"


def here_twice(photo: str, there: str, *, same_class: bool, same_pile: bool) -> str:
    """Return why the same picture, which lies ``there``, is not taken again."""
    if not same_class:
        return f"{photo} is already {there}; one photo, one class."
    if not same_pile:
        return f"{photo} is already {there}; a test on a photo that was learned from tests nothing."
    return f"{photo} is here already; the same picture twice adds nothing."


def now_on(photo: str, class_name: str, *, tests: bool) -> str:
    """Return what was done with a photo that was put to a class."""
    if tests:
        return f"{photo} is a test photo of {class_name} now."
    return f"{photo} is a photo of {class_name} now. Train again, and it is learned from."


def left_out(names: Sequence[str], photos: int, most: tuple[int, int]) -> str:
    """Return what is said of classes for which there was no room, beside so many photos that were taken.

    Args:
        most: how many classes and photos there may be.
    """
    count = f"{len(names)} class{'' if len(names) == 1 else 'es'}"
    return (
        f"{photos_counted(photos)} taken. {most[0]} classes and {most[1]} photos are the most here, so there was no "
        f"room for {count}. To add one of these, delete a class that you can do without, and drop a zip with only the "
        "folder of this one. The command gallop train learns any number of classes from a folder. "
        f"Not taken: {', '.join(names)}."
    )


def looks_like(name: str, other: str, class_name: str, *, tests: bool) -> str:
    """What is said of a photo that was taken though it is nearly another, which is on the card of a class."""
    return (
        f"{name} looks like {other} {among_photos(class_name, tests=tests)}, perhaps saved anew. It was taken; if it "
        "is the same picture, remove one of them."
    )
