"""Recipes: those that are shipped, their learning rates, and impossible numbers."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest

from model.errors import LockstepError
from model.network import recipe as recipes
from model.network.nets import NAMES
from model.network.recipe import FOLDER, Leg, check_bits, load, shipped
from tests.trained import recipe


def test_every_network_has_a_recipe():
    assert {load(name).network for name in shipped()} == set(NAMES) <= set(shipped())
    for name in shipped():
        described = load(name).describe()
        assert json.loads(json.dumps(described)) == described
        assert name == load(name).run_name


def test_widths_that_have_a_recipe_of_their_own_get_it(tmp_path, monkeypatch):
    text = (FOLDER / "tiny.toml").read_text()
    (tmp_path / "tiny.toml").write_text(text)
    (tmp_path / "tiny_w4a2.toml").write_text("act_bits = 2\n" + text.replace("epochs = 20", "epochs = 25"))
    monkeypatch.setattr(recipes, "FOLDER", tmp_path)
    own = load("tiny_w4a2")
    assert (own.network, own.act_bits, own.qat.epochs) == ("tiny", 2, 25)
    assert load("tiny", act_bits=2) == own
    assert load("tiny", act_bits=3).qat.epochs == 20
    assert load("tiny_w4a2", act_bits=4) != own


def test_recipes_that_differ_in_the_other_leg_alone_share_the_float_leg():
    key = recipe().float_key("data")
    for same in (recipe(qat_epochs=9), recipe(act_bits=2), recipe(weight_bits=2)):
        assert same.float_key("data") == key
    others = [recipe(4), recipe(seed=8), recipe(batch=8), recipe(crop=2), recipe(cutout=2), recipe(network="tiny")]
    for other in others:
        assert other.float_key("data") != key
    assert recipe().float_key("other") != key


def test_a_key_is_of_every_entry_that_is_not_at_its_default():
    plan = recipe()
    keys = {plan.key("data"), plan.key("other")}
    others = [{"seed": 8}, {"crop": 2}, {"cutout": 1}, {"act_bits": 2}, {"evaluate_every": 3}, {"label_smoothing": 0.2}]
    legs = [
        {"epochs": 9},
        {"trivial": 0.5},
        {"end_rate": 0.001},
        {"small": 0.5, "small_side": 3},
        {"weight_decay": 0.0},
    ]
    others += [{leg: dataclasses.replace(getattr(plan, leg), **more)} for leg in ("float", "qat") for more in legs]
    keys |= {dataclasses.replace(plan, **other).key("data") for other in others}
    assert len(keys) == 2 + len(others)

    @dataclasses.dataclass(frozen=True)
    class LaterLeg(Leg):
        later: float = 0.0

    later = {leg: LaterLeg(**dataclasses.asdict(getattr(plan, leg))) for leg in ("float", "qat")}
    assert dataclasses.replace(plan, **later).key("data") == plan.key("data")
    assert dataclasses.replace(plan, **later).float_key("data") == plan.float_key("data")
    later["qat"] = dataclasses.replace(later["qat"], later=0.5)
    assert dataclasses.replace(plan, **later).key("data") != plan.key("data")


def test_changes_replace_what_the_file_says():
    changed = load("tiny", weight_bits=2, act_bits=3, seed=9, float_epochs=0, qat_epochs=5)
    assert (changed.weight_bits, changed.act_bits, changed.seed) == (2, 3, 9)
    assert (changed.float.epochs, changed.qat.epochs) == (0, 5)
    same = load("tiny", weight_bits=None, float_epochs=None)
    assert same == load("tiny")
    assert changed.qat.peak_rate == same.qat.peak_rate


def test_a_graph_to_start_from_stands_in_the_float_legs_place(tmp_path, monkeypatch):
    changed = load("tiny", start="tiny_base")
    assert (changed.start, changed.float.epochs, changed.qat) == ("tiny_base", 0, load("tiny").qat)
    with pytest.raises(LockstepError, match="start beside 3 float epochs is impossible; expected 0 of them"):
        load("tiny", start="tiny_base", float_epochs=3)
    text = (FOLDER / "tiny.toml").read_text()
    qat = text[text.index("[qat]") :]
    head = text[: text.index("[float]")]
    (tmp_path / "tiny_base.toml").write_text('stage = "base"\n' + text)
    (tmp_path / "tiny.toml").write_text('start = "tiny_base"\n' + head + qat)
    (tmp_path / "micro.toml").write_text(head + qat)
    monkeypatch.setattr(recipes, "FOLDER", tmp_path)
    assert load("tiny") == changed
    base = load("tiny_base")
    assert (base.network, base.run_name, base.float.epochs) == ("tiny", "tiny_base", 30)
    assert load("tiny_base", act_bits=2).run_name == "tiny_base_w4a2"
    with pytest.raises(LockstepError, match="start beside 2 float epochs"):
        load("tiny", float_epochs=2)
    with pytest.raises(LockstepError, match=r"micro.toml: float is no table"):
        load("micro")


def test_a_start_is_what_its_hash_says_whatever_it_is_called():
    plan = recipe(0, start="one", start_sha256="a")
    same = dataclasses.replace(plan, start="../folder/two.graph.zip", stage="later")
    assert same.key("data") == plan.key("data")
    assert dataclasses.replace(plan, start_sha256="b").key("data") != plan.key("data")
    assert recipe(stage="base").float_key("data") == recipe().float_key("data")
    described = same.describe()
    assert (described["start"], described["start_sha256"], described["stage"]) == ("two", "a", "later")
    assert not {"start", "start_sha256", "stage", "weights"} & recipe().describe().keys()


def test_teachers_are_what_their_hashes_say_whatever_they_are_called():
    leg = Leg(1, 0.1, 0.1, 0.0, distill=0.5)
    plan = recipe(0, qat=leg, teachers=("one", "two"), teachers_sha256=("a", "b"))
    same = dataclasses.replace(plan, teachers=("./folder/three.graph.zip", "two"))
    assert same.key("data") == plan.key("data")
    assert dataclasses.replace(plan, teachers_sha256=("a", "c")).key("data") != plan.key("data")
    assert plan.float_key("data") == recipe(0).float_key("data")
    described = same.describe()
    assert (described["teachers"], described["teachers_sha256"]) == (["three", "two"], ["a", "b"])
    assert not {"teachers", "teachers_sha256"} & recipe().describe().keys()


@pytest.mark.parametrize(
    ("value", "told"), [('"one"', "teachers is 'one'; expected a list of texts"), ("[1]", r"teachers is \(1,\)")]
)
def test_teachers_that_are_no_names(value, told, tmp_path, monkeypatch):
    text = (recipes.FOLDER / "tiny.toml").read_text()
    (tmp_path / "tiny.toml").write_text(f"teachers = {value}\n{text}")
    monkeypatch.setattr(recipes, "FOLDER", tmp_path)
    with pytest.raises(LockstepError, match=rf"tiny\.toml: {told}"):
        load("tiny")


@pytest.mark.parametrize("net", ["resnet", "", "../recipes/tiny", "tiny.toml", "TINY"])
def test_an_unknown_network(net):
    with pytest.raises(
        LockstepError, match=r"no network '.*'; expected one of micro, residual, separable, signal, tiny, vgg16"
    ):
        load(net)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"weight_bits": 1}, r"WBITS=1 is impossible; expected 2\.\.8"),
        ({"act_bits": 9}, r"ABITS=9 is impossible; expected 2\.\.8"),
        ({"float_epochs": -1}, "-1 epochs is impossible; expected 0 or more"),
        ({"qat_epochs": 0}, "QAT_EPOCHS=0 is impossible; expected 1 or more"),
        ({"seed": -1}, r"SEED=-1 is impossible; expected 0\.\.2147483647"),
        ({"seed": 1 << 31}, "SEED=2147483648 is impossible"),
        ({"batch": 1}, "batch 1 is impossible; expected 2 or more"),
        ({"crop": -1}, "crop -1"),
        ({"cutout": -1}, "cutout -1"),
        ({"evaluate_every": 0}, "evaluate_every 0"),
        ({"label_smoothing": 1}, "label_smoothing 1"),
        ({"colour": 3}, r"tiny\.toml: .*unexpected keyword argument 'colour'"),
    ],
)
def test_impossible_numbers(changes, told):
    with pytest.raises(LockstepError, match=told):
        load("tiny", **changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"peak_rate": 0.0}, "peak_rate 0.0"),
        ({"warm_up": 1.0}, "warm_up 1.0"),
        ({"weight_decay": -1e-4}, "weight_decay"),
        ({"distill": 1.1}, r"distill 1.1 is impossible; expected 0\.\.1"),
        ({"temperature": 0.0}, "temperature 0.0"),
        ({"cutmix": 1.5}, r"cutmix 1.5 is impossible; expected 0\.\.1"),
        ({"sharpness": -0.1}, "sharpness -0.1 is impossible; expected 0 or more"),
        ({"trivial": 1.1}, r"trivial 1.1 is impossible; expected 0\.\.1"),
        ({"small": -0.1, "small_side": 4}, r"small -0.1 is impossible; expected 0\.\.1"),
        ({"small": 0.5}, "small_side 0 is impossible; expected more than 0 beside small"),
        ({"small_side": 24}, "small_side 24 is impossible"),
    ],
)
def test_impossible_legs(changes, told):
    with pytest.raises(LockstepError, match=told):
        Leg(**{"epochs": 1, "peak_rate": 0.1, "warm_up": 0.1, "weight_decay": 0.0, **changes})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("batch = ", "net.toml: Invalid value"),
        ("batch = 3", "net.toml: float is no table"),
        ("[float]\n[qat]", "net"),
        ("a = " + "[" * 100_000, "net.toml"),
    ],
)
def test_a_recipe_file_that_is_none(text, told, tmp_path, monkeypatch):
    (tmp_path / "net.toml").write_text(text)
    monkeypatch.setattr(recipes, "FOLDER", tmp_path)
    with pytest.raises(LockstepError, match=told):
        load("net")


@pytest.mark.parametrize("bits", [2, 8])
def test_widths_at_the_limits(bits):
    check_bits(bits, bits)


def test_the_learning_rate_is_a_triangle():
    leg = Leg(3, 0.2, 0.25, 0.0)
    rates = [leg.rate(step, 100) for step in range(100)]
    peak = int(np.argmax(rates))
    assert peak == 25
    assert rates[25] == pytest.approx(0.2)
    assert rates[0] == pytest.approx(0.2 / 26)
    assert rates[99] == pytest.approx(0.2 / 75)
    assert (np.diff(rates[:26]) > 0).all()
    assert (np.diff(rates[25:]) < 0).all()
    np.testing.assert_allclose(np.diff(rates[:25]), 0.2 / 26, rtol=1e-9)
    np.testing.assert_allclose(np.diff(rates[25:]), -0.2 / 75, rtol=1e-9)


def test_a_leg_that_another_follows_ends_at_its_rate():
    leg = Leg(3, 0.2, 0.1, 0.0, end_rate=0.05)
    rates = np.array([leg.rate(step, 1000) for step in range(1001)])
    np.testing.assert_allclose(rates[[100, 1000]], [0.2, 0.05])
    np.testing.assert_allclose(np.diff(rates[100:]), -0.15 / 900, rtol=1e-9)


def test_the_first_epochs_may_be_of_small_images():
    leg = Leg(10, 0.2, 0.1, 0.0, small=0.35, small_side=24)
    assert [leg.side(epoch, 32) for epoch in range(10)] == [24] * 4 + [32] * 6
    assert {Leg(10, 0.2, 0.1, 0.0).side(epoch, 32) for epoch in range(10)} == {32}


def test_distillation_wants_a_float_network_to_learn_from():
    leg = Leg(1, 0.1, 0.1, 0.0, distill=0.5)
    assert recipe(qat=leg).qat.distill == 0.5
    with pytest.raises(LockstepError, match="distill without a float leg is impossible; expected FLOAT_EPOCHS=1"):
        recipe(0, qat=leg)
    assert recipe(0, qat=leg, teachers=("one",)).qat.distill == 0.5
    with pytest.raises(LockstepError, match="teachers without distill is impossible; expected distill in the QAT leg"):
        recipe(teachers=("one",))
    with pytest.raises(LockstepError, match=r"distill 0\.5 in the float leg is impossible"):
        recipe(float=leg)


@pytest.mark.parametrize("end", [-0.1, 0.21])
def test_an_impossible_end(end):
    with pytest.raises(LockstepError, match=r"end_rate .* is impossible; expected 0\.\.0\.2 \(peak_rate\)"):
        Leg(3, 0.2, 0.1, 0.0, end_rate=end)


def test_without_warm_up_the_rate_only_falls():
    rates = [Leg(1, 0.2, 0.0, 0.0).rate(step, 10) for step in range(10)]
    np.testing.assert_allclose(rates, 0.2 * (1 - np.arange(10) / 10))


def test_a_recipe_does_not_change_under_way():
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe().seed = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("batch = ", "batch = 0.5 # ", "batch is 0.5; expected a whole number"),
        ("seed = ", "seed = true # ", "seed is True; expected a whole number"),
        ("flip = ", 'flip = "yes" # ', "flip is 'yes'; expected true or false"),
        ("peak_rate = ", "peak_rate = inf # ", "float.peak_rate is inf; expected a finite number"),
        ("epochs = ", "epochs = 3.0 # ", "float.epochs is 3.0; expected a whole number"),
        ("network = ", "network = 3 # ", "network is 3; expected a text"),
    ],
)
def test_an_entry_of_another_kind_is_refused(old, new, told, tmp_path, monkeypatch):
    """They were taken as they were, or failed far from here: found by make fuzz."""
    text = (recipes.FOLDER / "tiny.toml").read_text()
    (tmp_path / "tiny.toml").write_text(re.sub(rf"^{old}", new, text, count=1, flags=re.MULTILINE))
    monkeypatch.setattr(recipes, "FOLDER", tmp_path)
    with pytest.raises(LockstepError, match=re.escape(f"tiny.toml: {told}")):
        load("tiny")
