"""`make train`: the tiny network to its accuracy, other widths and classes, and everything that it cannot use."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from model.dataset import load_digits
from model.files import alone, read_json
from model.golden import execute
from model.graph import storage
from model.network import nets
from model.network.recipe import Leg
from model.network.train import Trainer
from scripts import training
from scripts.train import main
from tests.image_sets import image_folder, python2_batch
from tests.trained import recipe, small_network, stripes

RUN = Path("build") / "train" / "tiny"
QUICK = ["--net", "tiny", "--float-epochs", "1", "--qat-epochs", "1", "--quiet"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A complete run of an epoch each, in this process."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(QUICK) == 0
    return folder


@pytest.mark.slow
def test_tiny_trains_to_97_percent_in_integers_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["--net", "tiny", "--quiet", "--compare", "359"]) == 0
    result = read_json(RUN / "result.json")
    assert result["passed"] is True
    assert read_json(RUN.parent / "result.json") == result
    assert result["integer_accuracy"] >= 0.97
    assert result["float_accuracy"] >= 0.97
    assert result["codes_differing"] == 0
    assert result["classes_differing"] <= 1  # logits are rounded to integers: a near tie may fall to the other class
    assert result["codes_compared"] == 359 * (8 * 8 * 16 + 4 * 4 * 16 + 4 * 4 * 32 + 2 * 2 * 32 + 32)
    graph = storage.load(RUN / "tiny.graph.zip")
    digits = load_digits()
    classes = execute.logits(graph, digits.test_pixels).argmax(axis=1)
    assert np.mean(classes == digits.test_labels) == result["integer_accuracy"] == graph.meta["integer_accuracy"]
    assert graph.sha256 == result["graph_sha256"]
    assert f"integers only {result['integer_accuracy']:.2%} of 359 test images" in capsys.readouterr().out


@pytest.mark.slow
def test_a_complete_run_freezes_and_measures_again_and_nothing_else(trained, tmp_path, monkeypatch, capsys):
    shutil.copytree(trained / "build", tmp_path / "build")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Trainer, "_epoch", None)
    before = {path: path.read_bytes() for path in RUN.rglob("*") if path.is_file()}
    for name in ("tiny.graph.zip", "result.json"):
        (RUN / name).unlink()
    assert main(QUICK) == 0
    after = {path: path.read_bytes() for path in RUN.rglob("*") if path.is_file()}
    assert before.keys() == after.keys()
    assert [path.name for path in before if before[path] != after[path]] == ["result.json"]  # its speeds
    told = capsys.readouterr().out
    assert "resuming after 1 float and 1 QAT epochs" in told
    assert "test accuracy" not in told


@pytest.fixture
def small_net(tmp_path, monkeypatch):
    """A network and a recipe for the images that `image_folder` makes, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(nets.PLANS, "vgg16", ((3, 8, 8), (8, nets.POOL, 8, nets.POOL, 8, nets.POOL)))
    plan = recipe(1, 1, batch=4)
    monkeypatch.setattr(
        training.recipes,
        "load",
        lambda net, **changes: dataclasses.replace(
            plan,
            network=net,
            float=dataclasses.replace(plan.float, epochs=0 if changes["start"] else 1),
            **{k: v for k, v in changes.items() if v and "epochs" not in k},
        ),
    )
    return tmp_path


@pytest.mark.slow
def test_any_number_of_classes_and_any_width(small_net):
    image_folder(small_net / "set", classes=("ant", "bee", "wasp"))
    assert (
        main(["--net", "vgg16", "--data", "set", "--wbits", "2", "--abits", "3", "--quiet", "--compare", "1000"]) == 0
    )
    folder = Path("build") / "train" / "vgg16_w2a3"
    result = read_json(folder / "result.json")
    assert (result["net"], result["run"]) == ("vgg16", "vgg16_w2a3")
    assert result["make"] == "make train NET=vgg16 WBITS=2 ABITS=3 SEED=7 FLOAT_EPOCHS=1 QAT_EPOCHS=1"
    graph = storage.load(folder / "vgg16_w2a3.graph.zip")
    assert graph.classes == ("ant", "bee", "wasp")
    assert {(layer.wgt.bits, layer.act.bits) for layer in graph.layers[1:]} == {(2, 3)}
    assert result["codes_differing"] == 0
    assert result["fake_quant_accuracy_float64"]["images"] == result["test_images"] == 6
    assert Path("build/cache").is_dir()


def test_the_make_line_tells_seed_and_epochs_in_any_case():
    plan = recipe(0, 2, network="vgg16", seed=0, weight_bits=3, act_bits=2)
    line = "make train NET=vgg16 WBITS=3 ABITS=2 SEED=0 FLOAT_EPOCHS=0 QAT_EPOCHS=2"
    assert training.make_line_of(plan) == line


def test_a_power_of_two_format(small_net):
    image_folder(small_net / "set", classes=("ant", "bee", "wasp"))
    assert main(["--net", "vgg16", "--data", "set", "--format", "pot4", "--quiet"]) == 0
    folder = Path("build") / "train" / "vgg16_pot4"
    result = read_json(folder / "result.json")
    assert (result["net"], result["run"], result["codes_differing"]) == ("vgg16", "vgg16_pot4", 0)
    assert result["make"] == "make train NET=vgg16 FORMAT=pot4 SEED=7 FLOAT_EPOCHS=1 QAT_EPOCHS=1"
    assert {layer.wgt.name for layer in storage.load(folder / "vgg16_pot4.graph.zip").layers} == {"pot4"}
    assert "| widths | weights pot4 (4 bits), activations 4 bits |" in (folder / "vgg16_pot4.card.md").read_text()


def test_training_on_from_a_graph(small_net, capsys):
    image_folder(small_net / "set", classes=("ant", "bee", "wasp"))
    assert main(["--net", "vgg16", "--data", "set", "--quiet"]) == 0
    first = storage.load(storage.find("vgg16"))
    (small_net / "first.graph.zip").write_bytes(storage.find("vgg16").read_bytes())
    start = ["--data", "set", "--quiet", "--start", "./first.graph.zip"]
    assert main([*start, "--abits", "2", "--float-epochs", "0"]) == 0
    folder = Path("build") / "train" / "vgg16_w4a2"
    result = read_json(folder / "result.json")
    assert (result["codes_differing"], result["float_accuracy"]) == (0, None)
    assert (result["recipe"]["start"], result["recipe"]["start_sha256"]) == ("first", first.sha256)
    line = "make train NET=vgg16 ABITS=2 START=./first.graph.zip SEED=7 FLOAT_EPOCHS=0 QAT_EPOCHS=1"
    assert result["make"] == line
    card = (folder / "vgg16_w4a2.card.md").read_text()
    assert f"start first, start_sha256 {first.sha256}" in card
    assert "float leg" not in card
    capsys.readouterr()
    for given, told in (
        (["--start", "nothing"], "no integer graph for network 'nothing'; expected one of "),
        (["--start", "set/none.graph.zip"], "cannot read set/none.graph.zip"),
        (["--net", "tiny", "--start", "./first.graph.zip"], "graph vgg16 is not of this network: expected 6 layers"),
    ):
        arguments = given if "tiny" in given else ["--data", "set", *given]
        assert main([*arguments, "--quiet"]) == 2
        assert told in capsys.readouterr().err
    assert not Path("build/train/tiny/checkpoint.pt").exists()


def test_graphs_teach(small_net, monkeypatch, capsys):
    image_folder(small_net / "set", classes=("ant", "bee", "wasp"))
    assert main(["--net", "vgg16", "--data", "set", "--quiet"]) == 0
    first = storage.find("vgg16").rename(small_net / "first.graph.zip")
    qat = Leg(1, 0.03, 0.1, 1e-4, distill=0.5)
    plan = recipe(0, batch=4, network="vgg16", qat=qat, teachers=("./first.graph.zip",), start="./first.graph.zip")
    monkeypatch.setattr(training.recipes, "load", lambda net, **_: dataclasses.replace(plan, stage="later"))
    assert main(["--net", "vgg16", "--data", "set", "--quiet"]) == 0
    folder = Path("build") / "train" / "vgg16_later"
    result = read_json(folder / "result.json")
    sha256 = storage.load(first).sha256
    assert (result["recipe"]["teachers"], result["recipe"]["teachers_sha256"]) == (["first"], [sha256])
    assert f"teachers first, teachers_sha256 {sha256}" in (folder / "vgg16_later.card.md").read_text()
    capsys.readouterr()
    missing = dataclasses.replace(plan, teachers=("nothing",))
    monkeypatch.setattr(training.recipes, "load", lambda net, **_: missing)
    assert main(["--net", "vgg16", "--data", "set", "--quiet"]) == 2
    assert "no integer graph for network 'nothing'; expected one of " in capsys.readouterr().err


def test_a_graph_that_differs_from_its_network_is_not_written(small_net, monkeypatch, capsys):
    image_folder(small_net / "set")
    real = training.exact_codes

    def wrong(network, pixels):
        codes, logits = real(network, pixels)
        codes["features.0"][0, 0, 0, 0] ^= 1
        return codes, logits

    assert main(["--data", "set", "--quiet"]) == 0
    monkeypatch.setattr(training, "exact_codes", wrong)
    assert main(["--data", "set", "--quiet"]) == 1
    assert "error: the frozen graph differs from the network in 1 of " in capsys.readouterr().err
    folder = Path("build") / "train" / "vgg16"
    for path in (folder, folder.parent):
        assert read_json(path / "result.json")["passed"] is False
    start, *rest = sorted(path.name for path in folder.iterdir() if path.name != "checkpoint.pt")
    assert start.startswith("float-")
    assert rest == ["log", "result.json"], "graph and card of the run before are gone"


@pytest.mark.parametrize("fault", ["swapped", "one logit"])
def test_a_graph_whose_logits_differ_is_not_written(fault, small_net, monkeypatch, capsys):
    image_folder(small_net / "set")
    real = training.freeze

    def wrong(*arguments):
        graph = real(*arguments)
        last = graph.layers[-1]
        if fault == "swapped":
            last = dataclasses.replace(last, weight=last.weight[::-1].copy())
        else:  # two steps of a logit: rounding takes it one at most
            bias = last.bias.copy()
            bias[0] += 2 << last.shift
            last = dataclasses.replace(last, bias=bias)
        return dataclasses.replace(graph, layers=(*graph.layers[:-1], last))

    monkeypatch.setattr(training, "freeze", wrong)
    assert main(["--data", "set", "--quiet"]) == 1
    result = read_json(RUN.parent / "result.json")
    assert result["passed"] is False
    assert result["differing_codes"] == 0
    assert 0 < result["differing_logits"] <= result["logits"]
    assert f"codes and {result['differing_logits']} of {result['logits']} logits" in capsys.readouterr().err
    assert not list((Path("build") / "train" / "vgg16").glob("*.graph.zip"))


def tree(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def refused(told: str, arguments: list[str], capsys) -> None:
    """Exit status 2, one line on stderr that holds `told`, and every file as it was."""
    before = tree(Path())
    assert main([*arguments, "--quiet"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    assert told in lines[0]
    assert tree(Path()) == before


@pytest.fixture
def empty(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["--net", "resnet"],
            "error: no network 'resnet'; expected one of micro, residual, separable, signal, tiny, vgg16",
        ),
        (["--net", "../tiny"], "no network '../tiny'"),
        (["--wbits", "1"], "WBITS=1 is impossible; expected 2..8"),
        (["--wbits", "four"], "WBITS='four' is not a whole number; expected WBITS=4, for instance"),
        (["--wbits", "4", "--format", "pot4"], "WBITS=4 and FORMAT=pot4 both name the weight format; give one"),
        (["--format", "pot3"], "no weight format 'pot3'; expected one of int2,"),
        (["--abits", "9"], "ABITS=9 is impossible; expected 2..8"),
        (["--abits", "4.5"], "ABITS='4.5' is not a whole number"),
        (["--float-epochs", "-1"], "-1 epochs is impossible"),
        (["--qat-epochs", "0"], "QAT_EPOCHS=0 is impossible"),
        (["--seed", "99999999999"], "SEED=99999999999 is impossible"),
        (["--seed", "9" * 40], "is not a whole number"),
        (["--net", "tiny", "--data", "."], "NET=tiny trains on scikit-learn's bundled digits; leave DATA out"),
        (["--net", "signal", "--data", "."], "NET=signal trains on scikit-learn's bundled digits; leave DATA out"),
        (["--data", "missing"], "DATA=missing is not a folder; expected cifar-10-batches-py, or a folder with train"),
    ],
)
def test_impossible_values(arguments, told, empty, capsys):
    refused(told, arguments, capsys)
    assert not list(empty.iterdir())


def test_values_given_empty_are_not_given(empty, monkeypatch):
    taken = []
    monkeypatch.setattr(training, "run", lambda *arguments: taken.append(arguments) or 0)
    assert main(["--net", "tiny", "--data", "", "--wbits", "", "--start", "", "--seed", "3"]) == 0
    ((net, data, changes, images, quiet),) = taken
    assert (net, data, images, quiet) == ("tiny", None, 256, False)
    assert changes == {
        "weights": None,
        "weight_bits": None,
        "act_bits": None,
        "start": None,
        "seed": 3,
        "float_epochs": None,
        "qat_epochs": None,
    }


def test_data_that_is_no_data(empty, capsys):
    (empty / "file").write_text("x")
    refused("DATA=file is not a folder", ["--data", "file"], capsys)
    (empty / "set").mkdir()
    refused("DATA=set holds none of what is expected", ["--data", "set"], capsys)
    image_folder(empty / "half", size=(32, 32))
    (empty / "half" / "test").rename(empty / "away")
    refused("half has no test folder", ["--data", "half"], capsys)
    (empty / "away").rename(empty / "half" / "test")
    (empty / "half" / "train" / "bee").rename(empty / "bee")
    refused("class 'bee' is in one of train and test only", ["--data", "half"], capsys)
    image_folder(empty / "small")
    refused("is 8x8; the network takes 32x32", ["--data", "small"], capsys)
    batches = empty / "cifar-10-batches-py"
    batches.mkdir()
    (batches / "data_batch_1").write_bytes(python2_batch(np.zeros((5, 3072)), [0] * 5)[:-9])
    refused("data_batch_1 is not a batch of cifar-10-batches-py", ["--data", str(batches)], capsys)
    assert not (empty / "build" / "train").exists()


def test_fewer_images_than_a_batch(empty, capsys):
    image_folder(empty / "set", size=(32, 32))
    main(["--data", "set", "--quiet"])  # fills the cache
    capsys.readouterr()
    refused("10 training images are fewer than one batch; expected 128 or more", ["--data", "set"], capsys)


@pytest.mark.filterwarnings("error")
def test_without_a_network_and_without_data(empty, monkeypatch, capsys):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    refused(
        "give a folder you have: DATA=<cifar-10-batches-py, or a folder with train/<class>/* and test/<class>/*>",
        [],
        capsys,
    )


def test_a_checkpoint_that_is_a_folder(empty, capsys):
    (RUN / "checkpoint.pt").mkdir(parents=True)
    refused("checkpoint.pt: it is a folder; expected a checkpoint", QUICK, capsys)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_a_corrupt_checkpoint(content, trained, empty, capsys):
    shutil.copytree(trained / "build", "build")
    whole = (RUN / "checkpoint.pt").read_bytes()
    (RUN / "checkpoint.pt").write_bytes(whole[: len(whole) // 2] if content is None else content)
    refused("checkpoint.pt is not a whole checkpoint", QUICK, capsys)
    refused("move it away to start afresh", QUICK, capsys)


@pytest.mark.parametrize("other", [["--seed", "5"], ["--qat-epochs", "4"]])
def test_a_checkpoint_of_another_recipe(other, trained, empty, capsys):
    shutil.copytree(trained / "build", "build")
    refused("belongs to another recipe or other data", [*QUICK, *other], capsys)


def test_a_checkpoint_of_another_network(empty, capsys):
    Trainer(small_network(), stripes(), recipe(1, 1), RUN, quiet=True).run()
    capsys.readouterr()
    refused("belongs to another recipe or other data", ["--net", "tiny"], capsys)


def test_a_run_beside_another(empty, capsys):
    with alone(Path("build") / "train" / ".tiny.lock", "the test"):
        refused("another run of tiny is at work already", ["--net", "tiny"], capsys)


def test_no_room_for_the_run(empty, capsys):
    (empty / "build").write_text("a file")
    refused("cannot write build/train/.tiny.lock", ["--net", "tiny"], capsys)


def test_an_argument_it_does_not_know_is_told_by_argparse(empty, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--epochs", "3"])
    assert caught.value.code == 2
    assert "unrecognized arguments: --epochs 3" in capsys.readouterr().err
