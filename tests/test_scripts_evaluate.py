"""The entry point behind `make evaluate`: its verdict, what it keeps when it is broken off, and how it refuses."""

from __future__ import annotations

import dataclasses
import doctest
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import scripts.evaluate
from model.dataset import load_folder
from model.files import read_json
from model.golden import execute, parallel
from model.graph import storage
from scripts import local_data
from scripts.evaluate import Run, chosen_logits, main, spread
from tests.image_sets import image_folder
from tests.integer_graphs import small_graph

ROOT = Path(__file__).resolve().parents[1]
GRAPH = "./small.graph.zip"
RESULT = Path("build/evaluate/small/result.json")
PARTIAL = Path("build/evaluate/small/partial.npz")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in, with a data set and a graph that states its accuracy on it."""
    monkeypatch.chdir(tmp_path)
    image_folder(tmp_path / "set", size=(6, 5), classes=tuple("abcd"))
    save_graph()
    return tmp_path


def dataset():
    return load_folder(Path("set"), (3, 6, 5))


def expected_right() -> int:
    data = dataset()
    return int((execute.logits(small_graph(), data.test_pixels).argmax(axis=1) == data.test_labels).sum())


def save_graph(**changes):
    data = dataset()
    count = len(data.test_pixels)
    meta = {"integer_accuracy": expected_right() / count, "test_images": count, "data_sha256": data.sha256}
    storage.save(dataclasses.replace(small_graph(), meta=meta | changes), Path(GRAPH))


@pytest.fixture
def in_process(monkeypatch):
    """One image at a time, in this process: no time is lost on starting others."""

    def stream(graph, pixels, indices, jobs):
        for index in indices:
            yield np.array([index]), execute.logits(graph, pixels[[index]])

    monkeypatch.setattr(parallel, "stream", stream)


def run(capsys, *arguments, data="set"):
    """(exit status, standard output, standard error) of one call."""
    status = main(["--net", GRAPH, "--data", data, "--jobs", "1", *arguments])
    out, err = capsys.readouterr()
    return status, out, err


def test_the_stated_accuracy_is_confirmed(place, capsys):
    status, out, err = run(capsys)
    assert (status, err) == (0, "")
    result, data = read_json(RESULT), dataset()
    count = len(data.test_pixels)
    assert result["passed"] is True
    assert (result["right"], result["images"], result["test_images"]) == (expected_right(), count, count)
    assert result["accuracy"] == result["recorded_accuracy"] == expected_right() / count
    assert sum(right for right, _ in result["right_by_class"].values()) == expected_right()
    assert {of for _, of in result["right_by_class"].values()} == {count // 4}
    assert result["probes"] == {"images": min(8, count), "differing_logits": 0}
    assert result["make"] == f"make evaluate NET={GRAPH}"
    assert result["images_per_second"] > 0
    assert f"small: {expected_right() / count:.2%} ({expected_right()} of {count}) in integers" in out
    assert out.endswith(f"PASS  {RESULT}\n")
    with np.load(result["logits"]) as kept:
        np.testing.assert_array_equal(kept["indices"], np.arange(count))
        np.testing.assert_array_equal(kept["logits"], execute.logits(small_graph(), data.test_pixels))
    assert not PARTIAL.exists()


def test_another_accuracy_than_the_stated_one_fails(place, in_process, capsys):
    save_graph(integer_accuracy=expected_right() / 1000)
    status, out, err = run(capsys)
    assert status == 1
    assert read_json(RESULT)["passed"] is False
    assert err.startswith("error: the graph states an accuracy of ")
    assert out.endswith(f"FAIL  {RESULT}\n")


@pytest.mark.parametrize(
    ("meta", "arguments", "reason"),
    [
        ({"data_sha256": "0" * 64}, [], "other data"),
        ({"integer_accuracy": 0.123}, ["--images", "3"], "not all of them"),
    ],
)
def test_what_cannot_be_compared_is_reported_without_a_verdict(place, in_process, capsys, meta, arguments, reason):
    save_graph(**meta)
    status, out, err = run(capsys, *arguments)
    assert (status, err) == (0, "")
    assert read_json(RESULT)["passed"] is None
    assert f"not compared with the accuracy in the graph ({storage.load(Path(GRAPH)).meta['integer_accuracy']})" in out
    assert reason in out
    assert out.endswith(f"DONE  {RESULT}\n")


def test_one_wrong_logit_is_found_out_even_where_the_accuracy_stays(place, monkeypatch, capsys):
    def stream(graph, pixels, indices, jobs):
        logits = execute.logits(graph, pixels[indices])
        logits[0, logits[0].argmax()] += 1
        yield indices, logits

    monkeypatch.setattr(parallel, "stream", stream)
    status, _, err = run(capsys)
    assert status == 1
    result = read_json(RESULT)
    assert result["accuracy"] == result["recorded_accuracy"]
    assert result["probes"]["differing_logits"] == 1
    assert result["passed"] is False
    assert err.startswith("error: 1 logits of ")


def break_off(monkeypatch, after: int) -> None:
    """Ctrl-C when `after` images are done."""
    real = parallel.stream

    def stream(graph, pixels, indices, jobs):
        for done, found in enumerate(real(graph, pixels, indices, jobs)):
            if done == after:
                raise KeyboardInterrupt
            yield found

    monkeypatch.setattr(parallel, "stream", stream)


def test_a_run_broken_off_goes_on_where_it_was(place, in_process, monkeypatch, capsys):
    count = len(dataset().test_pixels)
    assert run(capsys)[0] == 0
    with monkeypatch.context() as patch:
        break_off(patch, 5)
        status, _, err = run(capsys)
    assert (status, err) == (130, "\ninterrupted\n")
    assert PARTIAL.exists()
    assert not RESULT.exists(), "an older verdict"
    seen = []
    real = parallel.stream
    monkeypatch.setattr(parallel, "stream", lambda *given: (seen.extend(given[2]), real(*given))[1])
    status, out, _ = run(capsys)
    assert status == 0
    assert "going on with 5 that an earlier run has done" in out
    assert seen == list(range(5, count))
    result = read_json(RESULT)
    assert (result["resumed_images"], result["right"]) == (5, expected_right())
    assert not PARTIAL.exists()


@pytest.mark.parametrize("change", ["graph", "data", "code", "damage", "empty"])
def test_what_was_kept_of_something_else_is_not_used(place, in_process, monkeypatch, capsys, change):
    with monkeypatch.context() as patch:
        break_off(patch, 5)
        assert run(capsys)[0] == 130
    if change == "graph":
        other = small_graph(1)
        storage.save(dataclasses.replace(other, meta={}), Path(GRAPH))
    elif change == "data":
        next(Path("set").glob("test/a/*")).unlink()
    elif change == "code":
        copy = place / "evaluate.py"
        copy.write_bytes(Path(scripts.evaluate.evaluate.__file__).read_bytes() + b"\n")
        monkeypatch.setattr(scripts.evaluate.evaluate, "__file__", str(copy))
    else:
        PARTIAL.write_bytes(PARTIAL.read_bytes()[:-40] if change == "damage" else b"")
    status, out, _ = run(capsys)
    assert status == 0
    assert "going on" not in out
    assert read_json(RESULT)["resumed_images"] == 0


def test_a_complete_run_is_measured_again(place, in_process, capsys):
    for _ in range(2):
        assert run(capsys)[0] == 0
        assert read_json(RESULT)["resumed_images"] == 0


@pytest.mark.slow  # loading scikit-learn
def test_the_shipped_tiny_graph_has_the_accuracy_it_states(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["--net", "tiny", "--jobs", "2"]) == 0
    result = read_json(tmp_path / "build/evaluate/tiny/result.json")
    assert result["passed"] is True
    assert result["images"] == 359
    assert "PASS" in capsys.readouterr().out


def test_logits_of_chosen_images(place):
    data = dataset()
    chosen = np.array([3, 0, 7])
    np.testing.assert_array_equal(
        chosen_logits(small_graph(), data, chosen), execute.logits(small_graph(), data.test_pixels)[chosen]
    )


def test_chosen_images_are_spread_over_all_classes():
    assert doctest.testmod(local_data) == (0, 1)
    assert spread(3, 8).tolist() == [0, 1, 2]
    many = spread(10_000, 768)
    assert len(set(many.tolist())) == 768
    assert set((many // 1000).tolist()) == set(range(10))


BAD = {
    "no such network": (["--net", "vgg99"], "no integer graph for network 'vgg99'; expected one of "),
    "no such data": (["--data", "none"], "DATA=none is not a folder; expected "),
    "jobs no number": (["--jobs", "two"], "JOBS='two' is not a whole number; expected JOBS="),
    "no jobs": (["--jobs", "0"], "JOBS=0 is impossible; expected 1..64, processes at a time\n"),
    "too many jobs": (["--jobs", "65"], "JOBS=65 is impossible; expected 1..64, processes at a time\n"),
    "no images": (["--images", "0"], "IMAGES=0 is impossible; expected 1 or more\n"),
    "more images than there are": (["--images", "99999"], "IMAGES=99999: the data set has "),
    "other classes": (["--data", "other"], "small.graph.zip tells a, b, c, d apart, the data set has x, y; expected "),
    "out is a file": (["--out", "small.graph.zip"], "cannot write small.graph.zip/.small.lock: "),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_status_2(case, place, capsys):
    image_folder(place / "other", size=(6, 5), classes=("x", "y"))
    arguments, message = BAD[case]
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert not RESULT.exists()


def test_two_runs_at_once_are_refused(place, capsys):
    from model.files import alone

    with alone(Path("build/evaluate/.small.lock"), "this test"):
        status, _, err = run(capsys)
    assert status == 2
    assert "another evaluation of small in build/evaluate is at work already" in err


def test_progress_is_told_and_saved_on_the_way(place, in_process, monkeypatch):
    monkeypatch.setattr(scripts.evaluate, "SAVE_SECONDS", -1.0)
    data, told = dataset(), []
    count = len(data.test_pixels)
    work = Run(small_graph(), data, spread(count, count), PARTIAL.parent)

    def progress(done):
        told.append(done)
        with np.load(PARTIAL) as kept:
            assert kept["done"].sum() == done

    work.run(1, progress)
    assert told == list(range(1, count + 1))


KILLED = """
import os, sys
import numpy as np
from model.golden import parallel
from model.graph import storage
graph = storage.load(storage.find("vgg16", storage.ZOO))
stream = parallel.stream(graph, np.zeros((4000, 3, 32, 32), np.uint8), np.arange(4000), 2)
next(stream)
print(*[child.pid for child in __import__("multiprocessing").active_children()], flush=True)
next(stream)
sys.stdin.read()
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_the_processes_end_with_one_that_is_killed(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(f"if __name__ == '__main__':\n{''.join(f'    {line}' + chr(10) for line in KILLED.splitlines())}")
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    workers = [int(word) for word in process.stdout.readline().split()]
    assert len(workers) == 2
    assert all(alive(worker) for worker in workers)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 60
    while any(alive(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [worker for worker in workers if alive(worker)]


def alive(pid: int) -> bool:
    """Whether the process `pid` is there and not merely waiting to be buried."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.slow
def test_a_sample_runs_on_the_rtl_and_a_fault_there_fails(tmp_path, monkeypatch, capsys):
    arguments = ["--net", "tiny", "--jobs", "1", "--images", "4", "--rtl", "1", "--sim", "icarus"]
    assert main([*arguments, "--out", str(tmp_path / "good")]) == 0
    assert "every activation and logit of 1 images equal" in capsys.readouterr().out
    result = json.loads((tmp_path / "good" / "tiny" / "result.json").read_text())
    assert result["make"] == "make evaluate NET=tiny IMAGES=4 RTL=1 SIM=icarus"
    rtl = result["rtl"]
    assert (rtl["passed"], rtl["mismatches"], rtl["differing_logits"], len(rtl["images"])) == (True, 0, 0, 1)

    broken = tmp_path / "rtl"
    shutil.copytree(ROOT / "rtl", broken)
    pool = broken / "pool.v"
    pool.write_text(pool.read_text().replace("code > old", "code < old"))
    monkeypatch.setenv("LOCKSTEP_RTL", str(broken))
    assert main([*arguments, "--out", str(tmp_path / "bad")]) == 1
    assert "error: on the RTL: " in capsys.readouterr().err
    assert json.loads((tmp_path / "bad" / "tiny" / "result.json").read_text())["passed"] is False
