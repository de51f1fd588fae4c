"""The HTTP interface in OpenAPI's terms, made from the routes and their docstrings."""

import re
from typing import Any

from ..version import __version__

_JOB = {
    "type": "object",
    "required": ["content", "styles"],
    "properties": {
        "content": {"type": "string", "description": "the ID of a picture, or sample:NAME"},
        "styles": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 8},
        "masks": {"type": "array", "items": {"type": "string"}, "maxItems": 8},
        "preset": {"type": "string"},
        "settings": {"type": "object", "description": "as /api/options tells of them"},
        "asker": {"type": "string", "description": "whose turn it is; all askers are served alike"},
        "sheet": {"type": "string", "description": "of which sheet the job is"},
        "label": {"type": "string"},
        "animate": {"type": "boolean", "description": "keep the way as a moving picture"},
        "after": {"type": "string", "description": "begin with the result of this job"},
    },
}
_SUBJECT = {
    "type": "object",
    "required": ["picture", "box"],
    "properties": {
        "picture": {"type": "string"},
        "box": {
            "type": "array",
            "items": {"type": "number", "minimum": 0, "maximum": 1},
            "minItems": 4,
            "maxItems": 4,
            "description": "left, top, right, bottom, as shares of the picture",
        },
    },
}
_BODIES = {
    "add_job": {"application/json": {"schema": _JOB}},
    "forecast": {"application/json": {"schema": _JOB}},
    "find_subject": {"application/json": {"schema": _SUBJECT}},
    "add_picture": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}
_QUERIES = {
    "add_picture": ("name", {"type": "string"}),
    "show_picture": ("size", {"type": "integer", "minimum": 1, "maximum": 1024}),
}
_GIVES = {"add_job": "201", "find_subject": "201", "add_picture": "201", "remove_job": "204"}
_CHANGES = {"name": "X-Manualnst", "in": "header", "required": True, "schema": {"const": "1"}}


def described(routes) -> dict[str, Any]:
    """`routes` are (path, method, handler)."""
    paths: dict[str, Any] = {}
    for path, method, handler in routes:
        paths.setdefault(path, {})[method.lower()] = _operation(path, method, handler)
    return {
        "openapi": "3.1.0",
        "info": {"title": "manualnst", "version": __version__},
        "paths": paths,
    }


def _operation(path: str, method: str, handler) -> dict[str, Any]:
    name = handler.__name__
    parameters = [
        _parameter(each, "path", {"type": "string"}) for each in re.findall(r"{(\w+)}", path)
    ]
    if name in _QUERIES:
        parameters.append(_parameter(_QUERIES[name][0], "query", _QUERIES[name][1]))
    if method not in ("GET", "HEAD"):
        parameters.append(_CHANGES)
    words = {"400": "refused, with the reason", "404": "there is no such thing"}
    answers = {_GIVES.get(name, "200"): "done", **words, "403": "another site asks"}
    operation = {
        "operationId": name,
        "summary": handler.__doc__,
        "parameters": parameters,
        "responses": {code: {"description": text} for code, text in answers.items()},
    }
    if name in _BODIES:
        operation["requestBody"] = {"required": True, "content": _BODIES[name]}
    return operation


def _parameter(name: str, where: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": schema}
