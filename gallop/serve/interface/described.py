"""The page that describes the interface: from its OpenAPI description to what a template prints. It loads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gallop.documents.rendering import render

_ERROR = "ErrorAnswer"
_METHODS = ("get", "post")
_FIELDS = {
    "array": "several, each {}",
    "binary": "a file",
    "uri": "an address, where the service fetches photos (--allow-urls)",
}


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
    return render("serve/interface/docs.html.j2", **facts, errors=sorted(errors.items()))


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
