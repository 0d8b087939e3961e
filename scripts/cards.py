"""The card of a trained graph: its origin, how it was trained, how accurate it is. `make train` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.graph.graph import IntegerGraph
from model.network.recipe import LEGS

SUFFIX = ".card.md"


def card(graph: IntegerGraph) -> str:
    """The card as Markdown, from the graph and what is stored with it and nothing else.

    Parameters
    ----------
    graph : IntegerGraph
        With the `meta` that `make train` gives it; what an older graph's lacks is left out.
    """
    meta = graph.meta
    recipe: Mapping[str, Any] = meta.get("recipe", {})
    weights = sum(layer.weight.size for layer in graph.layers)
    rows: list[tuple[str, str]] = [
        ("input", "x".join(map(str, graph.input_shape)) + ", 8-bit codes"),
        ("layers", f"{len(graph.layers)}, {weights:,} weights"),
        ("sha256 of the graph", f"`{graph.sha256}`"),
    ]
    if "integer_accuracy" in meta:
        right = f"{meta['integer_accuracy']:.2%} of {meta['test_images']:,} test images"
        rows.append(("accuracy, integers only", f"**{right}**, no augmentation, last epoch"))
    for key, told in (
        ("fake_quant_accuracy", "fake-quant network, bfloat16"),
        ("float_accuracy", "end of the float leg"),
    ):
        if meta.get(key) is not None:
            rows.append((told, f"{meta[key]:.2%}"))
    if "data" in meta:
        rows.append(("data", str(meta["data"])))
    if "data_sha256" in meta:
        rows.append(("sha256 of its pixels and labels", f"`{meta['data_sha256']}`"))
    if recipe:
        rows += [
            ("widths", f"weights {_weights(recipe)}, activations {recipe['act_bits']} bits"),
            ("seed", str(recipe["seed"])),
            ("recipe", _settings({key: value for key, value in recipe.items() if key not in LEGS})),
        ]
        rows += [(f"{leg} leg", _settings(recipe[leg])) for leg in LEGS if recipe[leg]["epochs"]]
    if "torch" in meta:
        rows.append(("torch", str(meta["torch"])))
    lines = [f"# {graph.name}", "", "| | |", "|---|---|", *(f"| {what} | {value} |" for what, value in rows), ""]
    return "\n".join(lines)


def _weights(recipe: Mapping[str, Any]) -> str:
    return (
        f"{recipe['weights']} ({recipe['weight_bits']} bits)"
        if "weights" in recipe
        else f"{recipe['weight_bits']} bits"
    )


def _settings(values: Mapping[str, Any]) -> str:
    hidden = ("weights", "weight_bits", "act_bits", "seed", "network", "evaluate_every")
    texts = {key: " + ".join(map(str, value)) if isinstance(value, list) else value for key, value in values.items()}
    return ", ".join(f"{key} {value}" for key, value in sorted(texts.items()) if key not in hidden and value != "")
