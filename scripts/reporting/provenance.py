"""The section that says where each figure comes from: file, time, command, machine and versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.reporting.markup import NOTHING, code, figure, table, text
from scripts.reporting.results import KINDS, Source
from scripts.reporting.section import Section

HEAD = ("result", "file", "written", "command", "seconds", "versions, machine")


def section(found: Mapping[str, list[Source]]) -> Section:
    """The section."""
    made = Section("provenance", "Where the figures come from")
    rows = []
    for source in [source for kind in KINDS for source in found[kind]]:
        if source.fields is None:
            continue
        made.data += 1
        values = source.fields.value
        seconds = values.get("seconds", values.get("training_seconds"))
        known = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        rows.append(
            [
                text(source.title),
                code(str(source.path)),
                text(source.written),
                code(source.command),
                figure(seconds, f"{seconds:,.0f}") if known else NOTHING,
                text("; ".join(_versions(values)) or NOTHING),
            ]
        )
    if rows:
        made.add(table("Where the figures come from", HEAD, rows, left=len(HEAD)))
    made.add(
        "<p>Own data sets are not in these lines: a result holds the hash of its data, not the place. "
        "Times are those of the machine that wrote the result.</p>"
    )
    return made


def _versions(values: Mapping[str, Any]) -> list[str]:
    """Every version and machine that a result tells, as texts."""
    told = [f"{name} {values[name]}" for name in ("python", "simulator", "machine", "cores") if values.get(name)]
    for group in ("versions", "packages"):
        if isinstance(values.get(group), dict):
            told += [f"{name} {version}" for name, version in values[group].items()]
    if isinstance(values.get("tools"), dict):
        for name, tool in values["tools"].items():
            told.append(f"{name} {tool.get('version')} ({tool.get('source')})" if isinstance(tool, dict) else str(name))
    return told
