"""What is said of photos on cards. Knows no Streamlit and no torch."""

from __future__ import annotations


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


def looks_like(name: str, other: str, class_name: str, *, tests: bool) -> str:
    """What is said of a photo that was taken though it is nearly another, which is on the card of a class."""
    return (
        f"{name} looks like {other} {among_photos(class_name, tests=tests)}, perhaps saved anew. It was taken; if it "
        "is the same picture, remove one of them."
    )
