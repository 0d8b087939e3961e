"""Every reader on damaged files, the same few each time; and the fuzzer itself, which must find what is not there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from random import Random

import pytest

from model import files
from model.errors import LockstepError
from model.graph import storage
from model.vectors import manifest, text
from scripts import fuzz
from scripts.fuzzing import campaign, damage, judge
from scripts.fuzzing.reader import Reader
from scripts.fuzzing.readers import READERS

FEW = 25  # `make fuzz` draws thousands
SILENT = ("cache", "result")  # the one is made again, the other shown as unreadable


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_refused_in_a_line_or_rightly_read(name: str, tmp_path: Path) -> None:
    count = 6 if name == "proposal" else FEW
    tally = campaign.examine(READERS[name], count, None, tmp_path / "work", tmp_path / "kept")
    assert tally.defect is None
    assert tally.examples >= count // 2
    assert tally.refusals > 0 or name in SILENT


@pytest.mark.parametrize("name", READERS)
def test_valid_files_are_read(name: str, tmp_path: Path) -> None:
    for index, valid in enumerate(READERS[name].valid):
        folder = tmp_path / str(index)
        damage.put(folder, valid)
        assert judge.judge(READERS[name], folder) == (name == "batch", None)  # of which no valid one is small


@pytest.mark.parametrize("place", damage.Place)
@pytest.mark.parametrize(
    "name", ["text", "manifest", "graph", "recipe", "image", "array", "batch", "checkpoint", "dump"]
)
def test_what_is_no_file_is_refused(name: str, place: damage.Place, tmp_path: Path) -> None:
    """A pipe was waited for, a device read to the end of memory: found by this fuzzer."""
    reader = READERS[name]
    (target,) = reader.valid[0]
    damage.put(tmp_path / "x", {target: place})
    nothing = name == "checkpoint" and place in (damage.Place.MISSING, damage.Place.LOOP)  # a run from the beginning
    assert judge.judge(reader, tmp_path / "x") == (not nothing, None)


def once_without(monkeypatch: pytest.MonkeyPatch, name: str, tmp_path: Path, count: int = 400) -> str:
    """The defect that is found in a reader that lacks a check."""
    tally = campaign.examine(READERS[name], count, 5, tmp_path / "work", tmp_path / "kept")
    assert tally.defect is not None
    assert f"ONLY={name}" in (tmp_path / "kept" / campaign.NOTE).read_text()
    return tally.defect


def test_a_reader_that_forgets_a_lines_width_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def careless(path: Path, body: bytes, header_lines: int, told: text.Text) -> object:
        import numpy as np

        bits = [byte & 1 for byte in body if byte in b"01"]
        bits = (bits + [0] * told.lines * told.width)[: told.lines * told.width]
        return np.array(bits, np.uint8).reshape(told.lines, told.width)

    monkeypatch.setattr(text, "_irregular", careless)
    assert "wrong accept" in once_without(monkeypatch, "text", tmp_path)


def test_a_reader_that_takes_a_key_twice_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(manifest, "read_json", lambda path: json.loads(files.read_bytes(path)))
    assert once_without(monkeypatch, "manifest", tmp_path)


def test_a_reader_that_lets_an_exception_through_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(storage, "DAMAGE", ())
    assert "traceback" in once_without(monkeypatch, "graph", tmp_path)


@pytest.mark.parametrize(
    ("check", "told"),
    [
        (lambda folder: os.open(folder / "pipe", os.O_RDONLY), "no end after"),
        (lambda folder: bytearray(1 << 34), "takes more than"),
        (lambda folder: {}[1], "traceback: KeyError"),
    ],
)
def test_hangs_memory_and_tracebacks_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, check: object, told: str
) -> None:
    monkeypatch.setattr(judge, "WALL_SECONDS", 0.2)
    os.mkfifo(tmp_path / "pipe")
    verdict = judge.judge(Reader("x", "x", list, check), tmp_path)
    assert verdict.wrong is not None
    assert told in verdict.wrong


@pytest.mark.parametrize("message", ["nothing is right here", "a: \x1b[2J"])
def test_a_line_that_names_no_place_is_told(tmp_path: Path, message: str) -> None:
    def check(folder: Path) -> None:
        raise LockstepError(message)

    assert "names no place" in str(judge.judge(Reader("x", "x", list, check), tmp_path).wrong)


def test_the_same_steps_do_the_same_damage() -> None:
    valid = READERS["graph"].valid[0]
    again = [damage.damaged(valid, sorted(valid), [step, 7]) for step in (3, 3, 4)]
    assert again[0] == again[1] != again[2]
    assert Random(3).random() == Random(3).random()


@pytest.mark.usefixtures("usual_start")
def test_fuzz_writes_its_result_resumes_and_replays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--only", "text", "--out", str(tmp_path)]
    assert fuzz.main([*arguments, "--n", "20"]) == 0
    result = files.read_json(tmp_path / "result.json")
    assert result["make"] == "make fuzz N=20 ONLY=text"
    assert (result["passed"], result["examples"], result["defects"]) == (True, {"text": 20}, [])
    monkeypatch.setattr(fuzz, "_apart", lambda *_: pytest.fail("what was done is done again"))
    assert fuzz.main([*arguments, "--n", "20"]) == 0
    monkeypatch.undo()
    monkeypatch.setattr(text, "_blame", lambda *_: {}["no"])
    assert fuzz.main([*arguments, "--n", "300", "--seed", "2"]) == 1
    assert "DEFECT text: traceback: KeyError" in capsys.readouterr().err
    replay = [*arguments, "--replay", str(tmp_path / "defects" / "text")]
    assert fuzz.main(replay) == 1
    monkeypatch.undo()
    assert fuzz.main(replay) == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--n", "0"], "N=0"),
        (["--only", "nothing"], "ONLY=nothing"),
        (["--seed", "-1"], "SEED=-1"),
        (["--replay", "x"], "REPLAY= is for one reader"),
        (["--only", "text", "--replay", "nowhere"], "no kept example"),
        (["--only", "bus", "--replay", "7"], "no episode of the bus"),
    ],
)
def test_impossible_wishes_are_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], told: str) -> None:
    assert fuzz.main(arguments) == 2
    assert told in capsys.readouterr().err
