"""Whether a JSON value is what an OpenAPI document says: for what the gateway answers."""

import re
from collections.abc import Iterator
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def differences(value: Any, schema: Any, document: Any, place: str = "$") -> Iterator[str]:
    """Where a value is not what its schema says; members that it does not name are `unnamed`."""
    if "$ref" in schema:
        target = document
        for name in schema["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        yield from differences(value, target, document, place)
        return
    if "anyOf" in schema:
        if all(any(differences(value, one, document, place)) for one in schema["anyOf"]):
            yield f"{place}: {value!r} is none of {schema['anyOf']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: {value!r} is none of {schema['enum']}"
    if "const" in schema and value is not schema["const"]:
        yield f"{place}: {value!r} is not {schema['const']!r}"
    if "type" in schema and not _is(value, schema["type"]):
        yield f"{place}: {value!r} is no {schema['type']}"
    elif isinstance(value, dict):
        yield from _of_object(value, schema, document, place)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from differences(one, schema.get("items", {}), document, f"{place}[{number}]")
    elif isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{place}: {value!r} does not match {schema['pattern']}"


def _is(value: Any, type: str) -> bool:
    return isinstance(value, _TYPES[type]) and (not isinstance(value, bool) or type == "boolean")


def _of_object(value: dict[str, Any], schema: Any, document: Any, place: str) -> Iterator[str]:
    named, others = schema.get("properties"), schema.get("additionalProperties", {})
    for name in schema.get("required", []):
        if name not in value:
            yield f"{place}.{name}: is missing"
    for name, one in value.items():
        if named is not None and name in named:
            yield from differences(one, named[name], document, f"{place}.{name}")
        elif others is False:
            yield f"{place}.{name}: may not be there"
        else:
            yield from differences(one, others, document, f"{place}.{name}")


def unnamed(value: Any, schema: Any, document: Any, place: str = "$") -> Iterator[str]:
    """Members of a value that its schema does not name, where it names any."""
    while "$ref" in schema:
        target = document
        for name in schema["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        schema = target
    for one in schema.get("anyOf", []):
        if not any(differences(value, one, document)):
            yield from unnamed(value, one, document, place)
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from unnamed(one, schema.get("items", {}), document, f"{place}[{number}]")
    if isinstance(value, dict) and "properties" in schema:
        for name, one in value.items():
            if name in schema["properties"]:
                below = schema["properties"][name]
                yield from unnamed(one, below, document, f"{place}.{name}")
            elif "additionalProperties" not in schema:
                yield f"{place}.{name}: is not in the document"
