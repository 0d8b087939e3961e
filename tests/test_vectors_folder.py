"""A set is written whole or not at all, and nothing that is not a set is replaced."""

from __future__ import annotations

import os
import stat

import pytest

from model.errors import LockstepError
from model.vectors.folder import Written, replace_folder, require_replaceable
from model.vectors.generate import describe, generate
from model.vectors.os_generate import render_os
from model.vectors.reader import read_set
from model.vectors.writer import render
from tests.integer_graphs import random_pixels, small_graph
from tests.os_sets import make_os_set


@pytest.fixture(scope="module")
def sets():
    """Files of two different sets."""
    graph = small_graph()
    told = describe(graph, "conv.2", "sample", 8, 8, 16)
    return [list(render(generate(graph, random_pixels(graph, seed), told))) for seed in (1, 2)]


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_set_is_written_counted_and_replaced(sets, tmp_path):
    folder = tmp_path / "net" / "layer" / "img0"
    written = replace_folder(folder, sets[0])
    assert content(folder) == dict(sets[0])
    total = [text for _, text in sets[0]]
    assert written == Written(len(total), sum(t.count(b"\n") for t in total), sum(map(len, total)))
    replace_folder(folder, sets[1])
    assert content(folder) == dict(sets[1])
    assert sorted(path.name for path in folder.parent.iterdir()) == ["img0"], "nothing is left beside it"
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777 & ~umask
    read_set(folder)


def test_a_set_of_either_dataflow_is_replaced(sets, tmp_path):
    stationary = list(render_os(make_os_set()))
    for files in (stationary, stationary, sets[0], stationary):
        replace_folder(tmp_path / "set", files)
        assert content(tmp_path / "set") == dict(files)
    (tmp_path / "set" / "notes.txt").write_text("mine")
    with pytest.raises(LockstepError, match=r"holds notes\.txt, which is no part of its vector set"):
        replace_folder(tmp_path / "set", sets[0])


def failing(files):
    yield from files[:5]
    raise RuntimeError("power cut")


def test_a_failure_in_the_middle_leaves_the_old_set(sets, tmp_path):
    folder = tmp_path / "img0"
    with pytest.raises(RuntimeError):
        replace_folder(folder, failing(sets[0]))
    assert list(tmp_path.iterdir()) == []
    replace_folder(folder, sets[0])
    with pytest.raises(RuntimeError):
        replace_folder(folder, failing(sets[1]))
    assert content(folder) == dict(sets[0])
    assert list(tmp_path.iterdir()) == [folder]


def test_a_full_disk_is_told_in_one_line_and_leaves_the_old_set(sets, tmp_path):
    folder = tmp_path / "img0"
    replace_folder(folder, sets[0])

    def full():
        yield from sets[1][:5]
        raise OSError(28, "No space left on device")

    with pytest.raises(LockstepError) as caught:
        replace_folder(folder, full())
    assert str(caught.value) == f"cannot write {folder}: No space left on device; free some space or use OUT="
    assert content(folder) == dict(sets[0])


def test_killed_between_the_two_renames_the_old_set_comes_back(sets, tmp_path):
    folder, old = tmp_path / "img0", tmp_path / ".img0.old"
    replace_folder(folder, sets[0])
    folder.rename(old)  # the state in which a kill would leave it
    require_replaceable(folder)
    assert content(folder) == dict(sets[0])
    assert not old.exists()
    replace_folder(old, sets[0])  # killed after the second rename: both are there, the new one counts
    replace_folder(folder, sets[1])
    assert content(folder) == dict(sets[1])
    assert not old.exists()


def test_what_is_no_set_is_never_replaced(sets, tmp_path):
    folder = tmp_path / "img0"
    folder.write_text("a file")
    with pytest.raises(LockstepError) as caught:
        replace_folder(folder, sets[0])
    assert str(caught.value) == (
        f"{folder} is there and is not a folder; move it away or name another folder with OUT="
    )
    assert folder.read_text() == "a file"
    folder.unlink()
    folder.mkdir()
    replace_folder(folder, sets[0])  # an empty folder may be filled
    (folder / "notes").mkdir()
    (folder / "notes" / "mine.md").write_text("mine")
    with pytest.raises(LockstepError) as caught:
        replace_folder(folder, sets[1])
    advice = "move it away or name another folder with OUT="
    assert str(caught.value) == f"{folder} holds notes/mine.md, which is no part of its vector set; {advice}"
    assert (folder / "notes" / "mine.md").read_text() == "mine"
    other = tmp_path / "home"
    other.mkdir()
    (other / "letter.txt").write_text("mine")
    with pytest.raises(LockstepError, match=r"home holds files but is not a vector set \(cannot read .*manifest.json"):
        replace_folder(other, sets[0])
    assert content(other) == {"letter.txt": b"mine"}


def test_a_link_stays_a_link(sets, tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to("real")
    replace_folder(link, sets[0])
    replace_folder(link, sets[1])
    assert link.is_symlink()
    assert content(tmp_path / "real") == dict(sets[1])


def test_a_place_that_cannot_be_written_is_told(sets, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LockstepError, match=r"cannot write .*img0: (Not a directory|File exists); name a folder"):
        replace_folder(tmp_path / "file" / "img0", sets[0])
