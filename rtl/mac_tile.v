// mac_tile.v - one processing element. Weight stationary: when valid, psum_o <= psum_i + wgt * act_i.
// wgt is the active weight; on the first pixel of a tile (swap_i) it is the shadow weight, which then becomes the active one.
// With Simd, in a layer of pairs (simd_i): psum_o <= psum_i + wgt * low half of act_i + wgt_hi * its high half, two channels at once.
// Output stationary (os_i): sum <= (swap_i ? 0 : sum) + wgt_n_i * act_i; behind the last term (wgt_valid_i) it is handed to psum_o.
// Latency 1 cycle in both directions (west to east, north to south); of a sum 2 cycles from its last term to psum_o.
// Golden: model.golden.cycle.step_pe, model.golden.os_cycle.step_pe.
`default_nettype none

module mac_tile #(
  parameter integer ActWidth   = 4,   // bits of an activation, unsigned
  parameter integer WgtWidth   = 4,   // bits of a weight
  parameter integer WgtPower   = 0,   // 0: a weight is two's complement; n: a signed power of two of n exponents (shift_add)
  parameter integer WgtZero    = 0,   // of a power of two: index 0 is the weight 0
  parameter integer WgtStep    = 1,   // of a power of two: from one exponent to the next
  parameter integer PsumWidth  = 16,  // bits of a partial sum, two's complement; must hold the whole reduction
  parameter integer WgtLanes   = 2,   // columns of weights in one flit
  parameter integer GroupWidth = 2,   // bits of a flit's number: its column group; with Simd, above it, for which half its weights are
  parameter integer Group      = 0,   // this column's group: column / WgtLanes
  parameter integer Lane       = 0,   // this column's place in the flit: column % WgtLanes
  parameter integer Simd       = 0,    // 1: it can multiply pairs; ActWidth is even then
  parameter integer OutputStationary = 0  // 1: both dataflows, switched by os_i; 0: weight stationary, os_i is not looked at
) (
  input  wire                         clk_i,
  input  wire                         rst_ni,
  input  wire                         simd_i,       // pairs; still from a tile's first pixel to its last
  // mode: output stationary; changes only while nothing is on the way
  input  wire                         os_i,
  // from west: pixels
  input  wire                         valid_i,
  input  wire                         swap_i,       // with valid_i: the first pixel of a tile; output stationary: the first term
  input  wire [ActWidth-1:0]          act_i,
  // from west, output stationary: finished sums move south by a row
  input  wire                         shift_i,
  // from west: weight flits, on their own path; output stationary: the flag alone, which marks the last term
  input  wire                         wgt_valid_i,
  input  wire [GroupWidth-1:0]        wgt_group_i,
  input  wire [WgtLanes*WgtWidth-1:0] wgt_i,        // lane l at [l*WgtWidth +: WgtWidth]
  // to east
  output wire                         valid_o,
  output wire                         swap_o,
  output wire [ActWidth-1:0]          act_o,
  output wire                         shift_o,
  output wire                         wgt_valid_o,
  output wire [GroupWidth-1:0]        wgt_group_o,
  output wire [WgtLanes*WgtWidth-1:0] wgt_o,
  // from north, to south: psums; output stationary: finished sums, and weights on their own wires
  input  wire [PsumWidth-1:0]         psum_i,
  output wire [PsumWidth-1:0]         psum_o,
  output wire                         psum_valid_o,
  input  wire [WgtWidth-1:0]          wgt_n_i,
  output wire [WgtWidth-1:0]          wgt_s_o
);

  localparam integer ProdWidth = ActWidth + WgtWidth;  // |act * wgt| <= (2^A - 1) * 2^(W-1) < 2^(A+W-1)
  localparam integer HalfWidth = (Simd != 0) ? ActWidth / 2 : ActWidth;
  localparam integer ColBits   = GroupWidth - ((Simd != 0) ? 1 : 0);  // of wgt_group_i, those of the column group
  localparam integer High      = Group + (1 << ColBits);  // this column's flit for the high halves

  reg                         valid_q, swap_q;
  reg  [ActWidth-1:0]         act_q;
  reg                         wgt_valid_q;
  reg  [GroupWidth-1:0]       wgt_group_q;
  reg  [WgtLanes*WgtWidth-1:0] wgt_q;
  reg  [WgtWidth-1:0]         shadow_q;  // the next tile's weight
  reg  [WgtWidth-1:0]         active_q;  // this tile's weight
  reg  [WgtWidth-1:0]         shadow_hi_q, active_hi_q;  // those of the high halves; without Simd nobody writes or reads them
  reg  [PsumWidth-1:0]        psum_q;

  wire                 os;    // output stationary now
  wire [WgtWidth-1:0]  wgt;   // what the activation is multiplied by
  wire [PsumWidth-1:0] base;  // what the product is added to

  // The first pixel of a tile already multiplies by the new weight: no bubble between tiles.
  wire [WgtWidth-1:0] kept = swap_i ? shadow_q : active_q;

  // Output stationary: psum_q adds up one pixel's terms, active_q takes the weights south. A finished sum waits in drain_q
  // until the rows below have theirs, then moves south row by row while psum_q is already at the next pixel.
  generate
    if (OutputStationary != 0) begin : gen_os
      reg                 shift_q;
      reg                 done_q;   // drain_q was filled by this very element
      reg [PsumWidth-1:0] drain_q;

      always @(posedge clk_i) begin
        if (!rst_ni) begin
          shift_q <= 1'b0;
          done_q  <= 1'b0;
          drain_q <= {PsumWidth{1'b0}};
        end else begin
          shift_q <= shift_i;
          done_q  <= os_i && wgt_valid_q;
          if (os_i && wgt_valid_q) drain_q <= psum_q;
          else if (shift_i)        drain_q <= psum_i;
        end
      end

      assign os           = os_i;
      assign wgt          = os_i ? wgt_n_i : kept;
      assign base         = !os_i ? psum_i : swap_i ? {PsumWidth{1'b0}} : psum_q;
      assign shift_o      = shift_q;
      assign psum_o       = os_i ? drain_q : psum_q;
      assign psum_valid_o = os_i ? done_q || shift_q : valid_q;

`ifdef SIM_CHECKS
      always @(posedge clk_i) begin
        if (rst_ni) begin
          if ((^{os_i, shift_i}) === 1'bx)    $fatal(1, "%m: X on os or shift");
          if (shift_i && !os_i)               $fatal(1, "%m: shift, but weights are stationary");
          if (shift_i && wgt_valid_q)         $fatal(1, "%m: a sum is finished before the one before has moved on");
          if (os_i && wgt_valid_i && !valid_i) $fatal(1, "%m: last without a valid term");
        end
      end
`endif
    end else begin : gen_ws
      wire unused = &{1'b0, os_i, shift_i, wgt_n_i};
      assign os           = 1'b0;
      assign wgt          = kept;
      assign base         = psum_i;
      assign shift_o      = 1'b0;
      assign psum_o       = psum_q;
      assign psum_valid_o = valid_q;
    end
  endgenerate

  wire [PsumWidth-1:0] power_sum;  // base + wgt * act_i of powers of two

  generate
    if (WgtPower != 0 && Simd == 0) begin : gen_power
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
        .psum_i (base),
        .sum_o  (power_sum)
      );
    end else begin : gen_integer
      assign power_sum = {PsumWidth{1'b0}};
    end
  endgenerate

  // A pair is the two halves of the one product, with weights of their own: w * act = w * low + w * (high << HalfWidth).
  wire [WgtWidth-1:0]  wgt_hi;
  wire [PsumWidth-1:0] pair_sum;  // psum_i and both terms

  generate
    if (Simd == 0) begin : gen_single
      wire unused = &{1'b0, simd_i, wgt_hi, pair_sum, shadow_hi_q, active_hi_q};
      assign wgt_hi   = {WgtWidth{1'b0}};
      assign pair_sum = {PsumWidth{1'b0}};
    end else begin : gen_pair
      wire [HalfWidth-1:0] low  = act_i[HalfWidth-1:0];
      wire [HalfWidth-1:0] high = act_i[ActWidth-1:ActWidth-HalfWidth];
      assign wgt_hi = !simd_i ? wgt : swap_i ? shadow_hi_q : active_hi_q;

      if (WgtPower == 0) begin : gen_products
        wire signed [PsumWidth-1:0] low_term  = $signed(wgt) * $signed({1'b0, low});
        wire signed [PsumWidth-1:0] high_term = $signed(wgt_hi) * $signed({1'b0, high});
        assign pair_sum = psum_i + low_term + (simd_i ? high_term : high_term <<< HalfWidth);
      end else begin : gen_shifts
        wire [PsumWidth-1:0] low_sum;
        shift_add #(
          .ActWidth  (HalfWidth),
          .WgtWidth  (WgtWidth),
          .WgtPower  (WgtPower),
          .WgtZero   (WgtZero),
          .WgtStep   (WgtStep),
          .PsumWidth (PsumWidth)
        ) u_low (
          .act_i  (low),
          .wgt_i  (wgt),
          .psum_i (psum_i),
          .sum_o  (low_sum)
        );
        shift_add #(
          .ActWidth  (ActWidth),
          .WgtWidth  (WgtWidth),
          .WgtPower  (WgtPower),
          .WgtZero   (WgtZero),
          .WgtStep   (WgtStep),
          .PsumWidth (PsumWidth)
        ) u_high (
          .act_i  (simd_i ? {{HalfWidth{1'b0}}, high} : {high, {HalfWidth{1'b0}}}),
          .wgt_i  (wgt_hi),
          .psum_i (low_sum),
          .sum_o  (pair_sum)
        );
      end
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
      shadow_hi_q <= {WgtWidth{1'b0}};
      active_hi_q <= {WgtWidth{1'b0}};
    end else begin
      valid_q     <= valid_i;
      swap_q      <= swap_i;
      wgt_valid_q <= wgt_valid_i;
      if (valid_i) begin
        act_q  <= act_i;
        if (WgtPower != 0) psum_q <= power_sum;
        else psum_q <= $signed(base) + $signed(wgt) * $signed({1'b0, act_i});  // PsumWidth bits throughout
        if (swap_i || os) active_q <= wgt;
      end
      if (wgt_valid_i && !os) begin
        wgt_group_q <= wgt_group_i;
        wgt_q       <= wgt_i;
        if (wgt_group_i == Group[GroupWidth-1:0]) shadow_q <= wgt_i[Lane*WgtWidth +: WgtWidth];
      end
      if (Simd != 0) begin
        if (valid_i)           psum_q      <= pair_sum;  // instead of the sum above: the same one, or that of a pair
        if (valid_i && swap_i) active_hi_q <= shadow_hi_q;
        if (wgt_valid_i && wgt_group_i == High[GroupWidth-1:0]) shadow_hi_q <= wgt_i[Lane*WgtWidth +: WgtWidth];
      end
    end
  end

  assign valid_o     = valid_q;
  assign swap_o      = swap_q;
  assign act_o       = act_q;
  assign wgt_valid_o = wgt_valid_q;
  assign wgt_group_o = wgt_group_q;
  assign wgt_o       = wgt_q;
  assign wgt_s_o     = active_q;

`ifndef SYNTHESIS
  initial begin
    if (ActWidth < 1)   $fatal(1, "%m: ActWidth %0d; expected 1 or more", ActWidth);
    if (WgtWidth < 2)   $fatal(1, "%m: WgtWidth %0d; expected 2 or more, weights are signed", WgtWidth);
    if (WgtPower == 0 && PsumWidth < ProdWidth)
      $fatal(1, "%m: PsumWidth %0d; expected ActWidth + WgtWidth = %0d or more", PsumWidth, ProdWidth);
    if (Lane < 0 || Lane >= WgtLanes) $fatal(1, "%m: Lane %0d; expected 0..%0d", Lane, WgtLanes - 1);
    if (Group < 0 || (Group >> ColBits) != 0)
      $fatal(1, "%m: Group %0d does not fit GroupWidth %0d%0s", Group, GroupWidth, (Simd != 0) ? ", one bit of it for the half" : "");
    if (Simd != 0 && OutputStationary != 0) $fatal(1, "%m: Simd and OutputStationary; expected one of them");
    if (Simd < 0 || Simd > 1) $fatal(1, "%m: Simd %0d; expected 0 or 1", Simd);
    if (Simd != 0 && ActWidth % 2 != 0) $fatal(1, "%m: Simd with ActWidth %0d; expected an even number of bits", ActWidth);
  end
`endif

`ifdef SIM_CHECKS
  localparam integer LastIndex = WgtPower + WgtZero - 1;

  wire                simd = Simd != 0 && simd_i;
  wire [WgtWidth-1:0] mine = wgt_i[Lane*WgtWidth +: WgtWidth];
  reg fresh_q, fresh_hi_q;  // shadow_q, shadow_hi_q was loaded since the last swap
  reg loaded_q;             // active_q holds a weight
  reg simd_q;               // the mode of the tile under way

  function signed [PsumWidth-1:0] value_of(input [WgtWidth-1:0] pattern);  // multiplied here to judge what is shifted there
    reg        [31:0]          index;
    reg signed [PsumWidth-1:0] size;
    begin
      if (WgtPower == 0) begin
        value_of = {{(PsumWidth-WgtWidth){pattern[WgtWidth-1]}}, pattern};
      end else begin
        index    = {{(33-WgtWidth){1'b0}}, pattern[WgtWidth-2:0]};
        size     = (WgtZero != 0 && index == 0) ? 0 : 1 << (index - WgtZero) * WgtStep;
        value_of = pattern[WgtWidth-1] ? -size : size;
      end
    end
  endfunction

  function absent(input [WgtWidth-1:0] pattern);  // no weight: a negative zero, an index past the last
    reg [31:0] index;
    begin
      index  = {{(33-WgtWidth){1'b0}}, pattern[WgtWidth-2:0]};
      absent = WgtPower != 0 && (index > LastIndex || (WgtZero != 0 && index == 0 && pattern[WgtWidth-1]));
    end
  endfunction

  // |what a pixel adds| < 2^Reach. Where that is at most a quarter of the range of psums, only a base outside the range's
  // middle half, whose top two bits differ, can overflow.
  localparam integer Reach = (WgtPower == 0) ? ProdWidth - 1 : ActWidth + (WgtPower - 1) * WgtStep;
  localparam integer Near  = (Reach > PsumWidth - 2) ? 1 : 0;  // any base can

  function signed [PsumWidth:0] with_products(input signed [PsumWidth-1:0] start);  // exactly, in one bit more
    reg signed [PsumWidth:0] low, high;
    begin
      if (Simd != 0) begin
        low           = value_of(wgt) * $signed({1'b0, act_i[HalfWidth-1:0]});
        high          = value_of(wgt_hi) * $signed({1'b0, act_i[ActWidth-1:ActWidth-HalfWidth]});
        with_products = start + low + (simd_i ? high : high <<< HalfWidth);
      end else begin
        with_products = start + value_of(wgt) * $signed({1'b0, act_i});
      end
    end
  endfunction

  function overflows(input [PsumWidth:0] sum);
    overflows = sum[PsumWidth] != sum[PsumWidth-1];
  endfunction

  // Few reads on the common ways, no wire with a sum on it and no block with a name: of the time that Icarus takes for an
  // array, most goes into the reading of variables (also behind a constant 0 and &&), a wire is worked out again whenever
  // an operand moves, and a block with a name is called like a task.
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      fresh_q    <= 1'b0;
      fresh_hi_q <= 1'b0;
      loaded_q   <= 1'b0;
      simd_q     <= 1'b0;
    end else begin
      case ({valid_i, swap_i, wgt_valid_i})
        3'b000, 3'b001: ;
        3'b100, 3'b101: begin
          if (!loaded_q) begin
            if (!os) $fatal(1, "%m: pixel before any weight");
          end
          if (Simd != 0) begin
            if (simd !== simd_q) $fatal(1, "%m: the mode changes within a tile");
          end
        end
        3'b110, 3'b111: begin
          if (!os) begin
            fresh_q  <= 1'b0;  // unless the next one arrives, below
            loaded_q <= 1'b1;
            if (!fresh_q) $fatal(1, "%m: swap, but no new weight was loaded");
          end
          if (Simd != 0) begin
            fresh_hi_q <= 1'b0;
            simd_q     <= simd;
            if (simd && !fresh_hi_q) $fatal(1, "%m: swap, but no new weight of the high half was loaded");
          end
        end
        3'b010, 3'b011: $fatal(1, "%m: swap without a valid pixel");
        default: $fatal(1, "%m: X on valid, swap or wgt_valid");
      endcase
      if (wgt_valid_i) begin
        if (!os) begin
          if ((^{wgt_group_i, wgt_i}) === 1'bx) $fatal(1, "%m: X in a valid weight flit");
          if (wgt_group_i == Group[GroupWidth-1:0]) begin
            fresh_q <= 1'b1;
            if (absent(mine)) $fatal(1, "%m: pattern %b is no weight of this format", mine);
          end
          if (Simd != 0) begin
            if (wgt_group_i == High[GroupWidth-1:0]) begin
              fresh_hi_q <= 1'b1;
              if (absent(mine)) $fatal(1, "%m: pattern %b is no weight of this format", mine);
            end
          end
        end
      end
      if (Near != 0 || base[PsumWidth-1] !== base[PsumWidth-2]) begin
        if (valid_i) begin
          if (overflows(with_products(base)))
            $fatal(1, "%m: psum overflow, %0d + %0d * %0d%0s does not fit %0d bits: %0d", $signed(base),
                   value_of(wgt), act_i, simd ? " (a pair)" : "", PsumWidth, with_products(base));
        end
      end
      // A sum with an X in an operand is X in every bit, and it is here one cycle after the pixel.
      if (psum_q[0] === 1'bx) $fatal(1, "%m: X in act, psum or weight of a valid pixel");
      if (WgtPower != 0 || Simd != 0) begin  // but shifts may hide an X
        if (valid_i) begin
          if ((^{act_i, base, wgt, wgt_hi, simd}) === 1'bx) $fatal(1, "%m: X in act, psum or weight of a valid pixel");
        end
      end
    end
    if (OutputStationary != 0) begin
      if (os) loaded_q <= 1'b0;  // what it leaves in active_q is no tile's weight
    end
  end
`endif

endmodule

`default_nettype wire
