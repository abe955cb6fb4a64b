"""A vendor's pydantic types as they are, but strict: nothing unknown, nothing converted.

SDKs are lenient on purpose: they pass members that they do not know, look into lists only when
these are read, and take words that they have never heard of. Here the validators are built from
the same types without all that.
"""

import base64
import json

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import SchemaValidator

# Parts of a schema that hold no schemas, or none that is validated with.
OPAQUE = {"metadata", "serialization", "cls", "expected", "default", "members", "config", "ref"}
# The members that say which of several types an object is.
TAGS = ("type", "role", "object")
UNKNOWN = "Extra inputs are not permitted"


class Problem(str):
    """What is wrong, with `path`: the members down to it, without indices."""

    def __new__(cls, path: list, text: str):
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
        problem = super().__new__(cls, f"{where.lstrip('.') or '(all)'}: {text}")
        problem.is_unknown = text.startswith(UNKNOWN)
        problem.path = ".".join("*" if isinstance(step, int) else step for step in path)
        return problem

    def within(self, place: str, path: str | None = None) -> "Problem":
        """The same, of what stands at `place`."""
        outer = str.__new__(Problem, f"{place}.{self}")
        outer.path = f"{path or place}.{self.path}".rstrip(".")
        outer.is_unknown = self.is_unknown
        return outer


class Strict:
    """Judges JSON by `kind`; `models` tells whether types of answers may stand where both these and
    types of requests are allowed."""

    def __init__(self, kind, models: bool = True):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind.model_rebuild()
        adapter = TypeAdapter(kind)
        adapter.rebuild()
        schema = adapter.core_schema
        shared = schema.get("definitions", [])
        # Types of answers, where these are not wanted.
        unwanted = set() if models else {
            each["ref"] for each in shared if each["type"] == "model"
        } | {"model"}
        self.validator = SchemaValidator(hardened(schema, unwanted))

    def problems(self, document) -> list[Problem]:
        try:
            self.validator.validate_json(json.dumps(document), strict=True)
        except ValidationError as error:
            found = [(list(each["loc"]), each) for each in error.errors(include_url=False)]
            return [
                Problem(path, f"{each['msg']}{shown(each)}")
                for path, each in likeliest(found, document, [])
            ]
        return []


def shown(error) -> str:
    return "" if error["type"] == "missing" else f" (it is {json.dumps(error['input'])[:80]})"


def hardened(schema, unwanted: set[str]):
    """A pydantic schema that takes nothing it does not know, and nothing `unwanted` in a union."""
    if isinstance(schema, list | tuple):
        return type(schema)(hardened(each, unwanted) for each in schema)
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "union":
        schema = {**schema, "choices": choices(schema["choices"], unwanted)}
    inner = {
        key: value if key in OPAQUE and not is_field(value) else hardened(value, unwanted)
        for key, value in schema.items()
    }
    match schema.get("type"):
        case "generator":
            inner["type"] = "list"
        case "typed-dict" | "model-fields":
            # Some say what else they take.
            inner["extra_behavior"] = "allow" if "extras_schema" in schema else "forbid"
        case "model":
            # A model brings a validator of its own, which is not the one that is built here.
            return inner["schema"] | ({"ref": schema["ref"]} if "ref" in schema else {})
        case "function-before" if "_coerce_field_names" in str(schema["function"]):
            return inner["schema"]
        case "enum":
            # Some make up a member for a word that they have never heard of.
            return {"type": "literal", "expected": [member.value for member in schema["members"]]}
        case "bytes":
            text = {"type": "str", "strict": True}
            check = {"type": "no-info", "function": base64_only}
            return {"type": "function-after", "schema": text, "function": check}
    return inner


def choices(found, unwanted: set[str]):
    """Each with a label that no member of a document has, so that paths can be told apart."""
    bare = [each[0] if isinstance(each, tuple) else each for each in found]
    kept = [each for each in bare if not {each["type"], each.get("schema_ref")} & unwanted]
    if any(each["type"] == "literal" for each in kept):
        # "These words or anything": only the words are meant.
        kept = [each for each in kept if each["type"] != "any"]
    return [(each, f"<{at}>") for at, each in enumerate(kept or bare)]


def base64_only(text: str) -> str:
    """In JSON, bytes are base64; both alphabets are read."""
    base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    return text


def is_field(value) -> bool:
    return isinstance(value, dict) and str(value.get("type")).endswith("-field")


def likeliest(errors, document, path):
    """Where several types were tried, the errors of the one that was meant: `(path, error)`."""
    here = [(path, error) for loc, error in errors if not loc]
    members, tried = {}, {}
    for loc, error in errors:
        if not loc:
            continue
        step, rest = loc[0], loc[1:]
        steps_in = isinstance(document, dict | list) and (
            error["type"] in ("missing", "extra_forbidden") and not rest or has(document, step)
        )
        (members if steps_in else tried).setdefault(step, []).append((rest, error))
    for step, inner in members.items():
        below = document[step] if has(document, step) else None
        here += likeliest(inner, below, [*path, step])
    if tried:
        branches = [likeliest(inner, document, path) for inner in tried.values()]
        here += min(branches, key=lambda branch: unlike(branch, path))
    return here


def has(document, step) -> bool:
    if isinstance(document, dict):
        return step in document
    return isinstance(document, list) and isinstance(step, int) and step < len(document)


def unlike(branch, path):
    """How little the type is what was meant: other tags, other kinds of value, more errors."""
    tags = sum(len(where) == len(path) + 1 and where[-1] in TAGS for where, _ in branch)
    kinds = sum(where == path for where, _ in branch)
    return (tags + kinds, len(branch))
