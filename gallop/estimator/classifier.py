"""``GalLoPClassifier``: its parts put together, each of which is a module beside this one."""

from __future__ import annotations

from gallop.errors import suggesting
from gallop.estimator.answers import AnswersAndReasons
from gallop.estimator.class_list import ClassList
from gallop.estimator.detail import Detail
from gallop.estimator.more_shots import MoreShots
from gallop.estimator.on_hub import ModelOnHub


@suggesting
class GalLoPClassifier(MoreShots, ClassList, Detail, AnswersAndReasons, ModelOnHub):
    """Few-shot image classification with global and local prompts, and "none of these".

    Args:
        backbone: name for ``load_backbone``, or a ``Backbone`` (frozen, so several classifiers may share it).
        preset: of method and training: "default", chosen by measurement on ``mini``; "paper"; "tower", which is the
            first for ``mini`` and the second for every other backbone; or a ``TrainConfig`` beside the method of
            "tower". What is not None below replaces its values.
        global_prompts: M, how many there are.
        topk: one k a local prompt.
        local_prompts: N, with k = 5, 10, ...; only used when ``topk`` is None.
        dropout: p of prompt dropout.
        local_projection: learn the projection of the regions; without, it stays the identity.
        head: kind of the head beside the prompts, or "none".
        detail: how many times as large a photo is looked at once more; 1: it is not.
        method: a ``MethodConfig`` in place of the preset's method, with further settings; arguments go before it.
        shots: images a class drawn by ``fit``, by the seed and what is on them; None takes all.
        allow_fewer: take what there is where a class has fewer than ``shots``.
        cache: folder of the feature cache; None is the user's, False keeps nothing; or a cache, such as a MemoryCache.
            ``FeatureCache(folder, kept=torch.float32)`` rounds no feature to half precision, as the others do.
        warm_start: ``fit`` goes on from the prompts there are, as when classes were added or photos corrected.
        device: "auto", "cpu" or "cuda"; it and ``regions`` are for a backbone given by its name.
        regions: kind of a ViT's region features: "value" or another of ``REGION_KINDS``, as for ``load_backbone``.
        keep_shots: ``save`` writes the features of single shots too, where there is a head: a ridge regression
            then tells which of them voted, and logistic regression learns from more. Never photos or paths.

    After fitting: ``classes_`` (K names), ``calibration_`` (temperature, threshold, note), ``history_`` (each step),
    ``training_`` (its settings), ``cross_fit_`` (held-out shots and prompts that never saw them; None after ``load``),
    ``skipped_`` (files, or rows of a table, that could not be read, with the reason).

    ``detail=2`` looks at every photo once more at twice the size; ``set_detail(2)`` lets a classifier do so that was
    taught without.

    >>> clf = GalLoPClassifier().fit("photos/train")  # doctest: +SKIP
    >>> clf.predict("photos/test/cat/001.jpg")  # doctest: +SKIP
    array(['cat'], dtype='<U3')
    """
