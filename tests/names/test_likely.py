"""The names that Explore suggests for a photo: the list that was fixed, and what is made of it."""

from hashlib import sha256

from gallop.names import likely


def test_the_list_is_the_one_that_was_fixed() -> None:
    """Before the first photo was judged by it; a name added for a photo would make the figures worthless."""
    assert sha256(likely.LIST.read_bytes()).hexdigest() == (
        "00ad6831e210feafee46d98b1506490a6e6403246a98639f133e7c69bff0f663"
    )
