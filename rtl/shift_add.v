// shift_add.v - the sum of a PE whose weights are signed powers of two: sum_o = psum_i + wgt * act_i, without a multiplier.
// wgt_i is {sign, index}: wgt = +-2^((index-WgtZero)*WgtStep), or 0 where WgtZero is set and index is 0.
// Latency 0: combinational.
// Golden: model.numeric.power.PowerFormat.decode, then model.golden.cycle.step_pe.
//
//   act_i --[0 if the weight is 0]--[<< WgtStep if index[0]]--[<< 2*WgtStep if index[1]]-- ... --[>> WgtZero*WgtStep]-- size
//   sum_o = psum_i + size, or psum_i + ~size + 1 where sign is set: one adder, the 1 its carry in
`default_nettype none

module shift_add #(
  parameter integer ActWidth  = 4,   // bits of an activation, unsigned
  parameter integer WgtWidth  = 4,   // bits of a weight: 1 + those of the index
  parameter integer WgtPower  = 8,   // number of exponents
  parameter integer WgtZero   = 0,   // 1: index 0 is the weight 0, index 1 the exponent 0
  parameter integer WgtStep   = 1,   // from one exponent to the next
  parameter integer PsumWidth = 16   // bits of a partial sum, two's complement
) (
  input  wire [ActWidth-1:0]  act_i,
  input  wire [WgtWidth-1:0]  wgt_i,
  input  wire [PsumWidth-1:0] psum_i,
  output wire [PsumWidth-1:0] sum_o
);

  localparam integer IndexWidth = WgtWidth - 1;
  localparam integer SizeWidth  = ActWidth + (WgtPower - 1) * WgtStep;  // of |wgt * act|
  localparam integer WideWidth  = SizeWidth + WgtZero * WgtStep;

  wire                  sign  = wgt_i[WgtWidth-1];
  wire [IndexWidth-1:0] index = wgt_i[IndexWidth-1:0];
  wire                  none  = WgtZero != 0 && index == {IndexWidth{1'b0}};

  // Shifted by the whole index; where index 1 is the exponent 0 that is WgtStep too far, and the lowest bits are zeros.
  reg [WideWidth-1:0] wide;
  integer i;
  always @(*) begin
    wide = {{(WideWidth-ActWidth){1'b0}}, none ? {ActWidth{1'b0}} : act_i};
    for (i = 0; i < IndexWidth; i = i + 1) if (index[i]) wide = wide << (WgtStep << i);
  end

  wire [PsumWidth-1:0] size = {{(PsumWidth-SizeWidth){1'b0}}, wide[WideWidth-1:WgtZero*WgtStep]};
  wire [PsumWidth:0]   sum  = {psum_i, 1'b1} + {size ^ {PsumWidth{sign}}, sign};  // bit 0 makes the carry

  assign sum_o = sum[PsumWidth:1];

  wire unused = &{1'b0, sum[0], wide};

`ifndef SYNTHESIS
  initial begin
    if (WgtZero != 0 && WgtZero != 1) $fatal(1, "%m: WgtZero %0d; expected 0 or 1", WgtZero);
    if (WgtStep < 1) $fatal(1, "%m: WgtStep %0d; expected 1 or more", WgtStep);
    if (WgtPower < 1 || WgtPower + WgtZero < 2 || WgtWidth != 1 + $clog2(WgtPower + WgtZero))
      $fatal(1, "%m: WgtWidth %0d; expected 1 bit and those of %0d indices", WgtWidth, WgtPower + WgtZero);
    if (PsumWidth <= SizeWidth)
      $fatal(1, "%m: PsumWidth %0d; expected 1 more than the %0d bits of a product", PsumWidth, SizeWidth);
  end
`endif

endmodule

`default_nettype wire
