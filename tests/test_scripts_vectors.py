"""The entry point behind `make vectors`: what it writes, what it says, and how it refuses."""

from __future__ import annotations

import doctest
import hashlib
import json
import shutil

import numpy as np
import pytest

import scripts.vectors
from model.errors import LockstepError
from model.golden.execute import conv_naive, layer_input
from model.golden.tiling import tiling_of, untile
from model.graph import storage
from model.vectors.check import check_set
from model.vectors.reader import read_set
from scripts.vectors import load_image, main, read_array
from tests.integer_graphs import random_pixels, small_graph
from tests.test_vectors_check import spoil
from tests.vector_sets import Foreign


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in, with a graph and an image."""
    monkeypatch.chdir(tmp_path)
    graph = small_graph()
    storage.save(graph, tmp_path / "small.graph.zip")
    np.save(tmp_path / "photo.npy", random_pixels(graph))
    return tmp_path


def run(capsys, *arguments):
    """(exit status, standard output, standard error) of one call."""
    status = main(list(arguments))
    out, err = capsys.readouterr()
    return status, out, err


def photo(place, name="photo.npy"):
    """What the set of an image file is called."""
    path = place / name
    return f"img{path.stem}_{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}"


USUAL = ("--net", "./small.graph.zip", "--layer", "conv.2", "--image", "photo.npy")


def test_a_set_and_its_result_file(place, capsys):
    status, out, err = run(capsys, *USUAL, "--rows", "4", "--cols", "3", "--psum", "18")
    name = f"{photo(place)}_4x3_psum18"
    folder = place / "vectors" / "small" / "conv.2" / name
    assert (status, err) == (0, "")
    back = read_set(folder)
    assert check_set(back) == []
    assert (back.manifest.array.rows, back.manifest.array.cols, back.manifest.bits.psum) == (4, 3, 18)
    result = json.loads((place / "build" / "vectors" / "result.json").read_text())
    assert result["passed"] is True
    assert result["graph"] == "small.graph.zip"
    assert result["folder"] == f"vectors/small/conv.2/{name}"
    assert result["files"] == len(list(folder.iterdir()))
    assert result["bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    assert result["lines"] == sum(path.read_bytes().count(b"\n") for path in folder.iterdir())
    assert result["graph_sha256"] == small_graph().sha256
    assert result["tiles"] == {"ic": 3, "oc": 2}
    assert result["psum"]["bits"] == 18
    assert result["psum"]["bits_needed"] <= 16
    assert out.splitlines()[0].startswith(f"vectors/small/conv.2/{name}: {result['files']} files, ")
    assert str(place) not in (folder / "manifest.json").read_text(), "a set names no place of the machine that made it"


def test_the_classifier_and_another_folder(place, capsys):
    arguments = ["--net", "./small.graph.zip", "--layer", "classifier", "--image", "photo.npy", "--out", "elsewhere"]
    assert run(capsys, *arguments)[0] == 0
    assert not read_set(place / "elsewhere" / "small" / "classifier" / photo(place)).manifest.files.out[0].relu


BAD = {
    "no such network": (["--net", "vgg99"], "no integer graph for network 'vgg99'; expected one of "),
    "no such graph file": (["--net", "./none.graph.zip"], "cannot read none.graph.zip: No such file or directory"),
    "no such layer": (["--layer", "conv.9"], "no layer 'conv.9' in small; expected one of conv.0, conv.1, conv.2"),
    "rows no number": (["--rows", "eight"], "ROWS='eight' is not a whole number; expected ROWS=8, for instance"),
    "rows negative": (["--rows=-8"], "array.rows is -8; expected 1..1024"),
    "rows zero": (["--rows", "0"], "array.rows is 0; expected 1..1024"),
    "cols too many": (["--cols", "100000"], "array.cols is 100000; expected 1..1024"),
    "psum too narrow": (["--psum", "8"], "layer conv.2: psums of output channel "),
    "psum impossible": (["--psum", "99"], "bits.psum is 99; expected 2..62"),
    "no such image": (
        ["--image", "none.png"],
        "IMAGE=none.png is no file; expected sample, an image file, or an index",
    ),
    "no image at all": (["--image", "small.graph.zip"], "cannot read image small.graph.zip"),
    "broken array": (["--image", "broken.npy"], "cannot read broken.npy ("),
    "floats": (["--image", "floats.npy"], "floats.npy is no uint8 array; expected pixels 0..255"),
    "other shape": (["--image", "shape.npy"], "shape.npy holds uint8(3, 5, 6); expected uint8(3, 6, 5)"),
    "index without data": (["--image", "3"], "IMAGE=3 is an index into a data set; expected DATA=<folder> with it"),
    "data, no index": (["--data", "none"], "DATA=none with IMAGE="),
    "index, no such data": (["--image", "3", "--data", "none"], "DATA=none is not a folder; expected "),
    "no sample of this shape": (
        ["--image", "sample"],
        "no sample image of shape (3, 6, 5) is shipped; expected IMAGE=<file>",
    ),
    "out is a file": (["--out", "photo.npy"], "cannot write photo.npy/small/conv.2/imgphoto_"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_status_2_and_leaves_the_old_set(case, place, capsys):
    np.save(place / "floats.npy", np.zeros((3, 6, 5)))
    np.save(place / "shape.npy", np.zeros((3, 5, 6), np.uint8))
    (place / "broken.npy").write_bytes(b"\x93NUMPY")
    assert run(capsys, *USUAL)[0] == 0
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    arguments, message = BAD[case]
    status, out, err = run(capsys, *USUAL, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


THERE = "is not for a set that is there; expected"
PASSED_OVER = {
    **{
        name: (["--check", "there", f"--{name}", "4"], f"{name.upper()}= {THERE} CHECK=<folder>")
        for name in scripts.vectors.USUAL
    },
    "two at once": (
        ["--check", "there", "--rows", "4", "--layer", "x"],
        f"LAYER=, ROWS= {THERE} CHECK=<folder>, perhaps",
    ),
    "propose, layer": (["--propose", "there", "--layer", "x"], f"LAYER= {THERE} PROPOSE=<folder> alone"),
    "propose, manifest": (["--propose", "there", "--manifest", "x"], f"MANIFEST= {THERE} PROPOSE=<folder> alone"),
    "propose, check": (["--propose", "there", "--check", "there"], f"CHECK= {THERE} PROPOSE=<folder> alone"),
    "manifest": (["--manifest", "x"], "MANIFEST=<file> describes a set that is there; expected CHECK=<folder> with it"),
}


@pytest.mark.parametrize("case", PASSED_OVER)
def test_a_variable_that_would_be_passed_over_is_refused(case, place, capsys):
    Foreign().write(place / "there")
    arguments, message = PASSED_OVER[case]
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert not (place / "build").exists()
    assert not (place / "vectors").exists()


def test_a_corrupt_graph_is_refused(place, capsys):
    path = place / "small.graph.zip"
    path.write_bytes(path.read_bytes()[:-30])
    status, _, err = run(capsys, *USUAL)
    assert status == 2
    assert "small.graph.zip is not a whole integer graph" in err


def test_image_files_are_resized_to_the_input(place, capsys):
    images = pytest.importorskip("PIL.Image")
    images.fromarray(np.random.default_rng(0).integers(0, 256, (40, 70, 3)).astype(np.uint8)).save(place / "my cat.png")
    assert run(capsys, *USUAL, "--image", "my cat.png")[0] == 0
    assert (
        check_set(read_set(place / "vectors" / "small" / "conv.2" / photo(place, "my cat.png").replace(" ", "_"))) == []
    )


def test_files_of_one_name_have_sets_of_their_own_and_copies_share_one(place, capsys):
    for name in ("a", "b", "copy of a"):
        (place / name).mkdir()
    graph = small_graph()
    for seed, name in enumerate(("a", "b")):
        np.save(place / name / "photo.npy", random_pixels(graph, seed=seed + 5))
    shutil.copy(place / "a" / "photo.npy", place / "copy of a")
    for name in ("a", "b", "copy of a"):
        assert run(capsys, *USUAL[:4], "--image", f"{name}/photo.npy")[0] == 0
    names = sorted(path.name for path in (place / "vectors" / "small" / "conv.2").iterdir())
    assert names == sorted({photo(place / "a"), photo(place / "b")})


def test_one_index_into_two_data_sets_has_two_sets_and_a_copy_shares_one(place, capsys):
    pytest.importorskip("PIL.Image")
    from tests.image_sets import image_folder

    image_folder(place / "a", (6, 5))
    image_folder(place / "b", (6, 5), train=4)  # one image less in front: others in the test set
    shutil.copytree(place / "a", place / "copy of a")
    told = {}
    for name in ("a", "b", "copy of a"):
        assert run(capsys, *USUAL[:4], "--image", "1", "--data", name)[0] == 0
        told[name] = json.loads((place / "build" / "vectors" / "result.json").read_text())["folder"]
    assert told["a"] == told["copy of a"] != told["b"]
    for name in ("a", "b"):
        assert "/img1_" in told[name]
        assert check_set(read_set(place / told[name])) == []
    first, second = ((place / told[name] / "activation_tile0.txt").read_bytes() for name in ("a", "b"))
    assert first != second


def test_a_shipped_graph_is_told_by_its_place_in_the_project(place, capsys):
    assert run(capsys, "--net", "tiny", "--layer", "classifier")[0] == 0
    result = json.loads((place / "build" / "vectors" / "result.json").read_text())
    assert result["graph"] == "model/zoo/tiny.graph.zip"


def test_a_result_that_cannot_be_written_is_a_note(place, capsys):
    (place / "build").write_text("as good as read-only")
    status, out, err = run(capsys, *USUAL)
    assert status == 0
    assert "files" in out
    assert err.startswith("note: no result file: cannot write build/vectors/result.json: ")
    assert err.count("\n") == 1


def test_names_of_images_and_sets():
    assert doctest.testmod(scripts.vectors) == (0, 4)


def test_check_and_propose_sets_of_others(place, capsys):
    foreign = Foreign(relus=(True, False))
    folder = foreign.write(place / "theirs")
    status, out, err = run(capsys, "--propose", str(folder))
    assert status == 0
    assert "confirmed by the data: files.weight.line = column" in err
    result = json.loads((place / "build" / "vectors" / "result.json").read_text())
    assert (result["passed"], result["folder"], result["words"]) == (True, str(folder), result["words_true"])
    assert result["manifest"] == json.loads(out)
    (place / "theirs.json").write_text(out)
    assert list(folder.glob("*.json")) == []
    status, out, _ = run(capsys, "--check", str(folder), "--manifest", str(place / "theirs.json"))
    assert (status, out) == (0, f"{folder}: 0 wrong words\n")
    assert json.loads((place / "build" / "vectors" / "result.json").read_text())["passed"] is True
    path = folder / "psum_itile0_otile0_kij2.txt"
    spoil(path, 6, 0, 16, -32768)
    status, out, _ = run(capsys, "--check", str(folder), "--manifest", str(place / "theirs.json"))
    assert status == 1
    assert out.splitlines()[0].startswith(
        f"{path.name} line 6 (psum oc 0 ic 0 kij 2 position 2 column 2): found -32768,"
    )
    assert out.splitlines()[1:] == [f"{folder}: 1 wrong words"]
    result = json.loads((place / "build" / "vectors" / "result.json").read_text())
    assert (result["passed"], result["wrong_words"], result["first"]) == (False, 1, out.splitlines()[:1])
    assert run(capsys, "--check", str(place / "none"))[::2] == (
        2,
        f"error: {place}/none is missing; expected a folder of vectors\n",
    )


@pytest.mark.parametrize(("net", "layer"), [("residual", "block1"), ("separable", "depth2"), ("signal", "conv3")])
def test_layers_with_groups_several_maps_and_one_dimension(net, layer, tmp_path, monkeypatch, capsys):
    """Their sets are those of plain layers; the sample and the digits come in the shape that the network takes."""
    monkeypatch.chdir(tmp_path)
    for image in ("sample", "3"):
        status, out, _ = run(capsys, "--net", net, "--layer", layer, "--image", image, "--out", "v")
        assert status == 0, out
        found = read_set(tmp_path / "v" / net / layer / f"img{image}")
        assert check_set(found) == []
        graph = storage.load(storage.find(net))
        pixels = load_image(image, None, graph)
        assert pixels.shape == graph.input_shape
        whole, (_, height, width) = graph.layer(layer), graph.wiring.before[graph.layers.index(graph.layer(layer))]
        psum = conv_naive(layer_input(graph, pixels[None], layer)[0], whole)
        ((relu, out),) = found.outs
        assert relu
        np.testing.assert_array_equal(untile(out, tiling_of(whole, height, width, 8, 8)), np.maximum(psum, 0))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data + b"x", "holds 91 bytes"),
        (lambda data: data.replace(b"(3, 6, 5)", b"(3, 6, 9999999999999)"), "bytes of pixels"),
        (lambda data: data[:6] + b"\x02" + data[7:], "version"),
        (lambda data: b"PK" + data, "cannot read"),
    ],
)
def test_an_array_file_holds_its_pixels_and_nothing_else(change, told, tmp_path):
    """Bytes behind them were dropped, a header could ask for all memory: found by make fuzz."""
    path = tmp_path / "x.npy"
    np.save(path, np.arange(90, dtype=np.uint8).reshape(3, 6, 5))
    assert read_array(path).tolist() == np.arange(90).reshape(3, 6, 5).tolist()
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(LockstepError, match=told):
        read_array(path)
