"""Files written whole or not at all; one process at a time."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from model.errors import MOST, LockstepError
from model.files import alone, read_json, read_toml, remove_parts, write_atomic, write_json

ROOT = Path(__file__).resolve().parents[1]


def test_an_error_is_one_line():
    assert str(LockstepError("a\n  b\tc ")) == "a b c"


@pytest.mark.parametrize("content", [b"gr\xc3\xbcn", "grün", lambda file: file.write("grün".encode())])
def test_content_of_each_kind_with_its_folder(content, tmp_path):
    path = tmp_path / "new" / "folder" / "file"
    write_atomic(path, content)
    assert path.read_text(encoding="utf-8") == "grün"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_the_file_has_the_mode_that_open_would_have_given(tmp_path):
    old = os.umask(0o027)
    try:
        write_atomic(tmp_path / "file", b"")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_a_failing_writer_leaves_the_old_file(kind, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(file):
        file.write(b"half")
        raise kind

    with pytest.raises(kind):
        write_atomic(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LockstepError, match=r"^cannot write .*file/below: .*; name a folder that can be written$"):
        write_atomic(tmp_path / "file" / "below", b"")


def test_a_target_that_is_a_folder(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(LockstepError, match=r"^cannot write .*taken: Is a directory"):
        write_atomic(tmp_path / "taken", b"")
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


FULL_DISK = """
import resource, sys
from pathlib import Path
from model.files import write_atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_atomic(Path(sys.argv[1]), b"x" * 1001)
"""


def test_no_room_left_keeps_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    process = python(FULL_DISK, str(path))
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert told.splitlines()[-1].endswith("File too large; free some space or name another folder")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


KILLED = """
import os, signal, sys
from pathlib import Path
from model.files import write_atomic
def content(file):
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
write_atomic(Path(sys.argv[1]), content)
"""


def test_killed_while_writing_keeps_the_old_file_and_the_part_can_be_removed(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    (tmp_path / "notes.part").write_bytes(b"of another kind")
    process = python(KILLED, str(path))
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 3
    remove_parts(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "notes.part"}


def test_json_is_sorted_and_ends_in_a_newline(tmp_path):
    write_json(tmp_path / "x.json", {"b": [1, 2.5, None], "a": "ü"})
    text = (tmp_path / "x.json").read_text()
    assert text.index('"a"') < text.index('"b"')
    assert text.endswith("}\n")
    assert read_json(tmp_path / "x.json") == {"b": [1, 2.5, None], "a": "ü"}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_without_numbers_that_are_none(value, tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot read .*: No such file or directory"),
        (b"", r"line 1 column 1: Expecting value; expected JSON"),
        (b'{"a": 1,\n}', r"line 2 column 1: .*; expected JSON"),
        (b'"\xff"', r"not UTF-8 text \(byte 1\); expected JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a": [{"b": 1, "c": 2, "b": 1}]}', "the key 'b' stands twice in one object; expected it once"),
    ],
)
def test_what_is_not_json_is_told_with_its_place(content, told, tmp_path):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LockstepError, match=told) as caught:
        read_json(path)
    assert str(path) in str(caught.value)


HOLDS = """
import sys, time
from pathlib import Path
from model.files import alone
with alone(Path(sys.argv[1]), "another run"):
    print("held", flush=True)
    time.sleep(120)
"""


def test_the_second_is_told_and_a_killed_holder_lets_go(tmp_path):
    lock = tmp_path / "new" / ".lock"
    holder = python(HOLDS, str(lock))
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(LockstepError, match=r"^another run is at work already \(.*lock is held\); wait"),
            alone(lock, "another run"),
        ):
            pytest.fail("the body must not run")
    finally:
        holder.kill()
        holder.communicate(timeout=60)
    with alone(lock, "another run"):
        pass
    with alone(lock, "another run"):  # and let go of when the body ends
        pass


def test_a_lock_in_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LockstepError, match="cannot write"), alone(tmp_path / "file" / "x" / ".lock", "a run"):
        pytest.fail("the body must not run")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": NaN}', "NaN is not finite"),
        ('{"a": 1e999}', "1e999 is not finite"),
        ('{"a": ' + "1" * 5000 + "}", "does not fit 64 bits"),
        ('{"a": "\\ud800"}', "half a character"),
        ('{"a": 1, "a": 1}', "'a' stands twice"),
    ],
)
def test_json_that_no_other_reader_takes_is_refused(text: str, told: str, tmp_path: Path) -> None:
    """Accepted, or a traceback: found by make fuzz."""
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(LockstepError, match=told):
        read_json(tmp_path / "x.json")


def test_the_bytes_of_a_files_name_come_back(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.png")
    write_json(tmp_path / "x.json", [name])
    assert read_json(tmp_path / "x.json") == [name]


def test_a_message_is_one_line_of_text_and_no_flood() -> None:
    """What a file says reached the terminal as it was: found by make fuzz."""
    assert str(LockstepError("a\x1b[2J\n b\ud800")) == "a\\x1b[2J b\\ud800"
    assert len(str(LockstepError("x" * 9999))) <= MOST


def test_toml_is_read_or_refused(tmp_path):
    path = tmp_path / "told.toml"
    path.write_text('name = "x"\n[table]\nsize = 3\n')
    assert read_toml(path) == {"name": "x", "table": {"size": 3}}
    for content in (b"a = ", b"\xff = 1", b"a = " + b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(LockstepError, match=r"told\.toml: .*; expected TOML"):
            read_toml(path)
        with pytest.raises(LockstepError, match=r"^here: .*; expected TOML"):
            read_toml(path, "here")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LockstepError, match="pipe: it is a pipe; expected TOML"):
        read_toml(tmp_path / "pipe")
