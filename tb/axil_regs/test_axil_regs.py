"""axil_regs under cocotb, in every size."""

from __future__ import annotations

import pytest

from tb.axil_regs.sizes import SETS
from tb.common.runner import simulate


@pytest.mark.parametrize("name", SETS)
def test_axil_regs(name: str) -> None:
    """Every channel and output in every cycle."""
    simulate("axil_regs", "tb.axil_regs.axil_regs_tests", SETS[name])
