"""`make requant`: a graph written where its name finds it, and what is told of it; bad input in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.files import read_json
from model.graph import storage
from model.graph.shifts import terms_of
from scripts.requant import main


def test_the_graph_is_found_by_its_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["--net", "tiny", "--terms", "2"]) == 0
    graph = storage.load(storage.find("tiny_rq2"))
    assert all(terms_of(int(m)) <= 2 for layer in graph.layers for m in layer.multiplier)
    result = read_json(Path("build/requant/result.json"))
    assert (result["passed"], result["terms"], result["graph_sha256"]) == (True, 2, graph.sha256)
    assert result["make"].startswith("make requant NET=")
    assert result["terms_mean"] <= 2 < result["terms_before"]
    assert 0 < result["change_mean"] < result["change_most"] < 0.12
    assert "make evaluate NET=tiny_rq2 tells its accuracy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--terms", "0"], "TERMS=0 is impossible; expected 1..8"),
        (["--terms", "two"], "TERMS='two' is not a whole number; expected TERMS=2, for instance"),
        (["--net", "resnet"], "no integer graph for network 'resnet'"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {told}")
    assert err.count("\n") == 1
