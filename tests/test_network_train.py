"""The trainer: augmentation, the same weights after any interruption, its log, its refusals."""

from __future__ import annotations

import collections
import copy
import dataclasses
import struct
import zipfile

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from model.errors import LockstepError
from model.network import checkpoint, train
from model.network.augment import augment, to_input
from model.network.layers import QuantReLU
from model.network.recipe import Leg
from model.network.train import Trainer
from tests.trained import generator, recipe, small_network, state_bytes, stripes


def test_without_crop_and_flip_nothing_changes():
    pixels = torch.arange(2 * 3 * 4 * 5, dtype=torch.uint8).reshape(2, 3, 4, 5)
    assert torch.equal(augment(pixels, 0, False, generator()), pixels)


def windows(image: np.ndarray, crop: int, flip: bool) -> dict[bytes, tuple[int, int, int]]:
    """Every image that augmentation can make of `image` (channels, y, x), by its bytes."""
    _, height, width = image.shape
    padded = np.pad(image, [(0, 0), (crop, crop), (crop, crop)])
    found = {}
    for mirrored in (0, 1) if flip else (0,):
        for y in range(2 * crop + 1):
            for x in range(2 * crop + 1):
                cut = padded[:, y : y + height, x : x + width]
                found[np.ascontiguousarray(cut[:, :, ::-1] if mirrored else cut).tobytes()] = (mirrored, y, x)
    return found


@pytest.mark.parametrize(("crop", "flip"), [(1, True), (2, True), (2, False), (0, True)])
def test_every_crop_and_mirror_image_is_drawn_equally_often(crop, flip):
    image = np.random.default_rng(0).integers(1, 256, (3, 6, 5)).astype(np.uint8)
    known = windows(image, crop, flip)
    assert len(known) == (2 * crop + 1) ** 2 * (1 + flip)
    count = 400 * len(known)
    result = augment(torch.from_numpy(image).repeat(count, 1, 1, 1), crop, flip, generator())
    drawn = collections.Counter(known[each.tobytes()] for each in result.contiguous().numpy())
    assert len(drawn) == len(known)
    deviation = np.array([(times - 400) / 20 for times in drawn.values()])  # in standard deviations, about
    assert np.abs(deviation).max() < 4.5
    assert 0.5 < np.sqrt((deviation**2).mean()) < 1.5, "as spread as independent draws"


def test_augmentation_is_a_function_of_the_generator():
    pixels = torch.from_numpy(stripes().train_pixels)
    first = augment(pixels, 1, True, generator(5))
    assert torch.equal(first, augment(pixels, 1, True, generator(5)))
    assert not torch.equal(first, augment(pixels, 1, True, generator(6)))


def test_pixels_enter_as_their_code_by_255():
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(to_input(pixels).flatten(), torch.arange(256) / 255)


LEG = Leg(3, 0.03, 0.1, 1e-4, distill=0.1, temperature=2.0)  # a teacher of 12 steps does not know much


def trainer(folder, data=None, plan=None) -> Trainer:
    return Trainer(small_network(), data or stripes(), plan or recipe(qat=LEG), folder, quiet=True)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """Folder and trainer of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("unbroken")
    run = trainer(folder)
    run.run()
    return folder, run


class Killed(BaseException):
    pass


def kill_at(monkeypatch, where: str, count: int) -> None:
    """Raise at the `count`-th optimizer step, before or after a checkpoint is saved, or after calibration."""
    calls = collections.Counter()

    def killer(name, real, before):
        def call(*arguments, **named):
            if before:
                calls[name] += 1
                if (name, calls[name]) == (where, count):
                    raise Killed
            result = real(*arguments, **named)
            if not before:
                calls[name] += 1
                if (name, calls[name]) == (where, count):
                    raise Killed
            return result

        return call

    monkeypatch.setattr(torch.optim.SGD, "step", killer("step", torch.optim.SGD.step, True))
    monkeypatch.setattr(train, "start_quantization", killer("calibrated", train.start_quantization, False))
    monkeypatch.setattr(checkpoint, "save", killer("before save", killer("saved", checkpoint.save, False), True))


POINTS = [
    ("step", 1),
    ("step", 6),  # of 4 a epoch: in the second
    ("before save", 1),
    ("saved", 1),
    ("before save", 3),  # the last of the float leg: trained again
    ("saved", 3),  # the float leg is kept for others, the checkpoint is not there yet
    ("saved", 4),  # between the legs
    ("calibrated", 1),
    ("step", 14),  # in the first QAT epoch
    ("before save", 5),
    ("saved", 5),
    ("step", 19),
    ("saved", 7),  # complete, and not yet frozen
]


@pytest.mark.slow
@pytest.mark.parametrize(("where", "count"), POINTS)
def test_interrupted_anywhere_the_weights_are_those_of_an_unbroken_run(where, count, unbroken, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, where, count)
        with pytest.raises(Killed):
            trainer(tmp_path).run()
    for path in (tmp_path / "log").iterdir():  # readers sort event files by the second of their start: an earlier one
        path.rename(path.with_name(path.name.replace("tfevents.", "tfevents.0", 1)))
    again = trainer(tmp_path)
    again.run()
    folder, whole = unbroken
    assert state_bytes(tmp_path / "checkpoint.pt") == state_bytes(folder / "checkpoint.pt")
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name])
    assert again.progress.accuracy == whole.progress.accuracy
    assert again.evaluate() == whole.evaluate()
    assert logged(tmp_path) == logged(folder)


def logged(folder) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows: (step, value) of every tag."""
    events = EventAccumulator(str(folder / "log"))
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.slow
def test_the_log_has_a_point_an_epoch(unbroken):
    shown = logged(unbroken[0])
    assert [step for step, _ in shown["train/loss"]] == [1, 2, 3, 4, 5, 6]
    assert [step for step, _ in shown["train/accuracy"]] == [1, 2, 3, 4, 5, 6]
    assert [step for step, _ in shown["test/accuracy"]] == [2, 3, 5, 6]  # every second epoch, and the last, of a leg


@pytest.mark.slow
def test_training_learns_and_ends_quantized(tmp_path):
    run = trainer(tmp_path, plan=recipe(8, 4))
    run.run()
    shown = logged(tmp_path)["train/loss"]
    assert shown[11][1] < 0.8 * shown[0][1]
    assert run.progress.epochs == {"float": 8, "qat": 4}
    assert run.progress.accuracy["qat"] > 0.6
    assert all(module.quantized for module in run.network.modules() if isinstance(module, QuantReLU))


def test_a_complete_run_trains_nothing_more(unbroken, monkeypatch):
    folder, whole = unbroken
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    monkeypatch.setattr(Trainer, "_epoch", None)
    again = trainer(folder)
    again.run()
    assert again.progress == whole.progress
    assert again.evaluate() == whole.evaluate()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_without_a_float_leg(tmp_path):
    run = trainer(tmp_path, plan=recipe(0, 1))
    run.run()
    assert run.progress.epochs == {"float": 0, "qat": 1}
    assert set(run.progress.accuracy) == {"qat"}


def refused(told, *arguments, **named) -> None:
    with pytest.raises(LockstepError, match=told) as caught:
        trainer(*arguments, **named)
    assert "\n" not in str(caught.value)


@pytest.fixture
def copied(unbroken, tmp_path):
    """A folder of its own with the unbroken run's checkpoint, which must still be there, byte for byte, at the end."""
    content = (unbroken[0] / "checkpoint.pt").read_bytes()
    (tmp_path / "checkpoint.pt").write_bytes(content)
    return tmp_path


def other_data():
    data = stripes()
    pixels = data.train_pixels.copy()
    pixels[0, 0, 0, 0] ^= 1
    return dataclasses.replace(data, train_pixels=pixels)


@pytest.mark.parametrize(
    "other",
    [
        {"plan": recipe(4, qat=LEG)},
        {"plan": recipe(qat=dataclasses.replace(LEG, epochs=4))},
        {"plan": recipe(seed=8, qat=LEG)},
        {"plan": recipe(act_bits=3, qat=LEG)},
        {"plan": recipe(qat=dataclasses.replace(LEG, peak_rate=0.031))},
        {"plan": recipe(qat=dataclasses.replace(LEG, distill=0.2))},
        {"data": other_data()},
    ],
    ids=["float epochs", "QAT epochs", "seed", "bits", "rate", "distillation", "data"],
)
def test_a_checkpoint_of_another_run_is_refused_and_kept(other, copied):
    before = (copied / "checkpoint.pt").read_bytes()
    refused(r"checkpoint\.pt belongs to another recipe or other data; to go on .* move .* away", copied, **other)
    assert (copied / "checkpoint.pt").read_bytes() == before


@pytest.mark.parametrize("damage", ["empty", "text", "truncated"])
def test_a_damaged_checkpoint_is_refused_and_kept(damage, copied):
    path = copied / "checkpoint.pt"
    whole = path.read_bytes()
    damaged = {"empty": b"", "text": b"not a checkpoint\n" * 10, "truncated": whole[: len(whole) // 2]}[damage]
    path.write_bytes(damaged)
    refused(r"checkpoint\.pt is not a whole checkpoint .*; move it away to start afresh", copied)
    assert path.read_bytes() == damaged


@pytest.mark.parametrize("part", ["key", "epochs", "network", "optimizer", "network weight", "optimizer groups", "all"])
def test_a_checkpoint_with_a_part_missing_is_refused(part, copied):
    path = copied / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    state["epochs"]["qat"] = 1  # so that the optimizer is needed
    if part == "all":
        state = [1, 2]
    elif part == "network weight":
        del state["network"]["features.0.weight"]
    elif part == "optimizer groups":
        state["optimizer"]["param_groups"].pop()
    else:
        del state[part]
    torch.save(state, path)
    refused("is not a whole checkpoint", copied)


def test_no_damage_to_a_stored_tensor_goes_unseen(copied):
    path = copied / "checkpoint.pt"
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        tensors = [info for info in archive.infolist() if "/data/" in info.filename]
    rng = np.random.default_rng(0)
    for index in rng.choice(len(tensors), 6, replace=False):
        info = tensors[index]
        name, extra = struct.unpack_from("<HH", whole, info.header_offset + 26)
        start = info.header_offset + 30 + name + extra  # of the member's data
        altered = bytearray(whole)
        altered[start + int(rng.integers(info.file_size))] ^= 4
        path.write_bytes(altered)
        refused(f"is not a whole checkpoint .*{info.filename}", copied)


def test_a_checkpoint_that_would_run_code_does_not(copied):
    class Malice:
        def __reduce__(self):
            return (print, ("ran",))

    path = copied / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    torch.save({**state, "key": Malice()}, path)
    refused("is not a whole checkpoint", copied)


def test_a_diverging_run_ends_and_keeps_its_checkpoint(tmp_path):
    plan = recipe(2, 1)
    wild = dataclasses.replace(plan, float=dataclasses.replace(plan.float, peak_rate=1e30, epochs=3))
    run = trainer(tmp_path, plan=wild)
    with pytest.raises(LockstepError, match=r"training diverged in float epoch 1 \(loss (nan|inf)\); lower peak_rate"):
        run.run()
    assert not (tmp_path / "checkpoint.pt").exists()


def test_fewer_images_than_a_batch_are_refused(tmp_path):
    refused("15 training images are fewer than one batch; expected 16 or more", tmp_path, data=stripes(15))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LockstepError, match=r"cannot write .*file"):
        trainer(tmp_path / "file").run()


def test_the_network_goes_in_and_comes_out_the_same_object(tmp_path):
    network = small_network()
    before = copy.deepcopy(network.state_dict())
    run = Trainer(network, stripes(), recipe(1, 1), tmp_path, quiet=True)
    assert all(torch.equal(tensor, before[name]) for name, tensor in run.network.state_dict().items())
    run.run()
    assert run.network is network


def test_the_bar_tells_loss_accuracy_speed_and_time_left(tmp_path, capsys):
    data = stripes(16 * 41)
    Trainer(small_network(), data, recipe(1, 1), tmp_path).run()
    told = capsys.readouterr()
    for word in ("loss ", "accuracy ", "img/s", "all done in "):
        assert word in told.err
    assert "float epoch 1/1: test accuracy" in told.out
    assert "qat epoch 1/1: test accuracy" in told.out
