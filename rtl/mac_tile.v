// mac_tile.v - one weight-stationary processing element: when valid, psum_o <= psum_i + wgt * act_i.
// wgt is the active weight; on the first pixel of a tile (swap_i) it is the shadow weight, which then becomes the active one.
// Latency 1 cycle in both directions (west to east, north to south).
// Golden: model.golden.cycle.step_pe.
`default_nettype none

module mac_tile #(
  parameter integer ActWidth   = 4,   // bits of an activation, unsigned
  parameter integer WgtWidth   = 4,   // bits of a weight
  parameter integer WgtPower   = 0,   // 0: a weight is two's complement; n: a signed power of two of n exponents (shift_add)
  parameter integer WgtZero    = 0,   // of a power of two: index 0 is the weight 0
  parameter integer WgtStep    = 1,   // of a power of two: from one exponent to the next
  parameter integer PsumWidth  = 16,  // bits of a partial sum, two's complement; must hold the whole reduction
  parameter integer WgtLanes   = 2,   // columns of weights in one flit
  parameter integer GroupWidth = 2,   // bits of a column-group number
  parameter integer Group      = 0,   // this column's group: column / WgtLanes
  parameter integer Lane       = 0    // this column's place in the flit: column % WgtLanes
) (
  input  wire                         clk_i,
  input  wire                         rst_ni,
  // from west: pixels
  input  wire                         valid_i,
  input  wire                         swap_i,       // with valid_i: the first pixel of a tile
  input  wire [ActWidth-1:0]          act_i,
  // from west: weight flits, on their own path
  input  wire                         wgt_valid_i,
  input  wire [GroupWidth-1:0]        wgt_group_i,
  input  wire [WgtLanes*WgtWidth-1:0] wgt_i,        // lane l at [l*WgtWidth +: WgtWidth]
  // to east
  output wire                         valid_o,
  output wire                         swap_o,
  output wire [ActWidth-1:0]          act_o,
  output wire                         wgt_valid_o,
  output wire [GroupWidth-1:0]        wgt_group_o,
  output wire [WgtLanes*WgtWidth-1:0] wgt_o,
  // from north, to south
  input  wire [PsumWidth-1:0]         psum_i,
  output wire [PsumWidth-1:0]         psum_o
);

  localparam integer ProdWidth = ActWidth + WgtWidth;  // |act * wgt| <= (2^A - 1) * 2^(W-1) < 2^(A+W-1)

  reg                         valid_q, swap_q;
  reg  [ActWidth-1:0]         act_q;
  reg                         wgt_valid_q;
  reg  [GroupWidth-1:0]       wgt_group_q;
  reg  [WgtLanes*WgtWidth-1:0] wgt_q;
  reg  [WgtWidth-1:0]         shadow_q;  // the next tile's weight
  reg  [WgtWidth-1:0]         active_q;  // this tile's weight
  reg  [PsumWidth-1:0]        psum_q;

  // The first pixel of a tile already multiplies by the new weight: no bubble between tiles.
  wire [WgtWidth-1:0] wgt = swap_i ? shadow_q : active_q;

  wire [PsumWidth-1:0] power_sum;  // psum_i + wgt * act_i of powers of two

  generate
    if (WgtPower != 0) begin : gen_power
      shift_add #(
        .ActWidth  (ActWidth),
        .WgtWidth  (WgtWidth),
        .WgtPower  (WgtPower),
        .WgtZero   (WgtZero),
        .WgtStep   (WgtStep),
        .PsumWidth (PsumWidth)
      ) u_shift_add (
        .act_i  (act_i),
        .wgt_i  (wgt),
        .psum_i (psum_i),
        .sum_o  (power_sum)
      );
    end else begin : gen_integer
      assign power_sum = {PsumWidth{1'b0}};
    end
  endgenerate

  // Valid flags move every cycle, data only beside its flag: an idle wave toggles nothing. A flit that arrives together
  // with a swap belongs to the tile after the one that starts: the swap takes the old shadow.
  // All registers stand in one block because a simulator wakes up once for it, and there are many of these tiles.
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q     <= 1'b0;
      swap_q      <= 1'b0;
      act_q       <= {ActWidth{1'b0}};
      psum_q      <= {PsumWidth{1'b0}};
      wgt_valid_q <= 1'b0;
      wgt_group_q <= {GroupWidth{1'b0}};
      wgt_q       <= {(WgtLanes*WgtWidth){1'b0}};
      shadow_q    <= {WgtWidth{1'b0}};
      active_q    <= {WgtWidth{1'b0}};
    end else begin
      valid_q     <= valid_i;
      swap_q      <= swap_i;
      wgt_valid_q <= wgt_valid_i;
      if (valid_i) begin
        act_q  <= act_i;
        if (WgtPower != 0) psum_q <= power_sum;
        else psum_q <= $signed(psum_i) + $signed(wgt) * $signed({1'b0, act_i});  // PsumWidth bits throughout
        if (swap_i) active_q <= shadow_q;
      end
      if (wgt_valid_i) begin
        wgt_group_q <= wgt_group_i;
        wgt_q       <= wgt_i;
        if (wgt_group_i == Group[GroupWidth-1:0]) shadow_q <= wgt_i[Lane*WgtWidth +: WgtWidth];
      end
    end
  end

  assign valid_o     = valid_q;
  assign swap_o      = swap_q;
  assign act_o       = act_q;
  assign wgt_valid_o = wgt_valid_q;
  assign wgt_group_o = wgt_group_q;
  assign wgt_o       = wgt_q;
  assign psum_o      = psum_q;

`ifndef SYNTHESIS
  initial begin
    if (ActWidth < 1)   $fatal(1, "%m: ActWidth %0d; expected 1 or more", ActWidth);
    if (WgtWidth < 2)   $fatal(1, "%m: WgtWidth %0d; expected 2 or more, weights are signed", WgtWidth);
    if (WgtPower == 0 && PsumWidth < ProdWidth)
      $fatal(1, "%m: PsumWidth %0d; expected ActWidth + WgtWidth = %0d or more", PsumWidth, ProdWidth);
    if (Lane < 0 || Lane >= WgtLanes) $fatal(1, "%m: Lane %0d; expected 0..%0d", Lane, WgtLanes - 1);
    if (Group < 0 || (Group >> GroupWidth) != 0)
      $fatal(1, "%m: Group %0d does not fit GroupWidth %0d", Group, GroupWidth);
  end
`endif

`ifdef SIM_CHECKS
  localparam integer LastIndex = WgtPower + WgtZero - 1;

  wire signed [PsumWidth-1:0] value;  // of the weight, multiplied here to judge what is shifted there
  wire [WgtWidth-1:0]         mine   = wgt_i[Lane*WgtWidth +: WgtWidth];
  wire                        absent;  // `mine` is no weight: a negative zero, an index past the last
  wire signed [PsumWidth:0]   psum_full = $signed(psum_i) + value * $signed({1'b0, act_i});
  wire                        capture   = wgt_valid_i && wgt_group_i == Group[GroupWidth-1:0];
  reg fresh_q;   // shadow_q was loaded since the last swap
  reg loaded_q;  // active_q holds a weight

  generate
    if (WgtPower != 0) begin : gen_power_check
      wire        [31:0]          index = {{(33-WgtWidth){1'b0}}, wgt[WgtWidth-2:0]};
      wire        [31:0]          theirs = {{(33-WgtWidth){1'b0}}, mine[WgtWidth-2:0]};
      wire signed [PsumWidth-1:0] size = (WgtZero != 0 && index == 0) ? 0 : 1 << (index - WgtZero) * WgtStep;
      assign value  = wgt[WgtWidth-1] ? -size : size;
      assign absent = theirs > LastIndex || (WgtZero != 0 && theirs == 0 && mine[WgtWidth-1]);
    end else begin : gen_integer_check
      assign value  = {{(PsumWidth-WgtWidth){wgt[WgtWidth-1]}}, wgt};
      assign absent = 1'b0;
    end
  endgenerate

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      fresh_q  <= 1'b0;
      loaded_q <= 1'b0;
    end else begin
      fresh_q  <= capture || (fresh_q && !swap_i);
      loaded_q <= loaded_q || swap_i;
      if ((^{valid_i, swap_i, wgt_valid_i}) === 1'bx) $fatal(1, "%m: X on valid, swap or wgt_valid");
      if (swap_i && !valid_i)             $fatal(1, "%m: swap without a valid pixel");
      if (swap_i && !fresh_q)             $fatal(1, "%m: swap, but no new weight was loaded");
      if (valid_i && !swap_i && !loaded_q) $fatal(1, "%m: pixel before any weight");
      if (valid_i && (^{act_i, psum_i, wgt}) === 1'bx) $fatal(1, "%m: X in act, psum or weight of a valid pixel");
      if (wgt_valid_i && (^{wgt_group_i, wgt_i}) === 1'bx) $fatal(1, "%m: X in a valid weight flit");
      if (capture && absent) $fatal(1, "%m: pattern %b is no weight of this format", mine);
      if (valid_i && psum_full[PsumWidth] != psum_full[PsumWidth-1])
        $fatal(1, "%m: psum overflow, %0d + %0d * %0d does not fit %0d bits",
               $signed(psum_i), value, act_i, PsumWidth);
    end
  end
`endif

endmodule

`default_nettype wire
