from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from app.photos.archives import CardPlace, Member
from app.photos.shelf import Shelf
from app.teaching.cards import CardProblem, Deck
from app.visitor.photos import VisitorPhotos
from gallop import Photo, load_image
from gallop.data.project_file import MOST_CARDS
from gallop.errors import ClassNameError
from tests import tiny
from tests.app.test_photos import file, jpeg
from tests.nasty_images import encode


def member(seed: int, class_name: str = "ant", *, test: bool = False, size: tuple[int, int] = (40, 32)) -> Member:
    return Member(CardPlace(class_name, test, f"{seed}.jpg"), jpeg(seed, f"{seed}.jpg", size))


@pytest.fixture
def deck() -> Deck:
    made = Deck()
    made.add("ant", "bee")
    made.add_photos([member(1), member(2), member(3, "bee"), member(4, "bee", test=True)])
    return made


def shots(deck: Deck, name: str) -> list[str]:
    return [photo.name for photo in tiny.there(deck.find(name)).shots]


def test_every_change_can_be_undone_one_by_one(deck: Deck) -> None:
    ant, bee = deck.cards
    photo = ant.shots[0]
    changes = [
        (lambda: deck.add("wasp"), "added the class wasp"),
        (lambda: deck.add("fly", "moth"), "added the classes fly and moth"),
        (lambda: deck.rename(ant.id, "fire ant"), "renamed ant to fire ant"),
        (lambda: deck.enable(False, bee.id), "turned bee off"),
        (lambda: deck.add_photos([member(9, "wasp")]), "added 1 photo to wasp"),
        (lambda: deck.remove(photo.sha256), "removed 1.jpg from fire ant"),
        (lambda: deck.relabel(ant.shots[1], "fire ant", "tests"), "moved 2.jpg to the tests of fire ant"),
        (lambda: deck.relabel(load_image(tiny.picture(77)), "bee"), "moved picture to bee"),
        (lambda: deck.delete(bee.id), "deleted bee"),
    ]
    states = [deck.cards]
    for change, words in changes:
        change()
        assert (deck.cards != states[-1], deck.last_change) == (True, words)
        states.append(deck.cards)
    for state in reversed(states[:-1]):
        deck.undo()
        assert deck.cards == state
    while deck.last_change is not None:  # what the fixture did
        deck.undo()
    deck.undo()
    assert (deck.cards, deck.last_change) == ((), None), "with nothing left it does nothing"


def test_several_cards_are_changed_at_once_and_one_undo_brings_them_back(deck: Deck) -> None:
    deck.add("wasp")
    before, (ant, bee, wasp) = deck.cards, (card.id for card in deck.cards)
    deck.enable(False, ant, wasp)
    assert ([card.enabled for card in deck.cards], deck.last_change) == (
        [False, True, False],
        "turned ant and wasp off",
    )
    deck.delete(ant, bee)
    assert ([card.name for card in deck.cards], deck.last_change) == (["wasp"], "deleted ant and bee")
    deck.undo()
    deck.undo()
    assert deck.cards == before


def test_a_test_photo_that_is_corrected_is_no_test_photo_any_more(deck: Deck) -> None:
    deck.relabel(deck.cards[1].tests[0], "bee", "shots")
    assert (deck.cards[1].tests, [photo.name for photo in deck.cards[1].shots]) == ((), ["3.jpg", "4.jpg"])


@pytest.mark.parametrize(
    "correct",
    [
        pytest.param(lambda photos, photo: photos.deck.relabel(photo, "bee", "shots"), id="to the shots"),
        pytest.param(lambda photos, photo: photos.set_aside(photo), id="to none of these"),
    ],
)
def test_a_correction_that_does_not_fit_changes_nothing(
    correct: Callable[[VisitorPhotos, Photo], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.teaching.cards.MOST_PHOTOS", 1)
    photos = VisitorPhotos(unknown=Shelf(512, 0))
    photos.deck.add_photos([member(3, "bee"), member(4, "bee", test=True)])
    before = photos.deck.cards
    with pytest.raises(CardProblem, match="does not fit"):
        correct(photos, before[0].tests[0])
    assert photos.deck.cards == before


def test_a_photo_goes_to_another_class_on_the_pile_where_it_is(deck: Deck) -> None:
    ant, bee = deck.cards
    assert deck.relabel(bee.tests[0], "ant") == f"{bee.tests[0].name} is now a test photo of ant."
    assert ([photo.sha256 for photo in deck.cards[0].tests], deck.cards[1].tests) == ([bee.tests[0].sha256], ())
    deck.relabel(ant.shots[0], "wasp")  # a class that there was not
    assert [(card.name, len(card.shots)) for card in deck.cards] == [("ant", 1), ("bee", len(bee.shots)), ("wasp", 1)]
    before = deck.cards
    with pytest.raises(ClassNameError):
        deck.relabel(ant.shots[1], "x" * 300)
    with pytest.raises(CardProblem, match="already"):
        deck.relabel(ant.shots[1], "Ant")
    assert deck.cards == before, "nothing is lost where it cannot be done"


def test_a_photo_of_none_of_these_leaves_its_card_and_undo_puts_it_back() -> None:
    photos = VisitorPhotos()
    photos.deck.add_photos([member(1), member(2)])
    (ant,) = photos.deck.cards
    photo = ant.shots[0]
    assert "none of the classes" in photos.set_aside(photo)
    assert (photos.deck.cards[0].shots, list(photos.unknown.photos)) == (ant.shots[1:], [photo.sha256])
    photos.undo()
    assert (photos.deck.cards, list(photos.unknown.photos)) == ((ant,), [])

    photos.set_aside(photo)
    photos.relabel(photo, "bee")
    assert list(photos.unknown.photos) == [], "it is of a class now"
    photos.undo()
    assert (list(photos.unknown.photos), len(photos.deck.cards)) == ([photo.sha256], 1), "and of none again"
    photos.set_aside(photo)  # a second click
    assert list(photos.unknown.photos) == [photo.sha256]


def test_what_changes_nothing_is_nothing_to_undo_and_a_card_that_is_gone_changes_nothing(deck: Deck) -> None:
    before = deck.last_change
    deck.rename(deck.cards[0].id, " ant ")
    deck.enable(True, deck.cards[0].id)
    deck.add_photos([member(1)])
    assert deck.last_change == before
    # A second click comes late, or another tab shows what was.
    ant = deck.cards[0]
    deck.delete(ant.id)
    state, last = deck.cards, deck.last_change
    deck.rename(ant.id, "fire ant")
    deck.enable(False, ant.id)
    deck.delete(ant.id)
    deck.remove(ant.shots[0].sha256)
    deck.remove(ant.shots[0].sha256)
    assert (deck.cards, deck.last_change) == (state, last)


@pytest.mark.parametrize("name", ["Ant", " bee ", "", "\u200b", "x" * 201])
def test_a_name_that_cannot_be_used_changes_nothing(deck: Deck, name: str) -> None:
    before = deck.cards
    with pytest.raises(ClassNameError):
        deck.add(name)
    with pytest.raises(ClassNameError):
        deck.rename(deck.add("wasp").id, name)
    deck.undo()
    assert deck.cards == before


def test_a_renamed_card_keeps_its_photos_and_a_deleted_ones_id_is_never_used_again(deck: Deck) -> None:
    ant = deck.cards[0]
    deck.rename(ant.id, "fire ant")
    assert shots(deck, "fire ant") == ["1.jpg", "2.jpg"]
    deck.delete(ant.id)
    assert deck.add("ant").id not in {ant.id, deck.cards[0].id}


def test_the_same_picture_is_told_within_a_class_across_classes_and_across_train_and_test(deck: Deck) -> None:
    verdicts = deck.add_photos([member(1), member(3), member(4, "bee"), member(1, "ant", test=True)])
    told = (
        "adds nothing",
        "'bee'. A photo can have only one class",
        "test photos of 'bee'. A photo cannot be used for both training and testing",
        "photos of 'ant'. A photo cannot be used for both training and testing",
    )
    wrong = [said for words, said in zip(told, verdicts.refused, strict=True) if words not in said]
    assert (verdicts.taken, wrong) == ((), [])


def smooth(seed: int, quality: int = 95, scale: float = 1.0) -> io.BytesIO:
    """A picture with large shapes, as photos have, and unlike the noise of ``tiny.picture``."""
    image = tiny.picture(seed, size=(8, 6)).resize((240, 180))
    return file(encode(image.resize((round(240 * scale), round(180 * scale))), "JPEG", quality=quality), f"{seed}.jpg")


def test_a_picture_saved_anew_is_taken_and_flagged_where_it_does_harm(deck: Deck) -> None:
    deck.add_photos([Member(CardPlace("ant", False, "first.jpg"), smooth(5))])
    assert deck.add_photos([Member(CardPlace("bee", True, "again.jpg"), smooth(6))]).flagged == ()
    verdicts = deck.add_photos([Member(CardPlace("ant", True, "again.jpg"), smooth(5, quality=30, scale=0.7))])
    assert ("again.jpg looks like first.jpg among the photos of 'ant'" in verdicts.flagged[0], len(verdicts.taken)) == (
        True,
        1,
    )
    more = deck.add_photos([Member(CardPlace("ant", False, "again.jpg"), smooth(5, quality=40))])
    assert "test photos of 'ant'" in more.flagged[0]


def test_photos_are_kept_small_with_names_of_their_own(deck: Deck) -> None:
    deck.add_photos([Member(CardPlace("ant", False, "image.jpg"), jpeg(i, size=(800, 600))) for i in (20, 21)])
    assert [(photo.name, photo.image.size) for photo in deck.cards[0].shots[2:]] == [
        ("image.jpg", (512, 384)),
        ("image.jpg (2)", (512, 384)),
    ]


def test_limits_are_told_and_no_card_is_made_for_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    deck = Deck()
    monkeypatch.setattr("app.teaching.cards.MOST_PHOTOS", 2)
    assert "the limit here is 2 photos" in deck.add_photos([member(i) for i in range(3)]).refused[0]
    assert "x.jpg" in deck.add_photos([Member(CardPlace("wasp", False, "x.jpg"), b"words")]).refused[0]
    assert deck.find("wasp") is None
    monkeypatch.setattr("app.teaching.cards.MOST_ALTOGETHER", 2)
    assert "for all classes together" in deck.add_photos([member(9, test=True)]).refused[0]
    verdicts = deck.add_photos([member(9, "bee"), member(10, "bee")])
    assert (verdicts.left_out, verdicts.refused, deck.find("bee")) == (("bee",), (), None)
    for i in range(MOST_CARDS - 1):
        deck.add(f"class {i}")
    with pytest.raises(CardProblem, match="another one cannot be added"):
        deck.add("another one")


def test_a_wrong_answer_becomes_a_shot_of_its_true_class(deck: Deck) -> None:
    photo = load_image(tiny.picture(50, size=(900, 700)), name="walk.jpg")
    assert "walk.jpg is now a training photo of bee" in deck.relabel(photo, "bee")
    assert shots(deck, "bee") == ["3.jpg", "walk.jpg"]
    with pytest.raises(CardProblem, match="already"):
        deck.relabel(photo, "bee")
    deck.relabel(photo, "wasp")
    assert (shots(deck, "bee"), shots(deck, "wasp")) == (["3.jpg"], ["walk.jpg"]), "can have only one class"
    assert deck.cards[2].shots[0].image.size == (512, 398)
