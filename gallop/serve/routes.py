"""The interface: which address answers what, the one shape of errors, and a page that describes it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from gallop import __version__
from gallop.documents.rendering import render
from gallop.errors import GallopError
from gallop.maps.plots import explanation_png
from gallop.serve import schemas
from gallop.serve.bodies import PHOTO, URL, read_form, while_wanted
from gallop.serve.refusals import Refusal, mistake, refusal_of
from gallop.serve.service import Service, explained
from gallop.serve.watching import METRICS_TYPE

OPEN = ("/", "/docs", "/openapi.json", "/health", "/health/live", "/health/ready")
"""What needs no key: nothing of it is about a photo or a model."""
STATE = ("/health", "/health/live", "/health/ready", "/metrics")
"""What is answered while the service stops, too."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Of the page: it asks nobody for anything."""

_ERROR = "ErrorAnswer"
_METHODS = ("get", "post")
_FIELDS = {
    "array": "several, each {}",
    "binary": "a file",
    "uri": "an address, where the service fetches photos (--allow-urls)",
}

ClassName = Annotated[
    str | None, Query(alias="class", max_length=200, description="the class shown; else the predicted one")
]
Format = Annotated[
    Literal["json", "png"] | None,
    Query(alias="format", description="json or png; else as Accept says"),
]

_router = APIRouter()  # of two addresses of one function, the lower is listed first
_named = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}, "description": "which model"}
_errors: Any = {
    status: {"model": schemas.ErrorAnswer, "description": words}
    for status, words in {
        401: "no key, or one that is not known",
        403: "an address, where none are fetched, or a page of another site",
        404: "no such model",
        408: "the request came too slowly",
        413: "too large, or too many photos or pixels",
        415: "no multipart form",
        421: "a name that the service is not called by",
        422: "no photo, or one that cannot be read",
        429: "too much to do; see Retry-After",
        503: "stopping, too late, or no memory",
    }.items()
}


def _answer(model: Any) -> Any:
    return {"model": model, "description": "the answer"}


def _form(*fields: str, several: bool) -> dict[str, Any]:
    """What a request's body is, for OpenAPI."""
    kinds = {PHOTO: {"type": "string", "format": "binary"}, URL: {"type": "string", "format": "uri"}}
    shapes = {name: {"type": "array", "items": kinds[name]} if several else kinds[name] for name in fields}
    schema = {"type": "object", "properties": shapes}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def _both(extra: Mapping[str, Any]) -> Any:
    """The same for the address that names a model."""
    return {**extra, "parameters": [_named]}


_several, _one = _form(PHOTO, URL, several=True), _form(PHOTO, URL, several=False)
_predicted: Any = {"tags": ["photos"], "responses": {200: _answer(schemas.PredictAnswer), **_errors}}
_explained: Any = {
    "tags": ["photos"],
    "responses": {200: _answer(schemas.ExplainAnswer) | {"content": {"image/png": {}}}, **_errors},
}
_state: Any = {"tags": ["state"], "responses": {200: {"model": schemas.HealthAnswer, "description": "yes"}}}
_state["responses"][503] = {"model": schemas.HealthAnswer, "description": "no"}
_figures: Any = {"response_class": Response, "responses": {200: {"description": "text"}}}
_classes: Any = {"tags": ["models"], "responses": {200: _answer(schemas.ClassesAnswer), 404: _errors[404]}}


@_router.post("/models/{name}/predict", summary="The same by a model", openapi_extra=_both(_several), **_predicted)
@_router.post("/predict", summary="Name what photos show", openapi_extra=_several, **_predicted)
async def _predict(request: Request) -> Response:
    name, found = await _answered(request, _service(request).predict)
    refused = [one for one in found if isinstance(one, Refusal)]
    if len(refused) == len(found):
        raise refused[0]
    photos = [one.said if isinstance(one, Refusal) else one for one in found]
    return JSONResponse({"model": name, "photos": photos})


@_router.post("/models/{name}/explain", summary="The same by a model", openapi_extra=_both(_one), **_explained)
@_router.post("/explain", summary="Which prompts and regions decided", openapi_extra=_one, **_explained)
async def _explain(request: Request, shown: ClassName = None, form: Format = None) -> Response:
    accepted = request.headers.get("accept", "")
    as_picture = form == "png" or (form is None and "image/png" in accepted and "json" not in accepted)
    present = explanation_png if as_picture else explained
    name, found = await _answered(request, _service(request).explain, shown, present)
    return Response(found, media_type="image/png") if as_picture else JSONResponse({"model": name, **found})


async def _answered(request: Request, ask: Callable[..., Coroutine[Any, Any, Any]], *more: Any) -> tuple[str, Any]:
    """The model that is asked, and what it answers to the form that is sent."""
    service, name = _asked(request)
    with service.bodies.of_one() as count:
        sent = await read_form(request.receive, request.headers, service.options, count)
        _note(request, photos=sent.count)
        within = service.options.answer_within
        return name, await while_wanted(request.receive, ask(name, sent, count, *more), within)


@_router.get("/models/{name}/classes", summary="The same of a model", openapi_extra=_both({}), **_classes)
@_router.get("/classes", summary="What a model knows", **_classes)
async def _class_list(request: Request) -> Response:
    service, name = _asked(request)
    facts = service.facts(name)
    said = {"model": name, "classes": facts.class_names, "backbone": facts.backbone}
    return JSONResponse(said | {"threshold": facts.threshold, "temperature": facts.temperature})


@_router.get("/models", summary="All models", tags=["models"], responses={200: _answer(schemas.ModelsAnswer)})
async def _models(request: Request) -> Response:
    service = _service(request)
    loaded, names = service.loaded, service.options.models
    found = [
        {"name": name, "loaded": name in loaded, "classes": len(service.facts(name).class_names)} for name in names
    ]
    return JSONResponse({"models": found})


@_router.get("/health/ready", summary="Whether it takes requests", **_state)
@_router.get("/health", summary="Whether it lives and takes requests", **_state)
async def _ready(request: Request) -> Response:
    said = _health(_service(request))
    return JSONResponse(said, 200 if said["ready"] else 503)


@_router.get("/health/live", summary="Whether it lives", **_state)
async def _live(request: Request) -> Response:
    said = _health(_service(request))
    return JSONResponse(said, 200 if said["live"] else 503)


@_router.get("/metrics", summary="Figures for Prometheus", tags=["state"], **_figures)
async def _metrics(request: Request) -> Response:
    return Response(_service(request).figures(), headers={"content-type": METRICS_TYPE})


@_router.get("/docs", include_in_schema=False)
@_router.get("/", include_in_schema=False)
async def _page(request: Request) -> Response:
    return HTMLResponse(described_page(request.app.openapi()), headers={"content-security-policy": POLICY})


def make_app(service: Service) -> FastAPI:
    """Return the interface of a service."""
    app = FastAPI(
        title="GalLoP Explorer",
        version=__version__,
        summary="Names what photos show, and which prompts and regions decided.",
        docs_url=None,  # FastAPI's own pages load their scripts from another server
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.include_router(_router)
    for kind, tell in (
        (GallopError, _told),
        (HTTPException, _not_found),
        (RequestValidationError, _bad_query),
        (Exception, _told),
    ):
        app.add_exception_handler(kind, tell)  # type: ignore[arg-type] # each knows the kind that it is called for
    return app


def error_answer(refusal: Refusal) -> Response:
    """Return the one shape of an answer that is none."""
    return JSONResponse(refusal.said, refusal.status, refusal.headers)


async def _told(request: Request, error: Exception) -> Response:
    told = refusal_of(error)
    if told is None and isinstance(error, GallopError):
        told = Refusal(str(error), 422, "bad_request")
    return error_answer(told or mistake())


async def _not_found(request: Request, error: HTTPException) -> Response:
    if error.status_code == 405:
        told = Refusal("This address takes no such method: /docs shows which.", 405, "wrong_method")
    else:
        told = Refusal("There is nothing at this address: /docs shows what there is.", 404, "not_found")
    return JSONResponse(told.said, told.status, dict(error.headers or {}))


async def _bad_query(request: Request, error: RequestValidationError) -> Response:
    wrong = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
    return error_answer(Refusal(f"The address has a parameter that cannot be used ({wrong}).", 422, "bad_parameter"))


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _asked(request: Request) -> tuple[Service, str]:
    """The service, and the model that is asked."""
    service = _service(request)
    name = request.path_params.get("name", service.options.first)
    service.facts(name)
    _note(request, model=name)
    return service, name


def _note(request: Request, **facts: Any) -> None:
    request.scope.setdefault("facts", {}).update(facts)


def _health(service: Service) -> dict[str, Any]:
    live, ready = service.live, service.live and not service.stopping
    return {"status": "ready" if ready else "stopping" if live else "dead", "live": live, "ready": ready}


def described_page(described: Mapping[str, Any]) -> str:
    """Return the page of an OpenAPI description."""
    addresses = [
        (path, method.upper(), _address(operations[method]))
        for path, operations in described["paths"].items()
        for method in _METHODS
        if method in operations
    ]
    shapes = [
        (name, shape.get("description", ""), _fields(shape))
        for name, shape in described["components"]["schemas"].items()
        if "properties" in shape and name != "ValidationError" and name != "HTTPValidationError"
    ]
    errors = {status: words for *_, what in addresses for status, words in what["errors"]}
    facts: dict[str, Any] = {"described": described, "addresses": addresses, "shapes": shapes}
    return render("serve/docs.html.j2", **facts, errors=sorted(errors.items()))


def _address(operation: Mapping[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data", {}).get("schema", {})
    answers = [(status, answer["description"], _shape_of(answer)) for status, answer in operation["responses"].items()]
    return {
        "summary": operation["summary"],
        "parameters": operation.get("parameters", []),
        "fields": [(name, _field_words(shape)) for name, shape in body.get("properties", {}).items()],
        "answers": [answer for answer in answers if answer[2] != _ERROR],
        "errors": [(status, words) for status, words, shape in answers if shape == _ERROR],
    }


def _field_words(shape: Mapping[str, Any]) -> str:
    if shape["type"] == "array":
        return _FIELDS["array"].format(_field_words(shape["items"]))
    return _FIELDS[shape["format"]]


def _shape_of(answer: Mapping[str, Any]) -> str:
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _fields(shape: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"name": name, "type": _type(field), "description": field.get("description", "")}
        for name, field in shape["properties"].items()
    ]


def _type(field: Mapping[str, Any]) -> str:
    """In a few words: what a field holds."""
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(_type(each) for each in field["anyOf"])
    if field.get("type") == "array":
        inner = field.get("items") or (field.get("prefixItems") or [{}])[0]
        return f"list of {_type(inner)}" if isinstance(inner, dict) else "list"
    if field.get("type") == "object":
        return f"object of {_type(field.get('additionalProperties', {}))}"
    return str(field.get("type", field.get("const", "any")))
