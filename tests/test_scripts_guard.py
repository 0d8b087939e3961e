"""How the entry points end without a result, and that two runs in one place do not judge each other."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

import scripts.coverage
import scripts.sim
import scripts.vectors
from model.dataset import read_image
from model.errors import LockstepError
from model.files import alone
from scripts.guard import guarded
from tests.replay_sets import write_set
from tests.vector_sets import Foreign


@pytest.mark.parametrize(
    ("raised", "status", "told"),
    [
        (LockstepError("this is wrong; that is right"), 2, "error: this is wrong; that is right\n"),
        (PermissionError(13, "Permission denied", "a/b"), 2, "error: a/b: Permission denied; check the path"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_an_end_without_a_result_is_one_line_and_its_status(raised, status, told, capsys) -> None:
    @guarded
    def entry() -> int:
        raise raised

    assert entry() == status
    err = capsys.readouterr().err
    assert told in err
    assert err.strip().count("\n") == 0


def test_a_defect_keeps_its_traceback() -> None:
    @guarded
    def entry() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        entry()


def test_a_second_simulation_in_the_same_place_is_refused(tmp_path, capsys) -> None:
    folder = write_set(Foreign(seed=5), tmp_path / "set")
    out = tmp_path / "out"
    with alone(out / "lock", "the first"):
        status = scripts.sim.main(["--vectors", str(folder), "--out", str(out)])
    assert status == 2
    assert "is at work already" in capsys.readouterr().err
    assert not (out / "result.json").exists()


def test_an_out_that_is_a_file_is_one_line(tmp_path, capsys) -> None:
    folder = write_set(Foreign(seed=5), tmp_path / "set")
    (tmp_path / "file").write_text("kept")
    assert scripts.sim.main(["--vectors", str(folder), "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert (tmp_path / "file").read_text() == "kept"


def test_sets_of_other_arrays_do_not_replace_the_default_one() -> None:
    names = {
        scripts.vectors.set_name("sample", rows, cols, psum) for rows in (4, 8) for cols in (8, 16) for psum in (16, 19)
    }
    assert len(names) == 8
    assert scripts.vectors.set_name("sample", 8, 8, 16) == "imgsample"


def test_an_image_of_more_than_8_bits_is_refused(tmp_path) -> None:
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "deep.png"
    image.fromarray(np.arange(1024, dtype=np.uint16).reshape(32, 32) * 64).save(path)
    with pytest.raises(LockstepError, match="more than 8 bits"):
        read_image(path, (1, 32, 32))


def chunk(kind: bytes, content: bytes) -> bytes:
    """Of a PNG file."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


WORDS = struct.pack(">12H", *[0x01FF] * 12)  # 2x2 pixels
RGB16 = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0))
RGB16 += chunk(b"IDAT", zlib.compress(b"\0" + WORDS[:12] + b"\0" + WORDS[12:])) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("deep.png", b"\x89PNG\r\n\x1a\n" + RGB16, "stored as RGB;16B"),
        ("deep.ppm", b"P6\n2 2\n65535\n" + WORDS, "up to 65535"),
        ("plain.ppm", b"P3\n2 2\n1023\n" + b"511 " * 12, "up to 1023"),
    ],
)
def test_colours_of_more_than_8_bits_are_refused(name: str, content: bytes, told: str, tmp_path) -> None:
    """Pillow shows each of them as RGB of 8 bits."""
    pytest.importorskip("PIL.Image")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LockstepError, match=rf"more than 8 bits \({told}\); save it with 8 bits a channel"):
        read_image(tmp_path / name, (3, 2, 2))


def test_an_interrupt_begins_no_further_testbench(tmp_path, monkeypatch) -> None:
    begun = []

    def interrupted(job: str, *_: object) -> None:
        begun.append(job)
        raise KeyboardInterrupt

    monkeypatch.setattr(scripts.coverage, "run_job", interrupted)
    assert scripts.coverage.main(["--out", str(tmp_path), "--jobs", "1"]) == 130
    assert len(begun) <= 2  # the one, and one that a thread may have taken up meanwhile
    assert not (tmp_path / "result.json").exists()
