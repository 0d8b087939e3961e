"""TrivialAugment: what is drawn and for whom, what is refused, and training with it."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from model.errors import LockstepError
from model.network.nets import build
from model.network.recipe import Leg
from model.network.train import Trainer
from model.network.trivial import changed
from tests.trained import break_off, generator, recipe, small_network, state_bytes, stripes

BATCH = 300


def noise(channels: int = 3) -> torch.Tensor:
    return torch.randint(256, (BATCH, channels, 9, 7), dtype=torch.uint8, generator=generator(1))


def touched(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    return (before != after).flatten(1).any(1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("odds", [1.0, 0.4])
def test_its_share_of_the_images_is_changed(channels, odds):
    pixels = noise(channels)
    kept = pixels.clone()
    after = changed(pixels, odds, generator(), slice(None))
    assert torch.equal(pixels, kept)
    assert (after.shape, after.dtype) == (pixels.shape, torch.uint8)
    # some leave an image as it is: no change is a kind, a strength may be 0, one channel has no colours
    assert 0.65 * odds < touched(pixels, after).float().mean() < odds
    assert (changed(pixels, odds, generator(2)) != after).any()


def test_equal_images_become_many_different_ones():
    pixels = noise()[:1].expand(BATCH, -1, -1, -1)
    after = changed(pixels, 1.0, generator())
    assert len({each.numpy().tobytes() for each in after}) > BATCH / 3


def test_each_share_of_a_batch_gets_what_the_whole_one_gets():
    pixels = noise()
    whole = changed(pixels, 0.8, generator(3))
    for share in (slice(0, 100), slice(100, 300), torch.tensor([7, 5, 7, 299])):
        draws = generator(3)
        part = changed(pixels, 0.8, draws, share)
        assert torch.equal(part[share], whole[share])
        others = torch.ones(BATCH, dtype=torch.bool)
        others[share] = False
        assert torch.equal(part[others], pixels[others])
        after = generator(3)
        changed(pixels, 0.8, after)
        assert torch.equal(torch.rand(3, generator=draws), torch.rand(3, generator=after))


def test_other_draws_are_left_alone():
    draws, pixels = generator(4), noise()
    assert changed(pixels, 0.0, draws) is pixels
    assert torch.equal(torch.rand(3, generator=draws), torch.rand(3, generator=generator(4)))
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    changed(pixels, 1.0, draws)
    assert torch.equal(torch.rand(3), expected)


def test_images_without_colours_are_refused(tmp_path):
    plan = recipe(network="signal", qat=Leg(1, 0.1, 0.1, 0.0, trivial=0.5))
    told = r"trivial 0\.5 is not for signal, whose images have 8 channels; expected 1 or 3"
    with pytest.raises(LockstepError, match=told):
        Trainer(build("signal", 3, 4, 4, 0), stripes(shape=(8, 1, 8)), plan, tmp_path, quiet=True)
    assert not any(tmp_path.iterdir())


def test_a_broken_training_ends_as_a_whole_one(tmp_path):
    plan = recipe(1, 3)
    legs = {leg: dataclasses.replace(getattr(plan, leg), trivial=0.7) for leg in ("float", "qat")}
    without = Trainer(small_network(), stripes(), plan, tmp_path / "without", quiet=True)
    plan = dataclasses.replace(plan, **legs)
    without.run()
    Trainer(small_network(), stripes(), plan, tmp_path / "whole", quiet=True).run()
    break_off(Trainer(small_network(), stripes(), plan, tmp_path / "broken", quiet=True), 10)
    torch.manual_seed(99)  # a new process has drawn other numbers
    Trainer(small_network(), stripes(), plan, tmp_path / "broken", quiet=True).run()
    ends = {each: state_bytes(tmp_path / each / "checkpoint.pt") for each in ("whole", "broken", "without")}
    assert ends["whole"] == ends["broken"] != ends["without"]
