"""The state that all requests of a service share, and how it decodes, crops and answers photos."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

from httpcore import AsyncNetworkBackend
from PIL import Image
from torch import Tensor

from gallop.backbones.device import pick_device
from gallop.backbones.preprocess import Preprocess
from gallop.estimator import GalLoPClassifier
from gallop.features.encoding import readers
from gallop.images import DEFAULT_LIMITS, CropBox, declared_pixels, decode_image
from gallop.images.formats import too_large
from gallop.names.class_names import clean_name
from gallop.predictions.explanation import Explanation
from gallop.predictions.rows import explained_row, said_of_one
from gallop.runtime.public_web import BadAddress, NotFetched, NotPublic, PublicOnly, fetch
from gallop.service.http.batching import Batcher, PhotoQuestion
from gallop.service.http.bodies import BODIES, HeldBytes, Sent
from gallop.service.http.models import ServedModels
from gallop.service.http.options import ServeOptions
from gallop.service.http.refusals import Refusal, refusal_of
from gallop.service.http.turns import Slots
from gallop.service.http.watching import Metrics
from gallop.wording import listed

T = TypeVar("T")

_BESIDE = 2_000_000  # pixels that take about as long to decode as all else that a photo costs
EXPLAINED_AT_ONCE = 2
"""Photos that are held in memory in full size, with up to 120 MB of pixels each, while they are explained."""


class Service:
    """Models, their queue, and the threads beside it.

    Args:
        backend: what connects where photos are fetched.

    Attributes:
        metrics: its metrics.
        bodies: the bytes of requests in memory.
        here: requests that are being answered.
        stopping: whether new ones are refused.

    Raises:
        CheckpointError, BackboneError: a model cannot be loaded.
    """

    def __init__(self, options: ServeOptions, backend: AsyncNetworkBackend | None = None) -> None:
        self.options, self.metrics = options, Metrics()
        self.bodies = HeldBytes(BODIES * options.body)
        self.here, self.stopping = 0, False
        self._backend = backend or PublicOnly()
        # On this thread, before there are others: a signal to stop while one is inside torch would abort the process.
        self._models = ServedModels(options, self.metrics)
        self._batcher = Batcher(
            self._models.answer, most=options.batch, wait=options.wait, room=options.queue, heard=self.metrics.batch
        )
        threads = readers(pick_device(options.device))
        self._readers, self._reading = ThreadPoolExecutor(threads, "gallop-photos"), Slots(threads)
        self._painter = ThreadPoolExecutor(1, "gallop-pictures")
        self._explained = asyncio.Semaphore(EXPLAINED_AT_ONCE)

    def close(self) -> None:
        """Answer the waiting requests, and end the threads."""
        self.stopping = True
        self._batcher.close()
        for pool in (self._readers, self._painter):
            pool.shutdown(cancel_futures=True)

    @property
    def live(self) -> bool:
        return self._batcher.thread.is_alive()

    def classifier(self, name: str) -> GalLoPClassifier:
        """Return a model.

        Raises:
            Refusal: there is no model of this name.
        """
        if name not in self._models.classifiers:
            raise Refusal(
                f"There is no such model. The models are {listed(list(self.options.models))}.", 404, "no_model"
            )
        return self._models.classifiers[name]

    def figures(self) -> bytes:
        self.metrics.waiting.set(self._batcher.waiting)
        self.metrics.bodies.set(self.bodies.now)
        return self.metrics.text()

    async def predict(self, name: str, sent: Sent, more: Callable[[int], None]) -> list[dict[str, Any] | Refusal]:
        """Return an answer for each photo of a request, or why there is none.

        Args:
            more: is called with each number of bytes that is fetched.

        Raises:
            Refusal: there is no room for them, they have too many pixels, or addresses are not allowed.
        """
        self._check(sent)
        with self._batcher.places(sent.count):
            photos = await self._photos(sent, more)

            async def answer(number: int, photo: bytes | Refusal, count: int) -> Any:
                pixels, *_ = await self._read(name, sent, photo, number, count)
                return await self._asked(PhotoQuestion(name, pixels))

            results = await asyncio.gather(
                *map(answer, itertools.count(1), photos, self._pixels(photos)), return_exceptions=True
            )
        return [one if isinstance(one, dict) else _refused(one) for one in results]

    async def explain(
        self, name: str, sent: Sent, more: Callable[[int], None], shown: str | None, present: Callable[..., T]
    ) -> T:
        """Return why the one photo of a request got its answer, by the scores of one class, or of the predicted one.

        Args:
            present: makes the response from the explanation and the name of that class.

        Raises:
            Refusal, ImageError: as ``predict``; there is no such class, or not one photo.
        """
        self._check(sent)
        if sent.count != 1:
            raise Refusal("Only one photo can be explained at a time: send a single photo.", 422, "several_photos")
        known = self.classifier(name).model_.class_names
        wanted = None if shown is None else clean_name(shown)
        if wanted is not None and wanted not in known:
            raise Refusal(f"There is no class {wanted!r}. The classes are {listed(known)}.", 422, "no_class")
        with self._batcher.places(1):
            (photo,) = photos = await self._photos(sent, more)
            (count,) = self._pixels(photos)
            async with self._explained:
                pixels, crop, image = await self._read(name, sent, photo, 1, count)
                why: Explanation = await self._asked(PhotoQuestion(name, pixels, image, crop))
                return await asyncio.get_running_loop().run_in_executor(
                    self._painter, present, why, wanted or why.label
                )

    def _check(self, sent: Sent) -> None:
        if sent.urls and not self.options.allow_urls:
            raise Refusal(
                "This service does not fetch photos from URLs: send the file itself, or ask the operator to start "
                "the service with --allow-urls.",
                403,
                "no_urls",
            )

    async def _photos(self, sent: Sent, more: Callable[[int], None]) -> list[bytes | Refusal]:
        """The bytes of all photos; those at addresses are fetched, all at the same time."""
        fetching = (
            fetch_photo(url, number, more, self._backend) for number, url in enumerate(sent.urls, len(sent.photos) + 1)
        )
        fetched = await asyncio.gather(*fetching, return_exceptions=True)
        return [*sent.photos, *(photo if isinstance(photo, bytes) else _refused(photo) for photo in fetched)]

    def _pixels(self, photos: Sequence[bytes | Refusal]) -> list[int]:
        """How many pixels each has by its header.

        Raises:
            Refusal: a request may not have so many pixels.
        """
        pixels = [0 if isinstance(photo, Refusal) else declared_pixels(photo) for photo in photos]
        if sum(pixels) > self.options.megapixels * 1_000_000:
            raise Refusal(
                f"The photos have {sum(pixels) / 1e6:.0f} megapixels in total, but the limit per request is "
                f"{self.options.megapixels} megapixels: send fewer photos at once, or make them smaller.",
                413,
                "too_many_pixels",
            )
        return pixels

    async def _read(self, name: str, sent: Sent, photo: bytes | Refusal, number: int, count: int) -> _Prepared:
        if isinstance(photo, Refusal):
            raise photo
        model, loop = self.classifier(name).model_, asyncio.get_running_loop()
        async with self._reading.one(sent, _BESIDE + count):
            return await loop.run_in_executor(
                self._readers, _prepared, photo, number, count, model.backbone.preprocess, model.sight.times
            )

    async def _asked(self, question: PhotoQuestion) -> Any:
        return await asyncio.wrap_future(self._batcher.ask(question))


_Prepared: TypeAlias = tuple[tuple[Tensor, ...], CropBox, Image.Image]
"""The pixels of each look, the part of the photo that they show, and the photo."""


def _prepared(photo: bytes, number: int, count: int, preprocess: Preprocess, looks: Sequence[float]) -> _Prepared:
    limits = replace(DEFAULT_LIMITS, max_pixels=count or DEFAULT_LIMITS.max_pixels)  # a header may say two things
    image = decode_image(photo, f"photo {number}", limits).image
    seen = [preprocess.centre(image, times) for times in looks]
    return tuple(pixels for pixels, _ in seen), seen[0][1], image


def explained(why: Explanation, shown: str) -> dict[str, Any]:
    """Return an explanation as the fields of an answer."""
    crop = why.crop
    return {
        **explained_row(why, shown),
        "probability": why.probabilities[why.label],
        "probabilities": why.probabilities,
        "probabilities_global": why.global_probabilities,
        "probabilities_local": why.local_probabilities,
        "ood_score": why.ood_score,
        "is_ood": why.is_ood,
        **said_of_one(why.label, why.is_ood, why.class_names),
        "size": why.image.size,
        "seen": [round(side, 2) for side in (crop.left, crop.top, crop.right, crop.bottom)],
    }


def _refused(error: BaseException) -> Refusal:
    """Return the refusal of one photo; a mistake of ours is raised, and fails the entire request."""
    refusal = refusal_of(error)
    if refusal is None:
        raise error
    return refusal


async def fetch_photo(url: str, number: int, more: Callable[[int], None], backend: AsyncNetworkBackend) -> bytes:
    """Return the content of an address of the web, with the limits that photos have.

    Args:
        number: which photo of the request it is.
        more: is called with each number of bytes.

    Raises:
        Refusal: the address is of another kind or not public, does not answer in time, or not with a picture.
        ImageError: it has more bytes than a photo may have.
    """
    most = DEFAULT_LIMITS.max_bytes
    try:
        data, _ = await fetch(url, most + 1, backend, more=more)
    except Refusal as error:
        raise Refusal(
            f"Photo {number} could not be fetched. {error}", error.status, error.code, error.retry_after
        ) from None
    except OSError as error:
        code = "bad_url" if isinstance(error, BadAddress) else "not_fetched"
        raise Refusal(f"Photo {number} could not be fetched from its URL: {_why(error)}.", 422, code) from error
    if len(data) > most:
        raise too_large(f"photo {number}", DEFAULT_LIMITS)
    return data


def _why(error: OSError) -> str:
    """One reason for all failed connections, so that it reveals nothing about a private network."""
    if isinstance(error, NotPublic) or not isinstance(error, (NotFetched, TimeoutError)):
        return "it does not lead to a public server that responds"
    return str(error)
