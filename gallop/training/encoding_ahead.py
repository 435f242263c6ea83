"""What a training will ask for, encoded before anybody starts it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gallop.backbones import Backbone
from gallop.config import MethodConfig, TrainConfig
from gallop.data import PhotoSource
from gallop.features.encoding import Cache, Sight, TrainingViews, encode_centres
from gallop.model.branches.kinds import sight_of
from gallop.training.learn import EncodeEvent


def encode_ahead(
    backbone: Backbone,
    photos: Sequence[PhotoSource],
    config: TrainConfig,
    cache: Cache,
    method: MethodConfig | None = None,
) -> Iterator[EncodeEvent]:
    """Encode photos into a cache as they come in, so that ``learn`` with this seed and these views encodes nothing.

    Their centre crops are among them: held-out shots are scored on those, and ``encode_centres`` finds them there.

    Args:
        method: whose looks are taken; None is one look.
    """
    method = method or MethodConfig()
    total = len(photos) * (config.views + 1)
    done = 0
    for part in encode_centres(backbone, photos, cache, sight=sight_of(method, "answers")):
        done += len(part)
        yield EncodeEvent(done, total)
    sight = Sight(method.looks("training"))
    kept = TrainingViews(backbone, photos, views=config.views, seed=config.seed, cache=cache, sight=sight)
    for views in kept.encode():
        yield EncodeEvent(done + views, total)
