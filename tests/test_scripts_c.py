"""`make c` and `make c-proof`: what they write, what they refuse, and that they fail where the C is not golden."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.c.source import generate
from model.errors import LockstepError
from model.files import read_json
from model.golden.execute import logits
from model.graph import storage
from model.numeric.weights import named
from scripts import c, c_proof
from tb.c import compilers, host, kinds
from tests.integer_graphs import small_graph

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / f"small{storage.SUFFIX}"
    storage.save(small_graph(wgt=named("pot4")), path)
    return path


def make(net: Path | str, out: Path, *arguments: str) -> int:
    return c.main(["--net", str(net), "--out", str(out), *arguments])


def test_on_this_machine(net, tmp_path, capsys):
    assert make(net, tmp_path / "out", "--images", "40") == 0
    folder = tmp_path / "out/small"
    assert sorted(path.name for path in folder.iterdir()) == ["net.c", "net.h", "result.json"]
    result = read_json(folder / "result.json")
    assert result == read_json(tmp_path / "out/result.json")
    assert (result["passed"], result["differing_logits"], result["images"], result["error"]) == (True, 0, 40, None)
    assert result["make"] == f"make c NET={net} IMAGES=40"
    assert result["arena_bytes"] == 354
    assert result["ram_bytes"] == 354 + 90 + 16
    told = capsys.readouterr().out
    assert "354 bytes; the most that is alive at one time is 354" in told
    assert "40 inputs (0 digits, the others noise and extremes), every logit equal" in told


@pytest.mark.slow
def test_on_the_chip_with_digits_among_the_inputs(tmp_path, capsys):
    assert make("micro", tmp_path, "--format", "pot4", "--target", "rv32ec", "--images", "4", "--weights", "mixed") == 0
    result = read_json(tmp_path / "micro_pot4/result.json")
    assert (result["digits"], result["images"], result["helpers"]) == (2, 4, [])
    assert result["ram_bytes"] <= 2048
    assert result["flash_bytes"] <= 16384
    counts = result["instructions"]
    assert 100_000 < counts["least"] <= counts["mean"] <= counts["most"] < 2_000_000
    assert f"{counts['mean']:,} instructions an inference" in capsys.readouterr().out


@pytest.mark.slow
def test_over_the_budget_is_refused_with_what_and_by_how_much(net, tmp_path, capsys):
    assert make(net, tmp_path / "out", "--images", "20") == 0
    for budget, told in (
        (("--ram", "400"), "small does not fit: RAM 460 bytes of 400, 60 too many; nothing was written"),
        (("--flash", "500"), "bytes of 500"),
        (("--target", "rv32ec", "--flash", "2500", "--ram", "470"), "small on rv32ec does not fit: flash "),
    ):
        assert make(net, tmp_path / "out", "--images", "2", *budget) == 2
        captured = capsys.readouterr()
        assert told in captured.err
        assert captured.err.count("\n") == 1
    assert list((tmp_path / "out/small").iterdir()) == []
    assert not (tmp_path / "out/result.json").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--target", "avr"], "TARGET=avr is no target; expected host or rv32ec"),
        (["--weights", "zipped"], "WEIGHTS=zipped is no way to store weights; expected packed, unrolled or mixed"),
        (["--multiply", "yes"], "MULTIPLY=yes is impossible; expected 0 or 1"),
        (["--ram", "2k"], "RAM='2k' is not a whole number; expected RAM=16384, for instance"),
        (["--flash", "0"], "FLASH=0 is impossible; expected 1 or more"),
        (["--images", "-3"], "IMAGES=-3 is impossible; expected 1 or more"),
        (["--format", "pot3"], "no weight format 'pot3'; expected one of int2"),
        (["--net", "micro", "--format", "int7"], "of this format: `make train NET=micro FORMAT=int7`"),
        (["--net", "vgg16", "--weights", "unrolled"], "layer features.3: 36864 weights are too many to be unrolled"),
        (["--net", "vgg16", "--target", "rv32ec"], "vgg16 does not fit: flash "),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_written(tmp_path, capsys, arguments, told):
    assert c.main(["--out", str(tmp_path / "out"), *arguments]) == 2
    captured = capsys.readouterr()
    assert told in captured.err
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_network_itself_serves_where_it_has_the_format():
    shipped = c.find("micro_pot4", None)
    assert c.find("micro_pot4", "pot4").sha256 == shipped.sha256
    assert c.find(str(storage.find("micro_pot4")), "pot4").sha256 == shipped.sha256
    with pytest.raises(LockstepError, match="the weights of micro_pot4 are pot4; expected FORMAT=pot4 or none"):
        c.find(str(storage.find("micro_pot4")), "int4")


def test_a_format_that_the_graph_has_not_is_refused():
    c.check_format(storage.load(storage.find("tiny")), "int4")
    with pytest.raises(LockstepError, match="the weights of tiny are int4; expected FORMAT=int4 or none"):
        c.check_format(storage.load(storage.find("tiny")), "int8")


def test_drawn_networks_have_names_of_their_own():
    assert c.find("tinynet16", "ternary").sha256 == c.find("tinynet16_ternary", None).sha256
    assert c.find("tinynet16", None).name == "tinynet16_pot4"


def test_the_example_of_the_docs_compiles_and_tells_the_digit(tmp_path):
    graph = storage.load(storage.ZOO / f"micro_pot4{storage.SUFFIX}")
    (program,) = re.findall(r"```c\n(.*?)```", (ROOT / "docs/c.md").read_text(), re.DOTALL)
    host.write(generate(graph, "packed", False), tmp_path)
    (tmp_path / "main.c").write_text(program)
    compilers.compiled(
        [*compilers.of_this_machine().command, *compilers.STRICT, "-o", "digit", "net.c", "main.c"], tmp_path
    )
    told = subprocess.run([str(tmp_path / "digit")], capture_output=True, text=True, check=True).stdout
    expected = logits(graph, np.load(storage.ZOO / "sample_digit.npy")[None])[0].argmax()
    assert told == f"{expected}\n" == "3\n"


def test_logits_that_differ_fail_and_are_named(net, tmp_path, capsys, monkeypatch):
    real = c.generate

    def faulty(*arguments):
        made = real(*arguments)
        return replace(made, source=made.source.replace("logits);\n}", "logits);\n    logits[2] += 1;\n}"))

    monkeypatch.setattr(c, "generate", faulty)
    assert make(net, tmp_path / "out", "--images", "20") == 1
    result = read_json(tmp_path / "out/small/result.json")
    assert (result["passed"], result["differing_logits"]) == (False, 20)
    assert result["error"].startswith("image 0, logit 2 is ")
    assert result["error"] in capsys.readouterr().err
    assert not (tmp_path / "out/small/net.c").exists()


@pytest.mark.slow
def test_a_multiplication_that_was_not_asked_for_fails(net, tmp_path, capsys, monkeypatch):
    real = c.generate
    monkeypatch.setattr(c, "generate", lambda graph, style, multiplier: real(graph, style, True))
    arguments = ("--target", "rv32ec", "--images", "2", "--multiply")
    assert make(net, tmp_path / "out", *arguments, "0") == 1
    assert "error: the program calls __mul" in capsys.readouterr().err
    assert make(net, tmp_path / "out", *arguments, "1") == 0


def test_c_that_does_not_compile_or_breaks_off_fails(net, tmp_path, capsys, monkeypatch):
    real = c.generate
    for instead, told in (("return bad;", "the compiler refuses"), ("logits[9] = 1;", "heap-buffer-overflow")):

        def faulty(*arguments, line=instead):
            made = real(*arguments)
            return replace(made, source=made.source.replace("logits);\n}", f"logits);\n    {line}\n}}"))

        monkeypatch.setattr(c, "generate", faulty)
        assert make(net, tmp_path / "out", "--images", "20") == 1
        assert told in capsys.readouterr().err
        assert told in read_json(tmp_path / "out/small/result.json")["error"]


def test_pictures_are_digits_where_the_network_takes_them_and_both_extremes_always():
    graph = storage.load(storage.find("micro_pot4"))
    pixels, digits = c.pictures(graph, 1000)
    assert (len(pixels), digits) == (1000, 359)
    assert (pixels[digits] == 0).all()
    assert (pixels[digits + 1] == 255).all()
    assert len(np.unique(pixels, axis=0)) > 900


@pytest.mark.slow
def test_the_proof_counts_and_passes(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(c_proof, "KINDS", {"signals": kinds.signals})
    monkeypatch.setattr(c_proof, "BIASES", {"none": 0})
    assert c_proof.main(["--n", "20", "--format", "ternary", "--out", str(tmp_path)]) == 0
    result = read_json(tmp_path / "result.json")
    assert result["passed"]
    assert result["formats"]["ternary"] == {
        "programs": 3,
        "inferences": 60,
        "chip_programs": 2,
        "chip_inferences": 20,
        "faults": 0,
    }
    assert result["make"] == "make c-proof N=20 FORMAT=ternary"
    assert result["layers"]["signals"][:2] == ["first", "strided"]
    assert "0 faulty" in capsys.readouterr().out
    monkeypatch.setattr(c_proof, "prove", lambda *_: pytest.fail("done already"))
    assert c_proof.main(["--n", "20", "--format", "ternary", "--out", str(tmp_path)]) == 0
    assert "kept" in capsys.readouterr().out
    assert read_json(tmp_path / "result.json")["formats"] == result["formats"]


def test_the_proof_fails_where_a_logit_differs(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(c_proof, "KINDS", {"signals": kinds.signals})
    monkeypatch.setattr(c_proof, "BIASES", {"none": 0})
    monkeypatch.setattr(c_proof, "ON_CHIP", ())
    monkeypatch.setattr(c_proof, "ON_HOST", (("packed", True),))
    real = c_proof.Executor.logits
    monkeypatch.setattr(c_proof.Executor, "logits", lambda self, pixels: real(self, pixels) + np.eye(20, 5, -3, int))
    assert c_proof.main(["--n", "20", "--format", "ternary", "--out", str(tmp_path)]) == 1
    assert "image 3, logit 0 is" in json.dumps(read_json(tmp_path / "result.json")["faults"])
    assert "; 5 of 100 differ" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--n", "3"], "N=3 SEED=1 is impossible; expected 10 or more, and 0 or more"),
        (["--seed", "-1"], "SEED=-1 is impossible"),
        (["--format", "int9"], "no weight format 'int9'"),
    ],
)
def test_an_impossible_proof_is_one_line(tmp_path, capsys, arguments, told):
    assert c_proof.main(["--out", str(tmp_path / "out"), *arguments]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
