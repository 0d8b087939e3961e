"""sram under cocotb, for several shapes."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

SETS = [(32, 64), (128, 36), (5, 3), (16, 2), (64, 4), (32, 8), (16, 16), (12, 20), (8, 32)]


@pytest.mark.parametrize(("width", "depth"), SETS)
def test_sram(width: int, depth: int) -> None:
    """Read back, collisions, hold, reset."""
    simulate("sram", "tb.sram.sram_tests", {"Width": width, "Depth": depth})
