"""The figures at the head of the page, each from one result; one that is missing says how to make it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from model.errors import LockstepError
from scripts.reporting.area import best_clock
from scripts.reporting.markup import NOTHING, code, figure, percent, text, tile
from scripts.reporting.results import Fields, Source

Said = tuple[str, str]  # value and line below it, both HTML


def _accuracy(fields: Fields) -> Said:
    right, images = fields.whole("right"), fields.whole("images")
    return percent(fields.number("accuracy")), f"{figure(right)} of {figure(images)} test images"


def _trained(fields: Fields) -> Said:
    return percent(fields.number("integer_accuracy")), f"of {figure(fields.whole('test_images'))} test images"


def _use(fields: Fields) -> Said:
    part = "" if fields.flag("whole") else ", a part of the network only"
    return percent(fields.maybe("utilization")), f"{figure(fields.maybe('cycles'))} cycles{part}"


def _equal(fields: Fields) -> Said:
    values = fields.whole("checked_activations")
    return figure(fields.whole("mismatches")), f"in {figure(values)} activations and logits"


def _replay(fields: Fields) -> Said:
    words = fields.whole("checked_psums") + fields.whole("checked_outputs")
    return figure(fields.whole("mismatches")), f"in {figure(words)} psums and outputs"


def _random(fields: Fields) -> Said:
    return figure(len(fields.array("failed"))), f"of {figure(fields.whole('draws'))} draws"


def _mutants(fields: Fields) -> Said:
    return f"{figure(fields.whole('killed'))} of {figure(fields.whole('mutants'))}", "faults put into the RTL"


def _tests(fields: Fields) -> Said:
    counts = fields.object("tests")
    wrong = sum(counts.whole(kind) for kind in ("failed", "error") if kind in counts)
    return f"{figure(counts.whole('passed'))}", f"passed, {figure(wrong)} failed"


def _clock(fields: Fields) -> Said:
    best = best_clock(fields)
    return (NOTHING, "array not placed") if best is None else (f"{figure(best[0])} MHz", text(best[1]))


TILES: tuple[tuple[str, str, Callable[[Fields], Said]], ...] = (
    ("evaluate", "Accuracy in integers", _accuracy),
    ("network", "PEs busy", _use),
    ("network", "Mismatches", _equal),
    ("sim", "Mismatches of the replay", _replay),
    ("random", "Random layers failing", _random),
    ("mutants", "RTL faults caught", _mutants),
    ("test", "Tests", _tests),
    ("synth", "Clock of the array", _clock),
)


def tiles(found: Mapping[str, list[Source]], broken: Mapping[str, str]) -> str:
    """All of them, of the first network that a target has; `broken` is what the sections could not use, by title."""
    shown = []
    for target, label, says in TILES:
        source, told = found[target][0], says
        if target == "evaluate" and not found["train"][0].missing and not _complete(source):
            source, told = found["train"][0], _trained
        label = f"{label}, {source.network}" if source.network else label
        shown.append(_tile(label, source, told, broken.get(source.title, source.problem)))
    return "".join(shown)


def _complete(source: Source) -> bool:
    """Whether an evaluation ran on every test image."""
    return source.fields is not None and source.fields.value.get("images") == source.fields.value.get("test_images")


def _tile(label: str, source: Source, says: Callable[[Fields], Said], problem: str) -> str:
    if source.missing:
        return tile(label, NOTHING, code(source.make), "none")
    try:
        if source.fields is None or problem:
            raise LockstepError(problem)
        value, below = says(source.fields)
    except LockstepError as error:
        return tile(label, "✗", f"unreadable: {text(error)}", "fail")
    if source.verdict is False:
        return tile(label, f"✗ {value}", f"FAIL; {below}", "fail")
    return tile(label, value, below if source.verdict else f"{below}; not judged")
