"""`make regress`: the summary, what is kept and what is run again, a worker killed in the middle, what is refused."""

from __future__ import annotations

import doctest
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts import regress
from scripts.regression import plan, workers
from tb.common.runner import ROOT
from tb.network import shared
from tests import regressions

ASKED = ("--draws", "1", "--sim", "icarus", "--checks", "0", "--jobs", "2", *regressions.ARRAY)


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    return regressions.network(tmp_path_factory.mktemp("net"))


@pytest.fixture(scope="module")
def undisturbed(net, tmp_path_factory):
    """A whole run, job after job in this process."""
    out = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regress, "workers", regressions.nobody)
        patch.setattr(regress, "answers", regressions.answers)
        assert regress.main(["--net", net, "--out", str(out), *ASKED]) == 0
    return out


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(regress, "workers", regressions.nobody)
    monkeypatch.setattr(regress, "answers", regressions.answers)


def read(out):
    return json.loads((out / "result.json").read_text())


@pytest.mark.slow
def test_the_summary_counts_every_job_by_mode_and_layer(undisturbed):
    result = read(undisturbed)
    assert result["passed"] is True
    assert (result["jobs"], result["failed"], result["kept"], result["retried"]) == (9, [], 0, 0)
    jobs = {(each["layer"], each["mode"]): each["jobs"] for each in result["by_layer"]}
    places = {(name, mode) for name in ("conv", "point", "classifier") for mode in ("ws", "os", "pairs")}
    assert jobs == dict.fromkeys(places - {("classifier", "pairs")} | {("drawn, 4x4", "ws")}, 1)
    (left_out,) = result["left_out"]
    assert (left_out["layer"], left_out["mode"]) == ("classifier", "pairs")
    told = regressions.results(undisturbed)
    for name in ("cycles", "values"):
        whole = sum(each[name] for each in told.values())
        assert whole == result[name] == sum(each[name] for each in result["by_mode"]) > 0
    assert sum(each["values"] for each in result["by_layer"] if each["layer"] == "conv") == 3 * 8 * 6 * 6


def test_the_same_command_runs_nothing_again(undisturbed, net, monkeypatch, capsys):
    monkeypatch.setattr(regress, "workers", None)  # nobody is asked
    before = read(undisturbed)
    assert regress.main(["--net", net, "--out", str(undisturbed), *ASKED]) == 0
    after = read(undisturbed)
    assert after["kept"] == after["jobs"] == before["jobs"]
    assert [after[name] for name in ("by_mode", "by_layer")] == [before[name] for name in ("by_mode", "by_layer")]
    assert "kept from an earlier run" in capsys.readouterr().out


def copy_of_rtl(folder, old="", new=""):
    """The sources in a folder of their own; in requantize.v `new` stands for `old`."""
    shutil.copytree(ROOT / "rtl", folder)
    text = (folder / "requantize.v").read_text()
    assert old in text
    (folder / "requantize.v").write_text(text.replace(old, new))
    return str(folder)


def test_whatever_a_job_depends_on_is_in_its_key(undisturbed, net, monkeypatch, tmp_path):
    asked: list[dict[str, str]] = []
    monkeypatch.setattr(regress, "workers", regressions.nobody)
    monkeypatch.setattr(regress, "answers", lambda client, requests, patient: asked.append(dict(requests)) or iter(()))

    def keys(*more):
        with pytest.raises(KeyError):  # nobody answers
            regress.main(["--net", net, "--out", str(tmp_path / "out"), *ASKED, *more])
        return {name: json.loads(request)["key"] for name, request in asked.pop().items()}

    first = keys()
    assert first == {name: each["key"] for name, each in regressions.results(undisturbed).items()}
    assert len(set(first.values())) == len(first) == 9
    monkeypatch.setenv("LOCKSTEP_RTL", copy_of_rtl(tmp_path / "rtl", "endmodule", "endmodule  // nothing else"))
    others = [keys(), keys("--checks", "1")]
    monkeypatch.delenv("LOCKSTEP_RTL")
    given = os.environ.get("INIT") or ""
    monkeypatch.setenv("INIT", "" if given else "random")
    others.append(keys())
    monkeypatch.setenv("INIT", given)
    others += [{"draw": keys("--images", "0", "--seed", "2").popitem()[1]}]
    assert not any(set(first.values()) & set(other.values()) for other in others)


def test_a_fault_fails_and_its_line_repeats_it_alone(here, net, monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("INIT", raising=False)
    rtl = copy_of_rtl(tmp_path / "rtl", "total >>> shift_i", "-total >>> shift_i")
    monkeypatch.setenv("LOCKSTEP_RTL", rtl)
    out = ("--out", str(tmp_path / "out"))
    assert regress.main(["--net", net, *ASKED, *out, "--modes", "ws", "--layers", "classifier", "--draws", "0"]) == 1
    result = read(tmp_path / "out")
    assert result["passed"] is False
    (failed,) = result["failed"]
    assert failed["job"] == "small/imgsample/classifier/ws"
    assert "layer 2, result 0: expected " in failed["what"]
    assert (Path(failed["folder"]) / "sim.log").is_file()  # what a failed job leaves is there to be looked at
    said = capsys.readouterr()
    assert f"FAILED: {failed['job']}: {failed['what']}\n  again: {failed['again']}\n" in said.err
    assert "FAIL  " in said.out
    make, target, *values = shlex.split(failed["again"])
    assert (make, target) == ("make", "regress")
    flags = [f"--{name.lower()}={text}" for name, _, text in (value.partition("=") for value in values)]
    assert regress.main(flags) == 1
    again = read(tmp_path / "out")
    assert (again["jobs"], again["only"], again["kept"]) == (1, failed["job"], 0)
    assert {**again["failed"][0], "folder": ""} == {**failed, "folder": ""}
    monkeypatch.delenv("LOCKSTEP_RTL")
    assert regress.main(flags) == 0
    assert list((tmp_path / "out/work").iterdir()) == []  # and one that passed leaves nothing


def test_a_random_start_changes_nothing(here, undisturbed, net, monkeypatch, tmp_path):
    monkeypatch.setenv("INIT", "random")
    given = ["--net", net, "--out", str(tmp_path), *ASKED, "--modes", "ws", "--layers", "2", "--draws", "0"]
    assert regress.main([*given, "--seed", "5"]) == 0
    result = read(tmp_path)
    assert (result["init"], result["jobs"]) == (5, 1)
    assert "INIT=random" in result["make"]
    assert "SEED=5" in result["make"]
    assert (os.environ["INIT"], "SEED" in os.environ) == ("random", False)
    (command,) = (tmp_path / "simulators").glob("*/command.json")
    assert "+init_seed=6" in json.loads(command.read_text())
    (job,), wanted = regressions.results(tmp_path).values(), regressions.results(undisturbed)
    assert {**job, "key": ""} == {**wanted["small/imgsample/classifier/ws"], "key": ""}
    monkeypatch.setenv("INIT", "zeros")
    assert regress.main(given) == 2


def test_an_interrupt_keeps_what_is_done(here, net, monkeypatch, tmp_path, capsys):
    def interrupted(client, requests, patient):
        coming = regressions.answers(client, requests, patient)
        yield next(coming)
        raise KeyboardInterrupt

    monkeypatch.setattr(regress, "answers", interrupted)
    given = ["--net", net, "--out", str(tmp_path), *ASKED, "--modes", "ws", "--layers", "1:2", "--draws", "0"]
    assert regress.main(given) == 130
    assert "1 of 2 jobs are done and kept; the same command goes on" in capsys.readouterr().err
    assert not (tmp_path / "result.json").exists()
    monkeypatch.setattr(regress, "answers", regressions.answers)
    assert regress.main(given) == 0
    assert (read(tmp_path)["kept"], read(tmp_path)["jobs"]) == (1, 2)


def children(parent):
    """Pids of the processes that `parent` started and that run, or stand still; by their names."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, _, rest = stat.read_text().partition(" (")
        except OSError:
            continue  # it has ended meanwhile
        name, _, fields = rest.rpartition(") ")
        if int(fields.split()[1]) == parent and fields[0] != "Z":
            found.append((int(pid), name))
    return found


def busy_worker(run):
    """A worker of the process `run` whose simulator is at work, standing still; and the process of its job."""
    limit = time.monotonic() + 120
    while time.monotonic() < limit:
        for worker, _ in children(run):
            for job, _ in children(worker):
                if any(name == "vvp" for _, name in children(job)):
                    os.kill(worker, signal.SIGSTOP)  # its job can end, but nobody hears of that
                    return worker, job
        time.sleep(0.002)
    raise AssertionError("no simulator was seen")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for the simulator in /proc")
def test_killing_a_worker_in_the_middle_loses_nothing(undisturbed, net, tmp_path):
    """`kill -9` of a worker process, with a job of its own under way, comes to what an undisturbed run comes to."""
    shutil.copytree(undisturbed / "simulators", tmp_path / "simulators")
    (tmp_path / "lock").touch()
    given = ["--net", net, "--out", str(tmp_path), *ASKED, "--modes", "ws", "--layers", "0:1"]
    command = [sys.executable, "-m", "scripts.regress", *given]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    worker, job = busy_worker(run.pid)
    os.kill(worker, signal.SIGKILL)
    out, err = run.communicate(timeout=300)
    assert (run.returncode, err) == (0, ""), out + err
    result, wanted = read(tmp_path), regressions.results(undisturbed)
    assert (result["passed"], result["jobs"], result["failed"], result["kept"]) == (True, 3, [], 0)
    assert result["retried"] >= 1
    assert "begun again on another worker" in out
    found = regressions.results(tmp_path)
    assert found == {name: wanted[name] for name in found}
    assert len(found) == 3
    assert not Path(f"/proc/{job}/stat").exists() or Path(f"/proc/{job}/stat").read_text().rpartition(") ")[2][0] == "Z"


@pytest.mark.slow
def test_workers_that_are_there_already(undisturbed, net, tmp_path, monkeypatch):
    """SCHEDULER=: a cluster of somebody else's, whose workers know nothing of Lockstep."""
    from distributed import LocalCluster

    given = ["--net", net, "--out", str(tmp_path), *ASKED, "--modes", "ws", "--layers", "2", "--draws", "0"]
    with LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        protocol="tcp",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as cluster:
        assert regress.main([*given, "--scheduler", cluster.scheduler_address]) == 0
        (tmp_path / "jobs").rename(tmp_path / "before")
        monkeypatch.setitem(workers.HERE, "cwd", str(tmp_path / "nowhere"))
        assert regress.main([*given, "--scheduler", cluster.scheduler_address]) == 2
    name = "small/imgsample/classifier/ws"
    assert regressions.results(undisturbed)[name]["cycles"] > 0
    (tmp_path / "before").rename(tmp_path / "jobs")
    assert regressions.results(tmp_path) == {name: regressions.results(undisturbed)[name]}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("--net nothing", "nothing"),
        ("--modes ws,fast", "MODES=ws,fast: no mode 'fast'; expected some of ws,os,pairs"),
        ("--layers 7", "no layer '7' in tiny"),
        ("--rows 3", "3 rows and 8 columns"),
        ("--images -1", "IMAGES=-1 is impossible; expected 0 or more"),
        ("--images 0 --draws 0", "nothing to run; expected one of them above 0"),
        ("--data photos", "DATA=photos without IMAGES"),
        ("--net vgg16 --images 1", "vgg16 takes no digits; expected DATA=<folder>"),
        ("--draws some", "DRAWS='some' is not a whole number"),
        ("--modes pairs --layers classifier", "MODES=pairs: no layer of tiny runs so (not multiplied in pairs"),
        ("--only tiny/img0/none/ws", "ONLY=tiny/img0/none/ws is none of the "),
        ("--sim modelsim", "SIM=modelsim is no simulator"),
        ("--checks yes", "CHECKS=yes; expected 0, or nothing"),
        ("--jobs 0", "JOBS=0 is impossible"),
        ("--jobs 65", "JOBS=65 is impossible; expected 1..64, or more on a farm"),
        ("--scheduler farm", "SCHEDULER=farm is no address; expected tcp://<host>:<port>"),
        ("--scheduler tcp://a:1 --cluster lsf", "expected one of them"),
        ("--cluster pbs --config x", "CLUSTER=pbs is no farm; expected one of slurm, lsf"),
        ("--cluster slurm", "CLUSTER= and CONFIG= go together"),
        ("--config x", "CLUSTER= and CONFIG= go together"),
        ("--images 0 --draws 1 --cluster lsf --config nowhere.toml", "CONFIG=nowhere.toml: cannot read nowhere.toml"),
    ],
)
def test_refused_in_one_line(given, told, tmp_path, capsys):
    assert regress.main([*given.split(), "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert told in said
    assert said.count("\n") == 1


def test_a_scheduler_that_does_not_answer_is_refused_soon(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(workers, "CONNECT_SECONDS", 0.3)
    started = time.monotonic()
    given = ["--images", "0", "--draws", "1", "--out", str(tmp_path), "--scheduler", "tcp://127.0.0.1:1"]
    assert regress.main(given) == 2
    assert time.monotonic() - started < 20
    assert "error: no scheduler answers at SCHEDULER=tcp://127.0.0.1:1 (" in capsys.readouterr().err


def test_the_examples_are_true():
    assert (doctest.testmod(plan), doctest.testmod(shared)) == ((0, 1), (0, 1))
