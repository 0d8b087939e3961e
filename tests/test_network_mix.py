"""CutMix and small images: what is drawn, the loss, the shares of processes, and training with both."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from model.errors import LockstepError
from model.network.augment import augment, scaled_to, to_input
from model.network.branched import BRANCHED
from model.network.mix import CutMix, Unmixed, draw_mix
from model.network.nets import NAMES, PLANS, build
from model.network.recipe import Leg
from model.network.train import Trainer
from tests.trained import break_off, generator, recipe, small_network, state_bytes, stripes

BATCH, SHAPE = 400, (3, 8, 10)


def numbered(count: int = BATCH) -> torch.Tensor:
    """Images whose every pixel is their index."""
    return torch.arange(count)[:, None, None, None].expand(count, *SHAPE)


@pytest.mark.parametrize("odds", [1.0, 0.4])
def test_a_rectangle_is_the_partners_and_the_rest_its_own(odds):
    pixels = numbered()
    mix = CutMix(pixels.shape, odds, generator())
    own, partner = mix.sources.numpy().reshape(2, BATCH)
    assert (own == np.arange(BATCH)).all()
    assert sorted(partner) == list(range(BATCH))
    mixed = mix.images(pixels[mix.sources]).numpy()
    touched = 0
    for index, image in enumerate(mixed):
        assert (image == image[:1]).all(), "all channels alike"
        foreign = mix.box[index].numpy()
        assert (image[0] == np.where(foreign, partner[index], index)).all()
        assert float(mix.kept[index]) == pytest.approx(1 - foreign.mean())
        if foreign.any():
            touched += 1
            ys, xs = np.nonzero(foreign)
            assert len(ys) == (np.ptp(ys) + 1) * (np.ptp(xs) + 1), "a rectangle"
    assert abs(touched / BATCH - odds) < 0.08  # a box smaller than a pixel may cover none


def test_areas_are_spread_as_the_paper_has_them():
    """The side is the root of a number spread evenly and the centre anywhere; what hangs over is not counted."""
    mix = CutMix(torch.Size((20_000, 1, 32, 32)), 1.0, generator())
    rng = np.random.default_rng(0)
    side, centres = np.sqrt(rng.random(20_000)), rng.random((2, 20_000))
    inside = np.minimum(centres + side / 2, 1) - np.maximum(centres - side / 2, 0)
    expected, found = (np.quantile(each, np.arange(5, 100, 5) / 100) for each in (1 - inside.prod(0), mix.kept.numpy()))
    np.testing.assert_allclose(found, expected, atol=0.02)
    assert np.abs(mix.box.float().mean(0).numpy() - np.flip(mix.box.float().mean(0).numpy())).max() < 0.03, "symmetric"


def test_the_loss_takes_both_labels_by_area():
    mix = CutMix(torch.Size((BATCH, *SHAPE)), 0.7, generator(1))
    labels = torch.randint(5, (BATCH,), generator=generator(2))[mix.sources]
    logits = torch.randn(BATCH, 5, generator=generator(3), dtype=torch.float64)
    kept = mix.kept.double()[:, None]
    one_hot = torch.nn.functional.one_hot(labels, 5).double().reshape(2, BATCH, 5)
    targets = kept * one_hot[0] + (1 - kept) * one_hot[1]
    expected = torch.nn.functional.cross_entropy(logits, targets, label_smoothing=0.1)
    assert float(mix.loss(logits, labels, 0.1)) == pytest.approx(float(expected), abs=1e-6)
    assert (mix.main_labels(labels) == torch.where(mix.kept >= 0.5, *labels.reshape(2, BATCH))).all()


def test_without_odds_nothing_is_drawn():
    used, untouched = generator(), generator()
    mix = draw_mix(torch.Size((12, *SHAPE)), 0.0, used, slice(4, 8))
    assert isinstance(mix, Unmixed)
    assert mix.sources == slice(4, 8)
    assert torch.equal(used.get_state(), untouched.get_state())
    pixels, labels, logits = numbered(4), torch.arange(4), torch.eye(4)
    assert mix.images(pixels) is pixels
    assert mix.main_labels(labels) is labels
    assert torch.equal(
        mix.loss(logits, labels, 0.1),
        torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1),
    )


def test_a_share_of_a_batch_is_mixed_as_in_the_whole():
    pixels = torch.from_numpy(stripes().train_pixels)[:12]

    def mixed(share: slice) -> tuple[torch.Tensor, torch.Tensor]:
        draws = generator(3)
        mix = CutMix(pixels.shape, 0.8, draws, share)
        return mix.images(augment(pixels, 1, True, draws, 2, mix.sources)), mix.kept

    whole, kept = mixed(slice(None))
    assert not torch.equal(whole, augment(pixels, 1, True, generator(3), 2))
    for share in (slice(0, 4), slice(4, 8), slice(8, 12)):
        part, of_it = mixed(share)
        assert torch.equal(part, whole[share])
        assert torch.equal(of_it, kept[share])


def test_small_images_are_averages():
    pixels = to_input(torch.randint(256, (2, 3, 8, 8), dtype=torch.uint8, generator=generator()))
    assert scaled_to(pixels, 8) is pixels
    half = scaled_to(pixels, 4)
    assert half.shape == (2, 3, 4, 4)
    assert half.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(half.mean((2, 3)), pixels.mean((2, 3)), atol=0.03, rtol=0)
    # a linear ramp stays one
    ramp = torch.arange(12.0).expand(1, 1, 12, 12)
    torch.testing.assert_close(scaled_to(ramp, 6)[0, 0, 0, 1:-1], torch.arange(0.5, 12, 2)[1:-1])


@pytest.mark.parametrize("name", [name for name in NAMES if name in PLANS])
def test_a_chain_takes_every_smaller_square(name):
    channels, height, _ = PLANS[name][0]
    network = build(name, 10, 4, 4, 0).eval()
    for side in range(1, height + 1):
        assert network(torch.zeros(1, channels, side, side)).shape == (1, 10)


def test_training_with_both_ends_alike_when_broken_off(tmp_path):
    plan = recipe(4, 2)
    plan = dataclasses.replace(
        plan,
        float=dataclasses.replace(plan.float, cutmix=0.5, small=0.5, small_side=3),
        qat=dataclasses.replace(plan.qat, cutmix=0.5),
    )
    seen: list[tuple[int, ...]] = []

    def trainer(folder) -> Trainer:
        network = small_network()
        network.register_forward_pre_hook(
            lambda module, args: seen.append(tuple(args[0].shape[2:])) if module.training else None
        )
        return Trainer(network, stripes(), plan, folder, quiet=True)

    trainer(tmp_path / "whole").run()
    assert seen == [(3, 3)] * 8 + [(4, 4)] * 16
    break_off(trainer(tmp_path / "broken"), 10)
    trainer(tmp_path / "broken").run()
    ends = [state_bytes(tmp_path / each / "checkpoint.pt") for each in ("whole", "broken")]
    assert ends[0] == ends[1]


def test_small_images_where_the_network_cannot_take_them(tmp_path):
    small = Leg(1, 0.1, 0.1, 0.0, small=1.0, small_side=5)
    with pytest.raises(LockstepError, match="small_side 5 is not for small; expected a chain's, 4 at most"):
        Trainer(small_network(), stripes(), recipe(float=small), tmp_path, quiet=True)
    name = next(iter(BRANCHED))
    shape = BRANCHED[name][0]
    with pytest.raises(LockstepError, match=f"small_side 5 is not for {name}"):
        Trainer(build(name, 3, 4, 4, 0), stripes(shape=shape), recipe(float=small, network=name), tmp_path, quiet=True)
    assert not any(tmp_path.iterdir())
