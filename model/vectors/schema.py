"""JSON values into frozen dataclasses, strictly: the dataclass is the schema, and each error names the entry.

A field without a default must be there, a key without a field must not. Types understood: ``int``, ``bool``, ``str``,
``tuple[int, int]``, ``tuple[X, ...]``, ``dict[str, Any]``, ``dict[str, str]``, another dataclass, and ``X | None``
(left out of the JSON when None).
"""

from __future__ import annotations

import dataclasses
import types
from typing import Any, Union, get_args, get_origin, get_type_hints

from model.errors import LockstepError


def build(cls: Any, value: Any, path: str = "") -> Any:
    """An instance of the dataclass `cls` from the JSON object `value`.

    Parameters
    ----------
    cls : dataclass type
    value : object as `json.loads` returns it
    path : str
        Name of `value` in messages, e.g. ``files.weight``; empty for the whole document.

    Raises
    ------
    LockstepError
        For a missing or unknown key or a value of the wrong type, naming it and what is expected.
    """
    if not isinstance(value, dict):
        raise LockstepError(f"{path or 'the document'} is {_say(value)}; expected an object with {_keys(cls)}")
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for key in value:
        if key not in fields:
            raise LockstepError(f"{_join(path, key)} is not a known entry; expected {_keys(cls)}")
    hints, arguments = get_type_hints(cls), {}
    for name, field in fields.items():
        if name in value:
            arguments[name] = _convert(hints[name], value[name], _join(path, name))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise LockstepError(f"{_join(path, name)} is missing; expected {_wanted(hints[name])}")
    return cls(**arguments)


def plain(value: Any) -> Any:
    """The JSON value of a dataclass built by `build`: entries that are None or empty defaults are left out."""
    if dataclasses.is_dataclass(value):
        entries = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: plain(entry) for name, entry in entries.items() if entry not in (None, (), {})}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def _convert(hint: Any, value: Any, path: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (types.UnionType, Union):  # X | None
        return _convert(next(a for a in arguments if a is not type(None)), value, path)
    if dataclasses.is_dataclass(hint):
        return build(hint, value, path)
    if origin is tuple:
        several = len(arguments) == 2 and arguments[1] is Ellipsis
        if not isinstance(value, list) or (not several and len(value) != len(arguments)):
            raise LockstepError(f"{path} is {_say(value)}; expected {_wanted(hint)}")
        inner = [arguments[0]] * len(value) if several else arguments
        pairs = enumerate(zip(inner, value, strict=True))
        return tuple(_convert(kind, item, f"{path}[{index}]") for index, (kind, item) in pairs)
    if origin is dict:
        if not isinstance(value, dict):
            raise LockstepError(f"{path} is {_say(value)}; expected {_wanted(hint)}")
        return {key: _convert(arguments[1], item, f"{path}[{key!r}]") for key, item in value.items()}
    if hint is Any:
        return value
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise LockstepError(f"{path} is {_say(value)}; expected {_wanted(hint)}")
    return value


def _wanted(hint: Any) -> str:
    if get_origin(hint) in (types.UnionType, Union):
        return _wanted(next(a for a in get_args(hint) if a is not type(None)))
    if dataclasses.is_dataclass(hint):
        return f"an object with {_keys(hint)}"
    if get_origin(hint) is tuple:
        return "a list" if get_args(hint)[1] is Ellipsis else "two integers [y, x]"
    if get_origin(hint) is dict:
        return "an object"
    return {int: "an integer", bool: "true or false", str: "a string"}[hint]


def _keys(cls: Any) -> str:
    return ", ".join(field.name for field in dataclasses.fields(cls))


def _say(value: Any) -> str:
    text = repr(value) if not isinstance(value, bool) else str(value).lower()
    return "null" if value is None else text if len(text) <= 40 else f"{text[:37]}..."


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
