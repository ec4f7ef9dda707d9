"""Description of a service's requests and responses as OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0)."""

from typing import Any

from mnistlib._version import __version__
from mnistlib.models.client import IDX, JSON, PNG
from mnistlib.serving.model import ServedModel

_BYTES = {"type": "string", "format": "binary"}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "where"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "where": {"type": ["string", "null"]},
            },
        }
    },
}
_REFUSALS = {
    "400": "The body can't be read",
    "401": "The token is missing or wrong",
    "408": "The body was not complete before the timeout",
    "413": "The body is too large, before or after decompression",
    "415": "The content type is not supported",
    "422": "The body does not fit the model; the error gives the position",
    "500": "Internal error",
    "503": "Too many requests are waiting; retry after the seconds in Retry-After",
}


def description_of(model: ServedModel) -> dict[str, Any]:
    """Return the description of a model's service."""
    value = {"type": "number"} | ({"minimum": 0, "maximum": 1} if model.shape else {})
    row = {"type": "array", "items": value, "minItems": model.width, "maxItems": model.width}
    data = {"type": "array", "items": row, "minItems": 1}
    rows = {"type": "object", "required": ["data"], "properties": {"data": data}}
    images = {IDX: {"schema": _BYTES}, PNG: {"schema": _BYTES}} if model.shape else {}
    look = {
        "post": {
            "summary": "Label a PNG picture, and return the pixels that the model gets from it",
            "requestBody": {"required": True, "content": {PNG: {"schema": _BYTES}}},
            "responses": _answers({"type": "object", "required": ["label", "probabilities", "pixels"]}),
        }
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Scoring with {model.name}", "version": __version__},
        "paths": ({"/look": look} if model.shape else {})
        | {
            "/score": {
                "post": {
                    "summary": "Label rows of numbers, IDX images or one PNG picture",
                    "parameters": [_proba(model)],
                    "requestBody": {"required": True, "content": {JSON: {"schema": rows}} | images},
                    "responses": _answers(_labels(model)),
                }
            },
            "/model": {"get": _get("Facts about the model", {"type": "object"})},
            "/health": {"get": _get("Whether the service is up", {"type": "object"})},
            "/metrics": {"get": _get("Counters for Prometheus", {"type": "string"}, kind="text/plain")},
            "/swagger.json": {"get": _get("This description", {"type": "object"})},
            "/": {"get": _get("A page to draw on", {"type": "string"}, kind="text/html")},
            "/report": {
                "get": _get(
                    "The report of the run that made the model", {"type": "string"}, kind="text/html", refusals=("404",)
                )
            },
        },
        "components": {
            "schemas": {"Error": _ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _proba(model: ServedModel) -> dict[str, Any]:
    allowed = ["0", "1"] if model.has_probabilities else ["0"]
    return {"name": "proba", "in": "query", "description": "1 adds probabilities", "schema": {"enum": allowed}}


def _labels(model: ServedModel) -> dict[str, Any]:
    labels = {"type": "array", "items": {"enum": model.labels} if model.labels else {}}
    # null for NaN, which some models predict for rows with very large numbers.
    probabilities = {"type": "array", "items": {"type": "array", "items": {"type": ["number", "null"]}}}
    more = {
        "type": "object",
        "required": ["labels", "probabilities", "classes"],
        "properties": {"labels": labels, "probabilities": probabilities, "classes": {"type": "array"}},
    }
    return {"anyOf": [labels, more]}


def _answers(schema: dict[str, Any]) -> dict[str, Any]:
    return {"200": _content("The response", schema)} | {status: _error(text) for status, text in _REFUSALS.items()}


def _get(summary: str, schema: dict[str, Any], *, kind: str = JSON, refusals: tuple[str, ...] = ()) -> dict[str, Any]:
    refused = {status: _error("The service has no report") for status in refusals}
    return {
        "summary": summary,
        "responses": {"200": _content("The response", schema, kind), "401": _error(_REFUSALS["401"])} | refused,
    }


def _error(text: str) -> dict[str, Any]:
    return _content(text, {"$ref": "#/components/schemas/Error"})


def _content(text: str, schema: dict[str, Any], kind: str = JSON) -> dict[str, Any]:
    return {"description": text, "content": {kind: {"schema": schema}}}
