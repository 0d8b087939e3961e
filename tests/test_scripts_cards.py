"""Cards of trained graphs: written by the training, and those that are shipped are those of the graphs beside them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from model.graph import storage
from model.network import recipe as recipes
from model.network.recipe import Leg, Recipe
from scripts.cards import SUFFIX, card

GRAPHS = sorted(storage.ZOO.glob(f"*{storage.SUFFIX}"))


def test_every_network_of_the_zoo_is_looked_at():
    assert {"vgg16.graph.zip", "tiny.graph.zip"} <= {path.name for path in GRAPHS}


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.name)
def test_a_shipped_graph_has_its_card(path: Path):
    graph = storage.load(path)
    text = card(graph)
    assert path.with_name(graph.name + SUFFIX).read_text() == text
    assert graph.sha256 in text
    assert f"{graph.meta['integer_accuracy']:.2%} of {graph.meta['test_images']:,}" in text
    assert graph.meta["data_sha256"] in text


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.name)
def test_the_recipe_in_the_tree_is_the_one_that_made_the_shipped_graph(path: Path):
    """`make train` is the command that made it: each number of its recipe stands in the tree."""
    graph = storage.load(path)
    made_by = dict(graph.meta["recipe"])
    net = "_".join(filter(None, (made_by.get("network", graph.name), made_by.get("stage"))))
    formats = {key: made_by.get(key) for key in ("weights", "act_bits")}
    now = recipes.load(net, **formats).describe()
    if "start" in made_by:
        assert made_by.pop("start_sha256") == shipped(made_by["start"])
    assert made_by.pop("teachers_sha256", []) == [shipped(teacher) for teacher in made_by.get("teachers", [])]
    made_by.setdefault("network", graph.name)  # what a recipe did not say then has its default now
    for leg in ("float", "qat"):
        before = {key: value for key, value in made_by.pop(leg).items() if value != []}
        assert defaults(Leg) | before == now.pop(leg)
    said = defaults(Recipe) | made_by
    assert {key: value for key, value in said.items() if value not in ("", ())} == now


def shipped(name: str) -> str:
    """The hash of a graph in the zoo."""
    return storage.load(storage.ZOO / f"{name}{storage.SUFFIX}").sha256


def defaults(kind: type) -> dict[str, object]:
    fields = dataclasses.fields(kind)
    return {field.name: field.default for field in fields if field.default is not dataclasses.MISSING}


def test_a_graph_of_unknown_origin_has_a_card_as_well(tmp_path):
    graph = dataclasses.replace(storage.load(GRAPHS[0]), meta={})
    text = card(graph)
    assert graph.sha256 in text
    assert "accuracy" not in text
