"""Runs that differ in the QAT leg alone share one float leg; cut-out squares; what decides a float leg's file."""

from __future__ import annotations

import collections

import numpy as np
import pytest
import torch

from model.errors import LockstepError
from model.network.augment import augment
from model.network.train import Trainer
from tests.trained import recipe, small_network, state_bytes, stripes


def trainer(folder, plan, data=None, act_bits=4) -> Trainer:
    return Trainer(small_network(act_bits=act_bits), data or stripes(), plan, folder, folder.parent, True)


def test_a_second_run_takes_the_first_ones_float_leg_and_ends_as_if_it_had_trained_it(tmp_path, capsys):
    trainer(tmp_path / "a" / "w4a4", recipe()).run()
    (start,) = (tmp_path / "a" / "w4a4").glob("float-*.pt")
    capsys.readouterr()
    plan = recipe(act_bits=2, qat_epochs=2)
    second = trainer(tmp_path / "a" / "w4a2", plan, act_bits=2)
    assert second.progress.epochs == {"float": 3, "qat": 0}
    assert f"starting from {start}: 3 float epochs, as this recipe has them" in capsys.readouterr().out
    second.run()
    alone = trainer(tmp_path / "b" / "w4a2", plan, act_bits=2)
    alone.run()
    ends = [state_bytes(tmp_path / each / "w4a2" / "checkpoint.pt") for each in ("a", "b")]
    assert ends[0] == ends[1]
    assert second.progress.accuracy == alone.progress.accuracy
    assert second.progress.seconds["float"] > 0
    assert [path.name for path in (tmp_path / "b" / "w4a2").glob("float-*.pt")] == [start.name]


def test_other_float_legs_have_other_files(tmp_path):
    for plan in (recipe(1, 1), recipe(2, 1), recipe(1, 1, cutout=2), recipe(1, 1, seed=9)):
        run = trainer(tmp_path / "run", plan)
        assert run.progress.epochs["float"] == 0
        run.run()
        (tmp_path / "run" / "checkpoint.pt").unlink()
    assert len(list((tmp_path / "run").glob("float-*.pt"))) == 4


@pytest.mark.parametrize("damage", ["truncated", "text", "key", "network"])
def test_a_damaged_start_is_refused_and_kept(damage, tmp_path):
    trainer(tmp_path / "one", recipe(1, 1)).run()
    (start,) = (tmp_path / "one").glob("float-*.pt")
    whole = start.read_bytes()
    state = torch.load(start, weights_only=True)
    if damage == "truncated":
        start.write_bytes(whole[: len(whole) // 2])
    elif damage == "text":
        start.write_bytes(b"text")
    else:
        state[damage] = "other" if damage == "key" else {}
        torch.save(state, start)
    before = start.read_bytes()
    with pytest.raises(LockstepError, match=rf"{start.name} is not a whole checkpoint .*move it away to start afresh"):
        trainer(tmp_path / "two", recipe(1, 2))
    assert start.read_bytes() == before


@pytest.mark.parametrize("side", [1, 2, 3])
def test_a_cut_out_square_lies_anywhere_with_its_centre_in_the_image(side):
    pixels = torch.full((4000, 2, 5, 6), 200, dtype=torch.uint8)
    result = augment(pixels, 0, False, torch.Generator().manual_seed(0), cutout=side)
    gone = (result == 0).numpy()
    assert (gone[:, 0] == gone[:, 1]).all(), "all channels alike"
    assert set(np.unique(result)) == {0, 200}
    found = collections.Counter()
    for image in gone[:, 0]:
        ys, xs = np.nonzero(image)
        assert len(ys) == (ys.max() - ys.min() + 1) * (xs.max() - xs.min() + 1), "a rectangle"
        assert max(np.ptp(ys), np.ptp(xs)) < side
        found[(ys.min(), xs.min(), ys.max(), xs.max())] += 1
    assert len(found) == 30, "one for each centre"
    assert min(found.values()) > 4000 / 30 / 2
    whole = [k for k in found if k[2] - k[0] == side - 1 and k[3] - k[1] == side - 1]
    assert len(whole) == (5 - side + 1) * (6 - side + 1)


def test_a_share_of_a_batch_is_drawn_as_in_the_whole():
    pixels = torch.from_numpy(stripes().train_pixels)[:12]
    whole = augment(pixels, 1, True, torch.Generator().manual_seed(3), 2)
    for share in (slice(0, 4), slice(4, 8), slice(8, 12)):
        part = augment(pixels, 1, True, torch.Generator().manual_seed(3), 2, share)
        assert torch.equal(part, whole[share])
