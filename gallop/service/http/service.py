"""What the service answers: how it reads forms, decodes and answers photos, and refuses. /openapi.json describes it.

A few threads decode, one asks the model. A request decodes its photos one after the other, so that others come between,
and large photos wait for each other, so that small ones pass them.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar

import torch
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.exceptions import HTTPException as NoRoute
from starlette.formparsers import MultiPartException, MultiPartParser
from torch import Tensor

from gallop import __version__
from gallop.errors import GallopError, ImageError, ImageTooLarge, is_gpu_trouble
from gallop.estimator import GalLoPClassifier
from gallop.features.encoding import encode_pixels, in_batches, readers
from gallop.features.preparing import prepare
from gallop.images import DEFAULT_LIMITS, ImageLimits, declared_pixels, load_image
from gallop.maps.plots import explanation_png
from gallop.predictions.explanation import Explanation, explain_photos
from gallop.predictions.predict import predict
from gallop.predictions.rows import answer_of, explained_row, said_of_one
from gallop.runtime.process import collect_since, trim
from gallop.service.http.options import ServeOptions
from gallop.wording import listed, one_line, shortened

T = TypeVar("T")

# Paths that are answered while the service stops, too; and those that need no key, not being about a photo or a model.
STATE = ("/health", "/health/live", "/health/ready")
OPEN = ("/openapi.json", "/health", "/health/live", "/health/ready")
# Seconds in which a sender has to send something; seconds in which a request may arrive at any rate, and the bytes a
# second that it must arrive at from then on.
SILENCE, PATIENCE, LEAST_RATE = 10.0, 30.0, 64 * 1024
# So many of the largest requests may be held at a time.
BODIES = 4

ClassName = Annotated[
    str | None, Query(alias="class", max_length=200, description="the class to explain; by default the predicted one")
]
Format = Annotated[
    Literal["json", "png"] | None,
    Query(alias="format", description="json or png; by default as the Accept header says"),
]
# A photo of more pixels takes longer to decode than all else that it costs.
_LARGE = 2_000_000
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": f"an error, as {{error: {{code, message}}}}: {words}"}
    for status, words in {
        401: "no key, or an unknown one",
        403: "an address of a photo, or a page of another site",
        408: "the request arrived too slowly",
        413: "too large, or too many photos or pixels",
        415: "not a multipart form, or a compressed body",
        421: "a host name that the service does not accept",
        422: "no photo, or one that cannot be read",
        429: "too busy; see Retry-After",
        503: "stopping, timed out, or out of memory",
    }.items()
}
_PHOTOS = {
    "type": "object",
    "properties": {"photo": {"type": "array", "items": {"type": "string", "format": "binary"}}},
}
_FORM = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _PHOTOS}}}}
_HEADERS = {
    401: {"www-authenticate": "Bearer"},
    408: {"connection": "close"},
    429: {"retry-after": "3"},
    503: {"retry-after": "5"},
}


class Refusal(HTTPException, GallopError):
    """A request, or a photo of one, that is not answered: what is wrong and what to do, and the same in a word."""

    def __init__(self, sentence: str, status: int = 400, code: str = "bad_request") -> None:
        super().__init__(status, {"code": code, "message": sentence}, _HEADERS.get(status))
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


def refusal_of(error: BaseException) -> Refusal:
    """Return the refusal for an error.

    The library's messages about photos are about the request; all others are about this machine, and stay in its log.
    """
    if isinstance(error, Refusal):
        return error
    if isinstance(error, ImageError):
        code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
        return Refusal(str(error), 413 if isinstance(error, ImageTooLarge) else 422, code)
    if isinstance(error, RequestValidationError):
        wrong = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
        return Refusal(f"The address has an invalid parameter ({wrong}).", 422, "bad_parameter")
    if isinstance(error, NoRoute):
        code = "wrong_method" if error.status_code == 405 else "not_found"
        return Refusal(f"{error.detail} at this address: see /openapi.json.", error.status_code, code)
    if isinstance(error, MemoryError) or is_gpu_trouble(error) or "can't allocate memory" in str(error):
        why = "The service does not have enough memory now: try again later, or send fewer photos at once."
        return Refusal(why, 503, "no_memory")
    return Refusal(
        "Something went wrong in the service; the details are in its log. Ask its operator, and quote the x-request-id "
        "of this response.",
        500,
        "internal",
    )


def error_answer(error: BaseException) -> Response:
    """Return the response to a request that is refused, or that fails."""
    refusal = refusal_of(error)
    return JSONResponse(
        {"error": refusal.detail}, refusal.status_code, getattr(error, "headers", None) or refusal.headers
    )


class Service:
    """A model, the threads that answer, and what is being answered.

    Attributes:
        held: bytes of requests in memory.
        here: requests that are being answered.
        waiting: photos that wait for an answer.
        stopping: whether new ones are refused.

    Raises:
        CheckpointError, BackboneError: the model cannot be loaded.
    """

    def __init__(self, options: ServeOptions) -> None:
        self.options, self.held, self.here, self.waiting, self.stopping = options, 0, 0, 0, False
        # On this thread, before there are others: a signal to stop while one is inside torch would abort the process.
        self.classifier = GalLoPClassifier.load(options.model, backbone=options.backbone, device=options.device)
        self.classifier.model_.cached_text_features()
        threads = readers(self.classifier.model_.backbone.device)
        self._readers, self._worker = ThreadPoolExecutor(threads), ThreadPoolExecutor(1)
        self._large = asyncio.Semaphore(max(threads - 1, 1))

    def close(self) -> None:
        """End the threads."""
        for pool in (self._readers, self._worker):
            pool.shutdown(cancel_futures=True)

    async def tidy(self) -> None:
        """Return free memory to the system, if nobody waits."""
        if not self.waiting and collect_since():
            trim()

    async def predict(self, photos: Sequence[bytes]) -> list[dict[str, Any]]:
        """Return an answer for each photo of a request, or why there is none.

        Raises:
            Refusal: there is no room for them, they have too many pixels, or no photo can be read.
        """
        answers = list[dict[str, Any] | Refusal]()
        with self._room(photos):
            for some in in_batches(list(enumerate(photos, 1))):
                read = [await self._read(number, photo) for number, photo in some]
                pixels = [one for one in read if not isinstance(one, Refusal)]
                found = iter(await _on(self._worker, self._answers, pixels) if pixels else ())
                answers += [one if isinstance(one, Refusal) else next(found) for one in read]
        refused = [one for one in answers if isinstance(one, Refusal)]
        if len(refused) == len(answers):
            raise refused[0]
        return [{"error": one.detail} if isinstance(one, Refusal) else one for one in answers]

    async def explain(self, photos: Sequence[bytes], shown: str | None, present: Callable[[Explanation, str], T]) -> T:
        """Return why the one photo of a request got its answer, by the scores of one class, or of the predicted one.

        Args:
            present: makes the response from the explanation and the name of that class.

        Raises:
            Refusal, ImageError: as ``predict``; there is no such class, or not one photo.
        """
        if len(photos) != 1:
            raise Refusal("Only one photo can be explained at a time: send a single photo.", 422, "several_photos")
        known = self.classifier.model_.class_names
        if shown is not None and shown not in known:
            raise Refusal(f"There is no such class. The classes are {listed(known)}.", 422, "no_class")
        with self._room(photos):  # of those, the one thread has one in memory in full size
            return await _on(self._worker, self._explained, photos[0], shown, present)

    @contextmanager
    def _room(self, photos: Sequence[bytes]) -> Iterator[None]:
        """Hold places for the photos of a request."""
        most, megapixels = self.options.megapixels, sum(map(declared_pixels, photos)) / 1e6
        if megapixels > most:
            why = (
                f"The photos have {megapixels:.0f} megapixels in total, but the limit per request is {most} megapixels"
            )
            raise Refusal(f"{why}: send fewer photos at once, or make them smaller.", 413, "too_many_pixels")
        if self.waiting + len(photos) > self.options.queue:
            why = f"The service is busy: {self.waiting} photos are waiting, of at most {self.options.queue}"
            raise Refusal(f"{why}. Try again in a few seconds.", 429, "busy")
        self.waiting += len(photos)
        try:
            yield
        finally:
            self.waiting -= len(photos)

    async def _read(self, number: int, photo: bytes) -> list[Tensor] | Refusal:
        async with self._large if declared_pixels(photo) > _LARGE else nullcontext():
            try:
                return await _on(self._readers, self._pixels, number, photo)
            except ImageError as error:
                return refusal_of(error)

    def _pixels(self, number: int, photo: bytes) -> list[Tensor]:
        """The pixels (3, H, W) of each look."""
        model, names = self.classifier.model_, [f"photo {number}"]
        times, limits = model.sight.times, _limits(photo)
        prepared = prepare([photo], model.backbone.preprocess, times, names=names, limits=limits)
        return [look[0] for look in prepared.looks]

    def _answers(self, photos: Sequence[list[Tensor]]) -> list[dict[str, Any]]:
        model = self.classifier.model_
        looks = [torch.stack(look) for look in zip(*photos, strict=True)]
        found = predict(model, self.classifier.calibration_, encode_pixels(model.backbone, looks, model.sight))
        return [answer_of(found, i, model.class_names) for i in range(len(photos))]

    def _explained(self, photo: bytes, shown: str | None, present: Callable[[Explanation, str], T]) -> T:
        asked = [load_image(photo, name="photo 1", limits=_limits(photo))]
        (why,) = explain_photos(self.classifier.model_, asked, self.classifier.calibration_)
        return present(why, shown or why.label)


async def _on(pool: ThreadPoolExecutor, work: Callable[..., T], *words: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, work, *words)


def _limits(photo: bytes) -> ImageLimits:
    """Those that its header declares, which may say two things."""
    return replace(DEFAULT_LIMITS, max_pixels=declared_pixels(photo) or DEFAULT_LIMITS.max_pixels)


def explained(why: Explanation, shown: str) -> dict[str, Any]:
    """Return an explanation as the fields of an answer."""
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
        "seen": [round(side, 2) for side in (why.crop.left, why.crop.top, why.crop.right, why.crop.bottom)],
    }


def make_app(service: Service) -> FastAPI:
    """Return the application of a service."""

    async def refuse(request: Request, error: Exception) -> Response:
        return error_answer(error)

    async def answer(request: Request, ask: Callable[..., Coroutine[Any, Any, T]], *more: Any) -> T:
        photos = await _photos_of(request, service)
        request.scope["facts"]["photos"] = len(photos)
        return await _while_wanted(request, ask(photos, *more), service.options.answer_within)

    name = service.options.name
    app = FastAPI(
        title="GalLoP Explorer",
        version=__version__,
        summary="Classifies photos, and shows which prompts and regions decided.",
        docs_url=None,  # FastAPI's pages load their scripts from another server
        redoc_url=None,
        redirect_slashes=False,
        responses=_ERRORS,
        exception_handlers=dict.fromkeys((ImageError, NoRoute, RequestValidationError, Exception), refuse),
    )

    @app.post("/predict", summary="Classify photos", openapi_extra=_FORM)
    async def predict(request: Request) -> Response:
        return JSONResponse({"model": name, "photos": await answer(request, service.predict)})

    @app.post(
        "/explain",
        summary="Show which prompts and regions decided",
        responses={200: {"content": {"image/png": {}}}},
        openapi_extra=_FORM,
    )
    async def explain(request: Request, shown: ClassName = None, form: Format = None) -> Response:
        accepted = request.headers.get("accept", "")
        if form == "png" or (form is None and "image/png" in accepted and "json" not in accepted):
            return Response(await answer(request, service.explain, shown, explanation_png), media_type="image/png")
        return JSONResponse({"model": name, **await answer(request, service.explain, shown, explained)})

    @app.get("/classes", summary="List the classes of the model")
    async def classes() -> dict[str, Any]:
        model, limits = service.classifier.model_, service.classifier.calibration_
        return {
            "model": name,
            "classes": model.class_names,
            "backbone": model.backbone.name,
            "threshold": limits.threshold,
            "temperature": limits.temperature,
        }

    @app.get("/health/live", summary="Check whether the service is alive")
    @app.get("/health/ready", summary="Check whether the service accepts requests")
    @app.get("/health", summary="Check whether the service accepts requests")
    async def health(request: Request) -> Response:
        ready = not service.stopping
        status = 200 if ready or request.url.path.endswith("live") else 503
        return JSONResponse({"status": "ready" if ready else "stopping", "live": True, "ready": ready}, status)

    return app


async def _photos_of(request: Request, service: Service) -> list[bytes]:
    """Read a request's form to its end, within limits of size and time, and never onto a disk."""
    headers, most = request.headers, service.options.photos
    if not headers.get("content-type", "").lower().startswith("multipart/form-data"):
        how = "Send photos as multipart/form-data, in fields called 'photo': curl -F photo=@cat.jpg"
        raise Refusal(how, 415, "not_multipart")
    if headers.get("content-encoding", "identity").lower() != "identity":
        why = "The body is compressed (Content-Encoding), which is not supported: send the form uncompressed."
        raise Refusal(why, 415, "compressed")
    parser = _InMemory(headers, _pieces(request, service), max_files=most)
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError) as error:  # older versions of starlette pass on the parser's error
        if str(error).startswith("Too many"):
            raise Refusal(f"A request may contain at most {most} photos: split it.", 413, "too_many_photos") from error
        why = "The body is not a valid multipart form: use a library or curl -F to create it."
        raise Refusal(why, 400, "bad_form") from error
    if not parser.complete:
        raise Refusal("The form is truncated (no closing boundary): send the entire form again.", 400, "bad_form")
    photos = list[bytes]()
    for name, value in form.multi_items():
        if name == "url":
            raise Refusal("This service does not fetch photos from URLs: send the file itself.", 403, "no_urls")
        if name != "photo" or isinstance(value, str):
            why = f"The field {shortened(one_line(name), 80)!r} is not known, or no file"
            raise Refusal(f"{why}: send photos as files in fields called 'photo'.", 422, "bad_field")
        photos.append(value.file.read())
    if not photos:
        raise Refusal("The form contains no photos: send files in fields called 'photo'.", 422, "no_photo")
    return photos


async def _pieces(request: Request, service: Service) -> AsyncGenerator[bytes, None]:
    """Yield the body as it arrives; what is yielded counts as held until the request ends."""
    facts, most, start, more = request.scope["facts"], service.options.body, time.monotonic(), True
    size = int(request.headers.get("content-length", 0))
    while more or size > most:
        if size > most:
            why = f"The request is larger than {most / 2**20:g} MB: send fewer or smaller photos."
            raise Refusal(why, 413, "too_large")
        left = start + PATIENCE + facts["bytes"] / LEAST_RATE - time.monotonic()
        try:
            message = await asyncio.wait_for(request.receive(), max(min(SILENCE, left), 0.0))
        except asyncio.TimeoutError as error:
            why = (
                f"The request arrived too slowly: data must arrive at least every {SILENCE:g} s and, after the first "
                f"{PATIENCE:g} s, at {LEAST_RATE // 1024} KB per second or more. Try again, or send smaller photos."
            )
            raise Refusal(why, 408, "too_slow") from error
        piece, more = message.get("body", b""), message.get("more_body", False)
        if message["type"] != "http.request":
            raise Refusal("The client has disconnected.", 499, "gone")
        if (size := max(size, facts["bytes"] + len(piece))) <= most:  # else it is refused, and this piece never held
            if service.held + len(piece) > BODIES * most:
                raise Refusal("The service is busy: its memory for photos is full. Try again soon.", 429, "busy")
            service.held += len(piece)
            facts["bytes"] += len(piece)
            yield piece


class _InMemory(MultiPartParser):
    """Starlette's parser, but it never writes photos of over a megabyte to a file."""

    spool_max_size = 2**62
    complete = False  # whether the closing boundary has arrived

    def on_end(self) -> None:
        self.complete = True

    def on_headers_finished(self) -> None:
        """Treat a part as a file if it has its name in the extended form alone, as some clients send it."""
        header = self._current_part.content_disposition or b""
        if b"filename" not in parse_options_header(header)[1]:
            self._current_part.content_disposition = re.sub(rb"(?i);\s*filename\*=", b"; filename=", header)
        super().on_headers_finished()


async def _while_wanted(request: Request, work: Coroutine[Any, Any, T], seconds: float) -> T:
    """Return the result of the work; stop it if the sender of a request, which was read to its end, disconnects, or
    after so many seconds.
    """
    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(request.receive())
    watching.add_done_callback(lambda _: working.cancel())
    try:
        return await asyncio.wait_for(working, seconds)
    except asyncio.TimeoutError as error:
        why = f"The service is too busy and did not answer within {seconds:g} s"
        raise Refusal(f"{why}: try again later, or send fewer photos at once.", 503, "late") from error
    except asyncio.CancelledError as error:
        raise Refusal("The client has disconnected, or the service has ended.", 499, "gone") from error
    finally:
        watching.cancel()
