"""What each class relies on, for the page: work as jobs, photos as tiles and as points of a map. Knows no Streamlit."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

from app.jobs import Work, counted_steps
from app.library import Backbone, Evidence, Explanation, Repeat
from app.photos.shelf import thumbnail_url
from app.shared_backbones import BackboneRoom, on_backbone
from app.views.exploring import PhotoTile
from app.views.testing import lit_url, region_url, taught_question
from app.visitor.page_state import AskedRegion, Question
from app.visitor.session import Session
from gallop import Photo

Pairs = Sequence[tuple[Photo, str]]


def task(
    session: Session,
    room: BackboneRoom,
    pairs: Pairs,
    key: Hashable,
    covered: tuple[Evidence, str, int] | None = None,
) -> Work:
    """Return the work that finds the ``Evidence`` over photos at the current scales, or covers a cluster: a ``WhatIf``.

    Args:
        pairs: each photo with its class.
        key: returned with the result.
        covered: the evidence, and which cluster of which class.
    """
    (photos, names), topk = zip(*pairs, strict=True), session.training.scales()

    def make(frozen: Backbone) -> Work:
        from gallop.evaluation.evidence import evidence_steps
        from gallop.evaluation.what_if import what_if

        classifier = copy.copy(session.answers.classifier(frozen, taught_question(session)))
        classifier.cache, model = session.photos.features(), classifier.model_
        classifier.model_ = model.with_config(replace(model.config, topk=topk))
        steps = what_if(classifier, *covered) if covered else evidence_steps(classifier, photos, names)
        return counted_steps(steps, key)

    return on_backbone(room, session.training.backbone_name, make)


def where_else(
    session: Session,
    room: BackboneRoom,
    photo: Photo,
    question: Question,
    asked: AskedRegion,
    class_name: str | None,
    key: Hashable,
) -> Work:
    """Return the work that finds a region in the other photos: pictures, with what each adds to its photo's score.

    Args:
        class_name: whose score; that of the most probable class if None.
        key: returned with the name of the class and, for each region, its picture, words, what it adds, and its photo.
    """
    photos, topk = session.photos.others(photo), session.training.scales() if question.taught else None

    def steps(frozen: Backbone) -> Work:
        from gallop.predictions.alike import where_else

        model = session.answers.classifier(frozen, question).model_
        grid, name = model.sight.grids(frozen)[-1], class_name or session.answers.explain(frozen, photo, question).label
        found = where_else(model, photo, asked.on(grid), photos, name, topk=topk, cache=session.photos.features())
        _, regions = yield from counted_steps(found, key)
        made = [
            (region_url(frozen, other, each.region, grid), f"cosine {each.cosine:.2f}", each.adds, other.name)
            for each in regions
            for other in [photos[each.photo]]
        ]
        return key, (name, made)

    return on_backbone(room, session.training.backbone_name, steps)


def deletion(
    session: Session, room: BackboneRoom, question: Question, explanation: Explanation, class_name: str, key: Hashable
) -> Work:
    """Return the work that plays the deletion game with the map of a class: a ``Deletion``, with ``key``."""

    def steps(frozen: Backbone) -> Work:
        from gallop.predictions.faithfulness import deletion

        model = session.answers.classifier(frozen, question).model_
        return counted_steps(deletion(model, explanation, class_name), key)

    return on_backbone(room, session.training.backbone_name, steps)


def tile(
    session: Session,
    frozen: Backbone,
    found: Evidence,
    gallery: int,
    i: int,
    region: int | None,
    repeat: Repeat | None = None,
) -> PhotoTile:
    """Return a photo of the evidence, by index, whole, at a region or with what repeats lit, with its answer; its key
    names the gallery.
    """
    photo: Any = found.data.photos[i]
    place, grid = found.place(region or 0)

    def drawn() -> str:
        if repeat is not None:
            return lit_url(frozen, photo, repeat.of(i).numpy())
        return thumbnail_url(photo.image) if region is None else region_url(frozen, photo, place, grid)

    url = session.answers.thumbnail(photo, drawn, of=("evidence", region, repeat and repeat.gap))
    truth, answer = (found.data.class_names[of[i]] for of in (found.truth, found.predicted))
    words = "" if answer == truth else f"really {truth}"
    key = f"{photo.sha256} 0 {'-' if region is None else place} {gallery}"
    return PhotoTile(key, answer, url, words, about=photo.name)
