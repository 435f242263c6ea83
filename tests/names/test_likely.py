"""The names that Explore suggests for a photo: the list that was fixed, and what is made of it."""

from hashlib import sha256

from gallop.names import likely
from gallop.names.class_names import clean_names


def test_the_list_is_the_one_that_was_fixed() -> None:
    """Before the first photo was judged by it; a name added for a photo would make the figures worthless."""
    assert sha256(likely.LIST.read_bytes()).hexdigest() == (
        "00ad6831e210feafee46d98b1506490a6e6403246a98639f133e7c69bff0f663"
    )


def test_every_name_is_clean_and_there_once() -> None:
    names = [*likely.likely_names()]
    assert clean_names(names) == tuple(names), "nothing to clean, and none twice"
    assert names[: likely.EVERYDAY][-1] == "ball"
    assert (likely.likely_names()["animal"], likely.likely_names()["cat"], likely.likely_names()["tench"]) == (
        -0.5,
        0.5,
        0.0,
    )
