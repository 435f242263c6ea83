"""What each class relies on over all its photos, what answers would be without it, and which photos fail."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import streamlit as st

from app import charts, text
from app.library import Backbone, ClassEvidence, Evidence, Repeat
from app.ui import labelled, resources
from app.ui.evidence.prompt_cards import each_prompt
from app.ui.widgets.elements import made_on_click, page_header, photo_strip, problems_shown
from app.ui.widgets.remembered import one_of, tabs
from app.views import evidence as view
from gallop.evaluation.failing_groups import LEAST
from gallop.wording import listed, time_in_words

# Photos of a gallery.
_MOST = 24
# Of a photo on two processors: to encode it, where that was not measured, and to look for clusters and what repeats.
_ENCODING, _SORTING = 0.03, 0.04
# Of the score: smaller clusters are in the table alone.
_SMALLEST = 0.05
# Pixels of a picture in the first line.
_SIDE = 56
# Numbers of the galleries that are of no cluster: of what repeats, and from where those of groups begin.
_REPEAT, _GROUPS = 99, 100

session = resources.session()


def _clusters(frozen: Backbone, found: Evidence, each: ClassEvidence, pairs: view.Pairs, key: Hashable) -> None:
    """Draw what a class is decided by: the clusters that add much, and below them the table of all."""
    large = [(number, cluster) for number, cluster in enumerate(each.clusters) if cluster.share >= _SMALLEST]
    # Without it, what is for the class could be more than all.
    against = ((lost := sum(min(one.share, 0) for one in each.clusters)) < -0.005) * f", {text.share(lost)} against it"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f"**{text.markdown(each.class_name)}**: decided by{' no one kind of region' * (not large)}",
            width="content",
            help="The score of a class is what it has above the mean of all classes, averaged over its photos. It is "
            "the sum of what each region adds, exactly, and takes away, below 0; regions that look alike are one "
            "cluster. First comes the one whose regions add most each.",
        )
        for place, (number, cluster) in enumerate(large):
            one = cluster.gallery[0]
            url = view.tile(session, frozen, found, number, one.photo, one.region).url
            with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
                st.image(url, alt=cluster.called, width=_SIDE)
                st.markdown(
                    f"**{text.share(cluster.share)}**{' and' * (place < len(large) - 1) or against}", width="content"
                )
    if each.repeat:
        st.error(f"{text.markdown(each.repeats[0].upper() + each.repeats[1:])}. Is it the thing itself?")
        shown = [(i, each.repeat.region(i, found.grids)) for i in each.repeat.photos[:_MOST]]
        _gallery(frozen, found, pairs, _REPEAT, shown, each.class_name, each.repeat)
    for number, cluster in large:
        st.header(f"{number + 1}. {text.markdown(cluster.called)}: {text.share(cluster.share)}", anchor=False)
        _gallery(frozen, found, pairs, number, [(one.photo, one.region) for one in cluster.gallery], each.class_name)
        if cluster.photos:
            _what_if(found, each, number, pairs, key)
    with st.expander("All clusters", icon=":material/table:", key="all clusters"):
        st.dataframe(
            {
                "cluster": [f"{i}. {cluster.called}" for i, cluster in enumerate(each.clusters, 1)],
                "of the score": [text.share(cluster.share) for cluster in each.clusters],
                "decides in photos": [f"{len(cluster.photos)} of {len(each.photos)}" for cluster in each.clusters],
                "mistakes with it": [len(cluster.mistakes) for cluster in each.clusters],
            },
            hide_index=True,
            key="clusters",
        )
        none = f" No group of at least {LEAST} photos fails more often than the others beyond chance."
        st.caption(f"{text.share(each.rest_share)} of the score is in no cluster.{none * (not found.groups.found)}")


def _what_if(found: Evidence, each: ClassEvidence, number: int, pairs: view.Pairs, key: Hashable) -> None:
    """Draw what the score would be without a cluster, or the button that asks for it."""
    name = f"what if {number} {each.class_name}"
    made = made_on_click(
        session,
        name,
        key,
        lambda: view.task(session, resources.backbones(), pairs, key, (found, each.class_name, number)),
        f"Without cluster {number + 1}",
        "What if it were not there?",
        key=name,
        icon=":material/hide_image:",
        help="Covers it where it decides, in up to 100 of these photos, and lets the model look again; and, five "
        "times, as much elsewhere in each.",
    )
    if made is not None:
        st.markdown(text.markdown(f"{made.words[0].upper()}{made.words[1:]}."))


def _gallery(
    frozen: Backbone,
    found: Evidence,
    pairs: view.Pairs,
    number: int,
    shown: Sequence[tuple[int, int | None]],
    class_name: str | None = None,
    repeat: Repeat | None = None,
) -> None:
    """Draw photos, or regions of them, and below these the one that is opened: at its region, and for this class."""
    tiles = [view.tile(session, frozen, found, number, *each, repeat) for each in shown]

    def choose(tile: str) -> None:
        session.evidence = session.evidence.opening(tile, class_name)

    photo_strip(f"evidence {number}", tiles, session.evidence.opened, choose)
    if session.evidence.opened in [tile.key for tile in tiles]:
        labelled.show_opened(session, frozen, pairs)


def _groups(frozen: Backbone, found: Evidence, pairs: view.Pairs) -> None:
    if not found.groups.found:
        return
    st.header(
        "Groups that fail",
        anchor=False,
        help="Dark or pale photos, photos that look alike, and those that hold a cluster: those with more mistakes and "
        "near mistakes than the others (Fisher's exact test, corrected for the number of groups). Nothing is said of "
        f"groups of fewer than {LEAST} photos.",
    )
    for number, group in enumerate(found.groups.found, _GROUPS):
        right, others = map(charts.proportion_in_words, (group.accuracy, group.rest))
        common = f" In common: {text.markdown(', '.join(group.common))}." if group.common else ""
        st.markdown(f"**{text.markdown(group.name)}:** {right}; the others {others}.{common}")
        _gallery(frozen, found, pairs, number, [(i, None) for i in group.photos[:_MOST]])


def _regions(pairs: view.Pairs) -> None:
    key = tuple((photo.sha256, name) for photo, name in pairs), session.training.version, session.training.scales()
    found: Evidence | None = made_on_click(
        session,
        "evidence",
        key,
        lambda: view.task(session, resources.backbones(), pairs, key),
        "Evidence",
        f"Find what each class relies on in {len(pairs)} photos",
        key="find evidence",
        type="primary",
        icon=":material/search_insights:",
    )
    if found is None:
        takes = len(pairs) * (_SORTING + (session.training.seconds_a_view or _ENCODING))
        st.caption(f"Takes {time_in_words(takes)}, and less where the photos are encoded: each is looked at once.")
        return
    frozen = resources.backbone(session.training.backbone_name)
    names = [one.class_name for one in found.classes]
    repeated = [one.class_name for one in found.classes if one.repeat]
    each = found.of(one_of("Class shown", names, "evidence class_name", (repeated or names)[0]))
    if repeated and repeated != [each.class_name]:
        st.markdown(f"Something repeats in the photos of {text.markdown(listed(repeated))}.")
    _clusters(frozen, found, each, pairs, key)
    _groups(frozen, found, pairs)


page_header("Evidence", "What does each class rely on, and what does each prompt say?")
pile, labelled_photos = labelled.choose_photos(session, "what each class relies on, and what each prompt says")
if labelled_photos:
    opened, there = tabs(("Regions", "Prompts"), "evidence tab")
    with there, problems_shown():
        if opened == "Regions":
            _regions(labelled_photos)
        else:
            each_prompt(session, pile, labelled_photos)
