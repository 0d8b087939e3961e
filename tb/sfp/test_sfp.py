"""sfp under cocotb, for several shapes."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

SETS = [(8, 16), (5, 24), (1, 8), (16, 20)]


@pytest.mark.parametrize(("cols", "psum_width"), SETS)
def test_sfp(cols: int, psum_width: int) -> None:
    """Sums, bubbles, reset."""
    simulate("sfp", "tb.sfp.sfp_tests", {"Cols": cols, "PsumWidth": psum_width})
