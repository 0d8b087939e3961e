"""The shape of an engine: what its Verilog parameters are, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

from model.errors import LockstepError
from model.numeric.formats import IntFormat
from model.numeric.power import PowerFormat
from model.numeric.weights import WeightFormat

ADDRESS_BITS = 16  # of an activation line address in a descriptor
POWERS = tuple(1 << i for i in range(1, ADDRESS_BITS + 1))
MAX_SIDES = 251  # rows + cols: the drain is counted in 8 bits
MAX_SUB = 4  # planes of a wide input, or banks: the count of the descriptor's level `sub`


@dataclass(frozen=True)
class EngineShape:
    """The parameters of `engine`.

    Parameters
    ----------
    rows, cols : int
        Array size; one divides the other. cols = k * rows: the activation memory has k banks (k <= 4); rows = k * cols:
        its lines have k segments.
    act_width, wgt_width, psum_width : int
        Bits of an activation code (unsigned, <= 8), a weight code (signed, <= 8), a psum (signed, <= 48).
    wgt_lanes : int
        Columns of weights in one stream word.
    act_depth : int
        Activation lines, over all banks; a bank holds a power of two of them.
    psum_depth : int
        Psum lines of a bank: the longest pass.
    mul_width, bias_width : int
        Bits of M and B of the requantization, signed.
    output_stationary : int
        1: built for both dataflows; cols divides wgt_lanes * rows.
    layers : int
        Descriptors in the table, 2..255.
    wgt_power, wgt_zero, wgt_step : int
        Weights are signed powers of two: number of exponents, 1 where 0 is a weight, and the distance of exponents
        (see `model.numeric.power.PowerFormat`). 0 exponents: weights are integers.
    simd : int
        1: layers whose codes have half of `act_width` bits at most can be multiplied in pairs of input channels.

    Raises
    ------
    LockstepError
        When the numbers make no engine.
    """

    rows: int = 8
    cols: int = 8
    act_width: int = 4
    wgt_width: int = 4
    psum_width: int = 20
    wgt_lanes: int = 2
    act_depth: int = 16384
    psum_depth: int = 1024
    mul_width: int = 28
    bias_width: int = 36
    layers: int = 32
    wgt_power: int = 0
    wgt_zero: int = 0
    wgt_step: int = 1
    simd: int = 0
    output_stationary: int = 0

    def __post_init__(self) -> None:
        for item in fields(self):
            least = int(item.name not in ("wgt_power", "wgt_zero", "simd", "output_stationary"))
            check_at_least(item.name, getattr(self, item.name), least)
        self._check_both()
        if self.rows % self.cols and self.cols % self.rows:
            raise LockstepError(f"engine: {self.rows} rows and {self.cols} columns; expected one to divide the other")
        if self.banks > MAX_SUB:
            raise LockstepError(f"engine: {self.cols} columns on {self.rows} rows; expected at most {MAX_SUB} times")
        limits = {"act_width": 8, "wgt_width": 8, "psum_width": 48, "mul_width": 48, "bias_width": 64, "layers": 255}
        limits |= {"simd": 1}
        for name, most in limits.items():
            if getattr(self, name) > most:
                raise LockstepError(f"engine: {name} is {getattr(self, name)}; expected at most {most}")
        for name in ("wgt_width", "layers"):
            if getattr(self, name) < 2:
                raise LockstepError(f"engine: {name} is {getattr(self, name)}; expected at least 2")
        if self.simd and self.act_width % 2:
            raise LockstepError(f"engine: simd with act_width {self.act_width}; a pair needs an even number of bits")
        if self.rows + self.cols > MAX_SIDES:
            raise LockstepError(
                f"engine: {self.rows} rows + {self.cols} columns; expected at most {MAX_SIDES} together"
            )
        if self.wgt_lanes > self.cols:
            raise LockstepError(f"engine: wgt_lanes is {self.wgt_lanes}; expected at most the {self.cols} columns")
        if self.wgt_zero > 1:
            raise LockstepError(f"engine: wgt_zero is {self.wgt_zero}; expected 0 or 1")
        if self.wgt_width != self.wgt.bits:
            raise LockstepError(f"engine: wgt_width is {self.wgt_width}; {self.wgt.name} takes {self.wgt.bits}")
        need = self.wgt.product_bits(self.act_width)
        if self.psum_width < need:
            raise LockstepError(f"engine: psum_width is {self.psum_width}; one product needs {need}")
        if self.act_depth > 1 << ADDRESS_BITS:
            raise LockstepError(f"engine: act_depth is {self.act_depth}; expected at most {1 << ADDRESS_BITS}")
        if self.act_depth % self.banks or (self.banks > 1 and self.bank_depth not in POWERS):
            raise LockstepError(
                f"engine: act_depth is {self.act_depth} in {self.banks} banks; expected 2, 4, 8 ... in each"
            )

    @cached_property
    def wgt(self) -> WeightFormat:
        """The weights that the engine multiplies by; of integers the one with the most negative code."""
        if self.wgt_power:
            return PowerFormat(self.wgt_power, bool(self.wgt_zero), self.wgt_step)
        return IntFormat(self.wgt_width, signed=True)

    def _check_both(self) -> None:
        if self.output_stationary and self.simd:
            raise LockstepError("engine: output_stationary and simd are both 1; expected one of them")
        if self.output_stationary not in (0, 1):
            raise LockstepError(f"engine: output_stationary is {self.output_stationary!r}; expected 0 or 1")
        if self.output_stationary and self.wgt_lanes * self.rows % self.cols:
            raise LockstepError(
                f"engine: stream words of {self.wgt_lanes} x {self.rows} weights; output stationary, expected a "
                f"multiple of the {self.cols} columns"
            )
        if self.output_stationary and self.psum_depth < self.rows:
            raise LockstepError(
                f"engine: psum_depth is {self.psum_depth}; output stationary, expected {self.rows} or more, the rows"
            )
        if self.output_stationary and 2 * self.rows + self.cols > MAX_SIDES:
            raise LockstepError(
                f"engine: {self.rows} rows and {self.cols} columns; output stationary, expected at most {MAX_SIDES} "
                "of twice the rows and the columns"
            )

    @property
    def word_terms(self) -> int:
        """Output stationary, terms of a stream word."""
        return self.wgt_lanes * self.rows // self.cols

    @property
    def banks(self) -> int:
        """Activation memory banks: an output position fills one line in each."""
        return max(1, self.cols // self.rows)

    @property
    def segments(self) -> int:
        """Segments of an activation line: an output position fills one of them."""
        return max(1, self.rows // self.cols)

    @property
    def bank_depth(self) -> int:
        """Lines of a bank."""
        return self.act_depth // self.banks

    @property
    def groups(self) -> int:
        """Stream words of a weight tile."""
        return -(-self.cols // self.wgt_lanes)

    @property
    def half_width(self) -> int:
        """Bits of a code of a pair; 0 where the engine multiplies none."""
        return self.act_width // 2 if self.simd else 0

    @property
    def word_bits(self) -> int:
        """Bits of a stream word."""
        return self.wgt_lanes * self.rows * self.wgt_width

    @property
    def line_bits(self) -> int:
        """Bits of an activation line."""
        return self.rows * self.act_width

    @property
    def param_words(self) -> int:
        """Stream words of one column's M and B (ParWords)."""
        return -(-(self.mul_width + self.bias_width) // self.word_bits)

    @property
    def parameters(self) -> dict[str, int]:
        """The parameters of `rtl/engine.v`, by their Verilog names."""
        return {verilog_name(item.name): getattr(self, item.name) for item in fields(self)}


def check_at_least(name: str, value: object, least: int) -> None:
    """Raise LockstepError unless `value`, the engine's parameter `name`, is an integer of `least` or more."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise LockstepError(f"engine: {name} is {value!r}; expected an integer of {least} or more")


def verilog_name(field: str) -> str:
    """The parameter that a field of EngineShape becomes.

    >>> verilog_name("wgt_width")
    'WgtWidth'
    """
    return "".join(part.title() for part in field.split("_"))


def weight_fields(wgt: WeightFormat) -> dict[str, int]:
    """The fields of an EngineShape that multiplies by `wgt`."""
    if not isinstance(wgt, PowerFormat):
        return {"wgt_width": wgt.bits}
    return {"wgt_width": wgt.bits, "wgt_power": wgt.exponents, "wgt_zero": int(wgt.zero), "wgt_step": wgt.step}
