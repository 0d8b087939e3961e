"""The learned-step quantizer: its values, its gradients, its start."""

from __future__ import annotations

from math import floor

import numpy as np
import pytest
import torch

from model.network.quantize import LEAST_STEP, best_step, codes_of, fake_quantize
from model.numeric.formats import IntFormat

FORMATS = [
    IntFormat(4),
    IntFormat(2),
    IntFormat(8),
    IntFormat(4, True, True),
    IntFormat(2, True, True),
    IntFormat(4, True),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_values_are_rounded_half_up_and_clamped(dtype):
    step, fmt = torch.tensor(0.5, dtype=dtype), IntFormat(4, signed=True, symmetric=True)
    value = torch.arange(-40, 41, dtype=dtype) / 8  # quarters of a step: every tie among them
    expected = [0.5 * min(max(floor(float(v) / 0.5 + 0.5), -7), 7) for v in value]
    assert fake_quantize(value, step, fmt).tolist() == expected
    assert (codes_of(value, step, fmt) * step).tolist() == expected
    assert fake_quantize(torch.tensor([-0.75, 0.75, 1.25], dtype=dtype), step, fmt).tolist() == [-0.5, 1.0, 1.5]


def test_steps_per_channel():
    fmt = IntFormat(4, signed=True, symmetric=True)
    value = torch.tensor([[0.9, -5.0], [0.9, -5.0]])
    result = fake_quantize(value, torch.tensor([[1.0], [0.25]]), fmt)
    torch.testing.assert_close(result, torch.tensor([[1.0, -5.0], [1.0, -1.75]]), rtol=0, atol=0)


def test_ties_in_float64_are_those_of_the_definition():
    """The reference that the frozen graph must equal: v/s divided, as the freeze divides, not v times a rounded 1/s."""
    fmt = IntFormat(4, signed=True, symmetric=True)
    step = torch.rand(2000, 1, generator=torch.Generator().manual_seed(0)).add_(0.01).double()
    ties = (torch.arange(-7, 7).double() + 0.5) * step  # v/s is exactly a half: it rounds up
    expected = torch.arange(-6, 8).double().expand(2000, -1)
    torch.testing.assert_close(codes_of(ties, step, fmt), expected, rtol=0, atol=0)
    torch.testing.assert_close(fake_quantize(ties, step, fmt), expected * step, rtol=0, atol=0)
    assert ((ties * step.reciprocal() + 0.5).floor() != expected).any(), "the product would have done as well"


def straight_through(value, step, fmt, scale):
    """LSQ as autograd builds it from detach, in the order of the paper's equations; `scale` reaches the step only."""
    step = step * scale + (step - step * scale).detach()
    ratio = value / step
    inside = (ratio > fmt.min) & (ratio < fmt.max)
    clamped = torch.where(inside, ratio, ratio.detach().clamp(fmt.min, fmt.max))
    rounded = clamped + (torch.floor(clamped + 0.5) - clamped).detach()
    return rounded * step


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
@pytest.mark.parametrize("shape", [(), (3, 1, 1, 1)], ids=["one step", "a step a channel"])
def test_gradients_are_those_of_the_straight_through_estimator(fmt, shape):
    generator = torch.Generator().manual_seed(1)
    value = (4 * torch.randn(3, 5, 4, 4, generator=generator, dtype=torch.float64)).requires_grad_()
    step = (torch.rand(shape, generator=generator, dtype=torch.float64) + 0.2).requires_grad_()
    with torch.no_grad():  # exactly at the limits, and beyond them
        value[:, 0, 0, 0], value[:, 0, 0, 1] = (fmt.max * step).flatten(), (fmt.min * step).flatten()
        value[:, 0, 1, 0], value[:, 0, 1, 1] = 100.0, -100.0
    count = 5 * 4 * 4
    upstream = torch.randn(value.shape, generator=generator, dtype=torch.float64)
    expected = straight_through(value, step, fmt, (count * fmt.max) ** -0.5)
    wanted = torch.autograd.grad(expected, [value, step], upstream)
    result = fake_quantize(value, step, fmt)
    given = torch.autograd.grad(result, [value, step], upstream)
    torch.testing.assert_close(result, expected.detach(), rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(given[0], wanted[0], rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(given[1], wanted[1], rtol=1e-12, atol=1e-12)
    assert given[1].shape == step.shape


def test_at_the_limits_no_gradient_passes_and_the_step_gets_the_code():
    fmt = IntFormat(4)
    value = torch.tensor([[0.0, 15.0, 7.5, 15.49, -0.1]], dtype=torch.float64, requires_grad=True)
    step = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    fake_quantize(value, step, fmt).backward(torch.eye(5, dtype=torch.float64)[1:2])
    assert value.grad is not None
    assert value.grad.tolist() == [[0, 0, 0, 0, 0]]
    assert step.grad is not None
    assert float(step.grad) == pytest.approx(15 * (5 * 15) ** -0.5)
    (through,) = torch.autograd.grad(fake_quantize(value, step, fmt).sum(), [value])
    assert through.tolist() == [[0, 0, 1, 0, 0]]


def test_the_gradient_of_an_activation_step_does_not_depend_on_the_batch_size():
    value = torch.rand(1, 3, 4, 4) * 4
    step = torch.tensor(0.3, requires_grad=True)
    (one,) = torch.autograd.grad(fake_quantize(value, step, IntFormat(4)).mean(), [step])
    (four,) = torch.autograd.grad(fake_quantize(value.repeat(4, 1, 1, 1), step, IntFormat(4)).mean(), [step])
    torch.testing.assert_close(one, four)


def test_a_step_that_training_drove_to_zero_or_below_stays_usable():
    for step in (0.0, -3.0):
        result = fake_quantize(torch.tensor([[1.0, -1.0]]), torch.tensor(step), IntFormat(4))
        torch.testing.assert_close(result, torch.tensor([[15 * LEAST_STEP, 0.0]]))


def squared_error(row, step, fmt):
    return float(((codes_of(row, torch.tensor(step), fmt) * step - row) ** 2).sum())


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
def test_the_first_step_is_about_the_best_there_is(fmt):
    value = torch.randn(4, 300, generator=torch.Generator().manual_seed(2))
    value = value if fmt.signed else value.relu()
    value[3] = 0
    steps = best_step(value, fmt)
    for row, step in zip(value[:3], steps[:3], strict=True):
        finest = min(squared_error(row, s, fmt) for s in np.linspace(0.002, float(row.abs().max()), 1500))
        assert squared_error(row, float(step), fmt) <= 1.1 * finest + 1e-6
    assert 0 < float(steps[3]) < 1e-3, "a row of zeros gets a step that serves"
