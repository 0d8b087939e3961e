// pe_equation.v - a processing element computes its equation, for all operands, at any time, in every format.
// Weight stationary: psum_o = psum_i + value * act_i (pairs: + value * low half + value_hi * high half). Output stationary: the sum of
// value * act_i since the last swap, handed over two cycles behind its last term. `value` is decoded here from what the weight means.
`default_nettype none

module pe_equation #(
  parameter integer ActWidth  = 4,
  parameter integer WgtWidth  = 4,
  parameter integer WgtPower  = 0,
  parameter integer WgtZero   = 0,
  parameter integer WgtStep   = 1,
  parameter integer PsumWidth = 20,
  parameter integer Simd      = 0,
  parameter integer OutputStationary = 0
) (
  input wire                   clk_i,
  input wire                   rst_ni,
  input wire                   simd_i,
  input wire                   valid_i,
  input wire                   swap_i,
  input wire [ActWidth-1:0]    act_i,
  input wire                   shift_i,
  input wire                   wgt_valid_i,
  input wire [2:0]             wgt_group_i,
  input wire [2*WgtWidth-1:0]  wgt_i,
  input wire [PsumWidth-1:0]   psum_i,
  input wire [WgtWidth-1:0]    wgt_n_i
);

  localparam integer HalfWidth = ActWidth / 2;
  localparam integer LastIndex = WgtPower + WgtZero - 1;
  localparam [2:0]   Mine = 3'd1, MineHigh = (Simd != 0) ? 3'd5 : 3'd1;  // column group 1, the upper bit for high halves

  (* anyconst *) wire mode;  // changes only while nothing is on the way; here, never
  wire os   = OutputStationary != 0 && mode;
  wire simd = Simd != 0 && simd_i;

  wire                  valid, swap, shift, wgt_valid, psum_valid;
  wire [ActWidth-1:0]   act;
  wire [2:0]            wgt_group;
  wire [2*WgtWidth-1:0] wgt;
  wire [PsumWidth-1:0]  psum;
  wire [WgtWidth-1:0]   wgt_s;

  mac_tile #(
    .ActWidth   (ActWidth),
    .WgtWidth   (WgtWidth),
    .WgtPower   (WgtPower),
    .WgtZero    (WgtZero),
    .WgtStep    (WgtStep),
    .PsumWidth  (PsumWidth),
    .WgtLanes   (2),
    .GroupWidth (3),
    .Group      (1),
    .Lane       (1),
    .Simd       (Simd),
    .OutputStationary (OutputStationary)
  ) u_dut (
    .clk_i        (clk_i),
    .rst_ni       (rst_ni),
    .simd_i       (simd_i),
    .os_i         (mode),
    .valid_i      (valid_i),
    .swap_i       (swap_i),
    .act_i        (act_i),
    .shift_i      (shift_i),
    .wgt_valid_i  (wgt_valid_i),
    .wgt_group_i  (wgt_group_i),
    .wgt_i        (wgt_i),
    .valid_o      (valid),
    .swap_o       (swap),
    .act_o        (act),
    .shift_o      (shift),
    .wgt_valid_o  (wgt_valid),
    .wgt_group_o  (wgt_group),
    .wgt_o        (wgt),
    .psum_i       (psum_i),
    .psum_o       (psum),
    .psum_valid_o (psum_valid),
    .wgt_n_i      (wgt_n_i),
    .wgt_s_o      (wgt_s)
  );

  // What a weight is worth; a pattern with an index past the last is no weight.
  function weighs(input [WgtWidth-1:0] pattern);
    weighs = WgtPower == 0 || pattern[WgtWidth-2:0] <= LastIndex;
  endfunction

  function signed [31:0] value(input [WgtWidth-1:0] pattern);
    reg [31:0] size;
    reg [31:0] index;
    begin
      index = pattern[WgtWidth-2:0];
      size  = (WgtZero != 0 && index == 0) ? 32'd0 : 32'd1 << ((index - WgtZero) * WgtStep);
      if (WgtPower == 0) value = $signed(pattern);
      else value = pattern[WgtWidth-1] ? -size : size;
    end
  endfunction

  // ---------------------------------------------------------------- the equation
  reg               valid_q, swap_q, wgt_valid_q, shift_q, done_q;
  reg [WgtWidth-1:0] shadow_q, shadow_hi_q, active_q, active_hi_q;
  reg [31:0]         sum_q;
  reg [PsumWidth-1:0] drain_q;
  reg [ActWidth-1:0]  act_q;
  reg [2:0]           group_q;
  reg [2*WgtWidth-1:0] flit_q;
  wire [WgtWidth-1:0] weight    = os ? wgt_n_i : swap_i ? shadow_q : active_q;
  wire [WgtWidth-1:0] weight_hi = swap_i ? shadow_hi_q : active_hi_q;
  wire signed [31:0]  base      = !os ? psum_i : swap_i ? 32'd0 : sum_q;
  wire signed [31:0]  whole     = act_i;
  wire signed [31:0]  low       = act_i[HalfWidth-1:0];
  wire signed [31:0]  high      = act_i >> HalfWidth;
  wire signed [31:0]  single    = value(weight) * whole;
  wire signed [31:0]  pair      = value(weight) * low + value(weight_hi) * high;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      {valid_q, swap_q, wgt_valid_q, shift_q, done_q} <= 5'd0;
      {shadow_q, shadow_hi_q, active_q, active_hi_q}  <= {(4*WgtWidth){1'b0}};
      {sum_q, drain_q, act_q, group_q, flit_q}        <= {(32+PsumWidth+ActWidth+3+2*WgtWidth){1'b0}};
    end else begin
      {valid_q, swap_q, wgt_valid_q} <= {valid_i, swap_i, wgt_valid_i};
      shift_q <= shift_i;
      done_q  <= os && wgt_valid_q;
      if (os && wgt_valid_q) drain_q <= sum_q;
      else if (shift_i)      drain_q <= psum_i;
      if (valid_i) begin
        sum_q <= base + (simd ? pair : single);
        act_q <= act_i;
        if (os || swap_i) active_q <= weight;
        if (swap_i)       active_hi_q <= shadow_hi_q;
      end
      if (wgt_valid_i && !os) begin
        group_q <= wgt_group_i;
        flit_q  <= wgt_i;
        if (wgt_group_i == Mine) shadow_q <= wgt_i[WgtWidth +: WgtWidth];
        if (Simd != 0 && wgt_group_i == MineHigh) shadow_hi_q <= wgt_i[WgtWidth +: WgtWidth];
      end
    end
  end

  // ---------------------------------------------------------------- what the neighbours owe
  initial assume (!rst_ni);
  always @(*) begin
    assume (weighs(wgt_i[WgtWidth +: WgtWidth]));
    assume (weighs(wgt_n_i));
    if (swap_i) assume (valid_i);
  end

  // ---------------------------------------------------------------- what is proved
  (* inside = "u_dut.shadow_q" *)    wire [WgtWidth-1:0] shadow;
  (* inside = "u_dut.active_q" *)    wire [WgtWidth-1:0] active;
  (* inside = "u_dut.shadow_hi_q" *) wire [WgtWidth-1:0] shadow_hi;
  (* inside = "u_dut.active_hi_q" *) wire [WgtWidth-1:0] active_hi;
  (* inside = "u_dut.psum_q" *)      wire [PsumWidth-1:0] sum;

  always @(*) begin
    if (rst_ni) begin
      assert (sum == sum_q[PsumWidth-1:0]);
      assert (psum == (os ? drain_q : sum_q[PsumWidth-1:0]));
      assert (psum_valid == (os ? done_q || shift_q : valid_q));
      assert ({valid, swap, wgt_valid} == {valid_q, swap_q, wgt_valid_q});
      assert (act == act_q);
      assert (wgt_group == group_q && wgt == flit_q);
      if (OutputStationary != 0) assert (shift == shift_q);
      assert (wgt_s == active_q);
      assert (shadow == shadow_q && active == active_q);
      assert (weighs(shadow_q) && weighs(active_q));
      if (Simd != 0) begin
        assert (shadow_hi == shadow_hi_q && active_hi == active_hi_q);
        assert (weighs(shadow_hi_q) && weighs(active_hi_q));
      end
    end
  end

  always @(*) begin
    cover (rst_ni && valid_q && !os && sum_q[31] && psum_i == 0);
    cover (rst_ni && valid_q && swap_q && !os && active_q[WgtWidth-1]);
    if (OutputStationary != 0) cover (rst_ni && os && done_q && drain_q != 0);
    if (OutputStationary != 0) cover (rst_ni && os && psum_valid && !done_q);
    if (Simd != 0) cover (rst_ni && valid_q && simd && active_hi_q[WgtWidth-1] && !active_q[WgtWidth-1]);
  end

endmodule

`default_nettype wire
