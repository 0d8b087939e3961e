"""The section on accuracy: float, fake-quant and integers, on which images, by which recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.reporting.markup import NOTHING, badge, chart, charts, code, figure, note, percent, table, text
from scripts.reporting.results import Fields, Source
from scripts.reporting.section import Section, by_network
from scripts.reporting.svg import Bar, Part, bars


def section(found: Mapping[str, list[Source]]) -> Section:
    """The section."""
    made = Section("accuracy", "Accuracy")
    for network, sources in by_network(found["train"], found["evaluate"]).items():
        there = [source for source in sources if not source.missing]
        if there:
            made.add(f"<h3>{text(network or 'the last run')}</h3>")
        if len(hashes := {source.fields.value.get("graph_sha256") for source in there if source.fields} - {None}) > 1:
            made.add(note(f"{badge(None, 'two graphs')} training and evaluation below are of {len(hashes)} graphs."))
        for source in sources:
            made.show_source(source, _training(source) if source.kind.name == "train" else _evaluation(source))
    return made


def _training(source: Source) -> Any:
    def render(fields: Fields) -> str:
        if source.verdict is not True:
            differ = fields.maybe("differing_codes") or fields.maybe("codes_differing")
            compared = fields.maybe("codes") or fields.maybe("codes_compared")
            told = f"the frozen graph differs from the network in {figure(differ)} of {figure(compared)} codes"
            return f'<div class="box broken"><p>{badge(False)} {told}; {code(source.command)}</p></div>'
        legs = [
            ("float", fields.maybe("float_accuracy"), fields.whole("test_images")),
            ("fake-quant", fields.number("fake_quant_accuracy"), fields.whole("test_images")),
        ]
        if "fake_quant_accuracy_float64" in fields:
            exact = fields.object("fake_quant_accuracy_float64")
            legs.append(("fake-quant, float64", exact.number("accuracy"), exact.whole("images")))
        legs.append(("integers", fields.number("integer_accuracy"), fields.whole("test_images")))
        rows = [(name, percent(value), figure(images)) for name, value, images in legs]
        pictures = [
            Bar(
                name.replace("fake-quant, float64", "… in float64"),
                NOTHING if value is None else f"{value:.2%}",
                [Part(value or 0, "useful" if name == "integers" else "other", f"{name}: {images:,} images")],
                strong=name == "integers",
            )
            for name, value, images in legs
        ]
        recipe = fields.value.get("recipe")
        told = _recipe(recipe) if isinstance(recipe, dict) else ""
        same = f"{figure(fields.maybe('codes_differing'))} of {figure(fields.maybe('codes_compared'))}"
        hashes = f"data {_hash(fields.maybe_text('data_sha256'))}, graph {_hash(fields.maybe_text('graph_sha256'))}"
        legs_table = table("Accuracy of the legs", ("leg", "accuracy", "images"), rows)
        picture = chart("Accuracy", bars("Accuracy of each leg", pictures, 1, percent=True))
        return (
            charts(legs_table, picture)
            + (f"<details><summary>Recipe</summary>{told}</details>" if told else "")
            + note(
                f"{badge(True)} {code(source.command)} · "
                f"codes that differ between fake-quant network and graph: {same} · "
                f"{hashes} · {_seconds(fields.maybe('training_seconds'))} of training on "
                f"{text(fields.value.get('device'))}"
            )
        )

    return render


def _evaluation(source: Source) -> Any:
    def render(fields: Fields) -> str:
        right, images = fields.whole("right"), fields.whole("images")
        recorded, of = fields.maybe("recorded_accuracy"), fields.maybe("test_images")
        rows = [
            ("accuracy in integers", percent(fields.number("accuracy"))),
            ("right, of images", f"{figure(right)} of {figure(images)}"),
            ("images in the test set", figure(of)),
            ("accuracy that the graph states", percent(recorded)),
            ("images a second", figure(fields.maybe("images_per_second"), _round(fields.maybe("images_per_second")))),
        ]
        if "probes" in fields:
            probes = fields.object("probes")
            differ = f"{figure(probes.whole('differing_logits'))} in {figure(probes.whole('images'))} images"
            rows.append(("logits unlike the plain execution's", differ))
        picture = ""
        if "right_by_class" in fields:
            classes = fields.object("right_by_class")
            picture = chart(
                "By class", bars("Accuracy by class", [_class(classes, name) for name in classes], 1, percent=True)
            )
        listed = table("Evaluation in integers", ("integers, on every image", "figure"), rows)
        return charts(listed, picture) + note(
            f"{badge(source.verdict)} {code(source.command)} · graph {_hash(fields.maybe_text('graph_sha256'))}"
        )

    return render


def _class(classes: Fields, name: str) -> Bar:
    pair = classes.array(name)
    if len(pair) != 2 or not all(type(value) is int and value >= 0 for value in pair):
        raise classes.wrong(name, "two whole numbers, right and all")
    share = pair[0] / pair[1] if pair[1] else 0.0
    return Bar(name, f"{share:.1%}", [Part(share, "useful", f"{name}: {pair[0]:,} of {pair[1]:,}")])


def _recipe(recipe: Mapping[str, Any]) -> str:
    def flat(values: Mapping[str, Any], above: str) -> list[tuple[str, str]]:
        rows = []
        for name, value in values.items():
            if isinstance(value, dict):
                rows += flat(value, f"{above}{name} ")
            else:
                rows.append((text(f"{above}{name}".replace("_", " ")), text(value)))
        return rows

    return table("Recipe", ("setting", "value"), flat(recipe, ""))


def _hash(value: str | None) -> str:
    return NOTHING if value is None else code(value[:12])


def _round(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _seconds(value: float | None) -> str:
    if value is None:
        return NOTHING
    return figure(value, f"{value:,.0f} s" if value < 600 else f"{value / 3600:.1f} h")
