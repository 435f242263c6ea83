"""The routes of the service, and the one format of errors. /openapi.json describes them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from gallop import __version__
from gallop.errors import GallopError
from gallop.maps.plots import explanation_png
from gallop.service.http import schemas
from gallop.service.http.bodies import PHOTO, URL, read_form, while_wanted
from gallop.service.http.refusals import Refusal, mistake, refusal_of
from gallop.service.http.service import Service, explained
from gallop.service.http.watching import METRICS_TYPE

STATE = ("/health", "/health/live", "/health/ready", "/metrics")
"""Paths that are answered while the service stops, too."""
OPEN = ("/openapi.json", "/health", "/health/live", "/health/ready")
"""Paths that need no key: their answers are not about a photo or a model."""

ClassName = Annotated[
    str | None, Query(alias="class", max_length=200, description="the class to explain; by default the predicted one")
]
Format = Annotated[
    Literal["json", "png"] | None,
    Query(alias="format", description="json or png; by default as the Accept header says"),
]

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.ErrorAnswer, "description": words}
    for status, words in {
        401: "no key, or an unknown one",
        403: "an address where none are fetched, or a page of another site",
        404: "no such model",
        408: "the request arrived too slowly",
        413: "too large, or too many photos or pixels",
        415: "not a multipart form, or a compressed body",
        421: "a host name that the service does not accept",
        422: "no photo, or one that cannot be read",
        429: "too busy; see Retry-After",
        503: "stopping, timed out, or out of memory",
    }.items()
}
_router = APIRouter(responses=_ERRORS)  # of two addresses of one function, the lower is listed first
_NAME: Any = {
    "parameters": [
        {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}, "description": "model name"}
    ]
}


def _form(photo: dict[str, Any], url: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a request's body for OpenAPI."""
    content = {"multipart/form-data": {"schema": {"type": "object", "properties": {PHOTO: photo, URL: url}}}}
    return {"requestBody": {"required": True, "content": content}}


_FILE, _ADDRESS = {"type": "string", "format": "binary"}, {"type": "string", "format": "uri"}
_ONE = _form(_FILE, _ADDRESS)
_SEVERAL = _form({"type": "array", "items": _FILE}, {"type": "array", "items": _ADDRESS})
_predicted: Any = {"summary": "Classify photos", "response_model": schemas.PredictAnswer}
_explained: Any = {
    "summary": "Show which prompts and regions decided",
    "response_model": schemas.ExplainAnswer,
    "responses": {200: {"content": {"image/png": {}}}},
}
_state: Any = {
    "response_model": schemas.HealthAnswer,
    "responses": {503: {"model": schemas.HealthAnswer, "description": "not live or not ready"}},
}


@_router.post("/models/{name}/predict", openapi_extra=_SEVERAL | _NAME, **_predicted)
@_router.post("/predict", openapi_extra=_SEVERAL, **_predicted)
async def _predict(request: Request) -> Response:
    name, answers = await _answered(request, _service(request).predict)
    refused = [one for one in answers if isinstance(one, Refusal)]
    if len(refused) == len(answers):
        raise refused[0]
    return JSONResponse({"model": name, "photos": [one.body if isinstance(one, Refusal) else one for one in answers]})


@_router.post("/models/{name}/explain", openapi_extra=_ONE | _NAME, **_explained)
@_router.post("/explain", openapi_extra=_ONE, **_explained)
async def _explain(request: Request, shown: ClassName = None, form: Format = None) -> Response:
    accepted = request.headers.get("accept", "")
    as_picture = form == "png" or (form is None and "image/png" in accepted and "json" not in accepted)
    name, made = await _answered(
        request, _service(request).explain, shown, explanation_png if as_picture else explained
    )
    return Response(made, media_type="image/png") if as_picture else JSONResponse({"model": name, **made})


async def _answered(request: Request, ask: Callable[..., Coroutine[Any, Any, Any]], *more: Any) -> tuple[str, Any]:
    """The name of the requested model, and its answer to the form that was sent."""
    service, name = _service(request), _model_asked(request)
    with service.bodies.of_one() as count:
        sent = await read_form(request.receive, request.headers, service.options, count)
        _note(request, photos=sent.count)
        return name, await while_wanted(request.receive, ask(name, sent, count, *more), service.options.answer_within)


@_router.get("/models/{name}/classes", summary="List the classes of a model", openapi_extra=_NAME)
@_router.get("/classes", summary="List the classes of the default model")
async def _class_list(request: Request) -> schemas.ClassesAnswer:
    name = _model_asked(request)
    classifier = _service(request).classifier(name)
    model, calibration = classifier.model_, classifier.calibration_
    return schemas.ClassesAnswer(
        model=name,
        classes=list(model.class_names),
        backbone=model.backbone.name,
        threshold=calibration.threshold,
        temperature=calibration.temperature,
    )


@_router.get("/models", summary="List all models")
async def _model_list(request: Request) -> schemas.ModelsAnswer:
    service = _service(request)
    return schemas.ModelsAnswer(
        models=[
            schemas.ModelEntry(name=name, classes=len(service.classifier(name).model_.class_names))
            for name in service.options.models
        ]
    )


@_router.get("/health/ready", summary="Check whether the service accepts requests", **_state)
@_router.get("/health", summary="Check whether the service is alive and accepts requests", **_state)
async def _ready(request: Request) -> Response:
    return _health(_service(request), "ready")


@_router.get("/health/live", summary="Check whether the service is alive", **_state)
async def _live(request: Request) -> Response:
    return _health(_service(request), "live")


@_router.get("/metrics", summary="Get metrics for Prometheus", response_class=Response)
async def _metrics(request: Request) -> Response:
    return Response(_service(request).figures(), headers={"content-type": METRICS_TYPE})


def make_app(service: Service) -> FastAPI:
    """Return the application of a service."""
    app = FastAPI(
        title="GalLoP Explorer",
        version=__version__,
        summary="Classifies photos, and shows which prompts and regions decided.",
        docs_url=None,  # FastAPI's pages load their scripts from another server
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.include_router(_router)
    app.add_exception_handler(GallopError, _refused)
    app.add_exception_handler(HTTPException, _not_found)
    app.add_exception_handler(RequestValidationError, _bad_query)
    app.add_exception_handler(Exception, _refused)
    return app


def error_answer(refusal: Refusal) -> Response:
    """Return the response to a request that is refused."""
    return JSONResponse(refusal.body, refusal.status, refusal.headers)


async def _refused(request: Request, error: Exception) -> Response:
    refusal = refusal_of(error)
    if refusal is None and isinstance(error, GallopError):
        refusal = Refusal(str(error), 422, "bad_request")
    return error_answer(refusal or mistake())


async def _not_found(request: Request, error: Any) -> Response:
    if error.status_code == 405:
        refusal = Refusal("This address does not support this method: see /openapi.json.", 405, "wrong_method")
    else:
        refusal = Refusal("There is nothing at this address: see /openapi.json.", 404, "not_found")
    return JSONResponse(refusal.body, refusal.status, dict(error.headers or {}))


async def _bad_query(request: Request, error: Any) -> Response:
    wrong = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
    return error_answer(Refusal(f"The address has an invalid parameter ({wrong}).", 422, "bad_parameter"))


def _service(request: Request) -> Service:
    return cast(Service, request.app.state.service)


def _model_asked(request: Request) -> str:
    """The name of the requested model; raises Refusal where there is none."""
    service = _service(request)
    name: str = request.path_params.get("name", next(iter(service.options.models)))
    service.classifier(name)
    _note(request, model=name)
    return name


def _note(request: Request, **facts: Any) -> None:
    request.scope.setdefault("facts", {}).update(facts)


def _health(service: Service, asked: str) -> Response:
    live, ready = service.live, service.live and not service.stopping
    state = {"status": "ready" if ready else "stopping" if live else "dead", "live": live, "ready": ready}
    return JSONResponse(state, 200 if state[asked] else 503)
