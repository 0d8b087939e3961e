"""result_stream under cocotb, for several shapes."""

from __future__ import annotations

import pytest

from tb.common.runner import simulate

SETS = [(1, 8, 1), (3, 32, 2), (8, 32, 5)]


@pytest.mark.parametrize(("cols", "width", "depth"), SETS)
def test_result_stream(cols: int, width: int, depth: int) -> None:
    """Order, `last`, loss, reset."""
    simulate("result_stream", "tb.result_stream.result_stream_tests", {"Cols": cols, "Width": width, "Depth": depth})
