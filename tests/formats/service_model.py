"""Bedrock's service model, as botocore ships it, applied to bodies.

botocore's own validator knows members, kinds, `min` and unions; what it leaves to the service
(`enum`, `pattern`, `max`) is checked here, and answers, for which it has no validator.
"""

import base64
import binascii
import functools
import re

import botocore.session
from botocore.validate import ParamValidator
from strict import Problem
from translations import Translation

KINDS = {
    "string": str, "boolean": bool, "integer": int, "long": int, "list": list, "map": dict,
    "structure": dict, "float": (int, float), "double": (int, float), "blob": str,
    "timestamp": (int, float, str),
}
RUNTIME, AGENTS = "bedrock-runtime", "bedrock-agent-runtime"
OPERATIONS = {
    "chat": (RUNTIME, "Converse"), "count_tokens": (RUNTIME, "CountTokens"),
    "rerank": (AGENTS, "Rerank"),
}


@functools.cache
def service(name: str = RUNTIME):
    return botocore.session.Session().get_service_model(name)


def operation(one: Translation):
    name, method = OPERATIONS[one.operation]
    return service(name).operation_model(method)


def bedrock_request(one: Translation) -> list[Problem]:
    shape = operation(one).input_shape
    # In the path, and not in the body.
    in_path = {"modelId": one.model} if "modelId" in shape.members else {}
    whole = {**one.body, **in_path}
    report = ParamValidator().validate(whole, shape)
    found = problems(whole, shape, [])
    if report.has_errors() and not found:
        found.append(Problem([], report.generate_report()))
    return found


def bedrock_answer(one: Translation) -> list[Problem]:
    shape = operation(one).output_shape
    return problems(one.body, shape, [])


def bedrock_event(_one, name, data) -> list[Problem]:
    events = service().shape_for("ConverseStreamOutput").members
    if name not in events:
        return [Problem([], f"no such event: {name!r}")]
    return problems(data, events[name], [])


def exception(name, data) -> list[Problem]:
    """Of a stream of events in the words of a model's maker."""
    events = service().shape_for("ResponseStream").members
    if name not in events:
        return [Problem([], f"no such exception: {name!r}")]
    return problems(data, events[name], [])


def problems(value, shape, path) -> list[Problem]:
    """What in `value` is not as `shape` says."""
    if getattr(shape, "is_document_type", False):
        return []
    is_number = shape.type_name in ("integer", "long", "float", "double")
    wrong_bool = isinstance(value, bool) and is_number
    if not isinstance(value, KINDS[shape.type_name]) or wrong_bool:
        return [Problem(path, f"{value!r} is no {shape.type_name}")]
    found = limits(value, shape, path)
    match shape.type_name:
        case "structure":
            found += structure(value, shape, path)
        case "list":
            for at, each in enumerate(value):
                found += problems(each, shape.member, [*path, at])
        case "map":
            for key, each in value.items():
                found += problems(key, shape.key, [*path, "(name)"])
                found += problems(each, shape.value, [*path, key])
        case "blob":
            try:
                base64.b64decode(value, validate=True)
            except binascii.Error as error:
                found.append(Problem(path, f"not base64: {error}"))
    return found


def structure(value, shape, path):
    is_union = getattr(shape, "is_tagged_union", False)
    found = [
        Problem([*path, member], "Field required")
        for member in shape.required_members
        if member not in value
    ]
    if is_union and len(value) != 1:
        found.append(Problem(path, f"one of a kind, but it has {sorted(value)}"))
    for member, each in value.items():
        if member not in shape.members:
            found.append(Problem([*path, member], "Extra inputs are not permitted"))
        else:
            found += problems(each, shape.members[member], [*path, member])
    return found


def limits(value, shape, path):
    told = shape.metadata
    found = []
    sized = isinstance(value, str | list | dict) and shape.type_name != "blob"
    size = len(value) if sized else value
    if shape.type_name not in ("blob", "structure", "boolean", "timestamp"):
        if size < told.get("min", size):
            found.append(Problem(path, f"{size} is less than {told['min']}"))
        if size > told.get("max", size):
            found.append(Problem(path, f"{size} is more than {told['max']}"))
    if isinstance(value, str) and shape.type_name == "string":
        if value not in (getattr(shape, "enum", None) or [value]):
            found.append(Problem(path, f"{value!r} is none of {shape.enum}"))
        pattern = told.get("pattern")
        if pattern and not re.fullmatch(pattern, value):
            found.append(Problem(path, f"{value!r} does not match {pattern}"))
    return found
