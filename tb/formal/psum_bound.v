// psum_bound.v - a psum whose bound fits the register never wraps: one term of the induction over all terms of a sum.
// Let the sum so far lie in low_i..high_i, as the weights before allow. With this weight the bound becomes low_i + a_max * min(w, 0) ..
// high_i + a_max * max(w, 0). Where that fits PsumWidth bits, the new sum is exact, an integer's sum, and lies within it.
`default_nettype none

module psum_bound #(
  parameter integer ActWidth  = 4,
  parameter integer WgtWidth  = 4,
  parameter integer PsumWidth = 20
) (
  input wire                         clk_i,
  input wire                         rst_ni,
  input wire                         valid_i,
  input wire                         swap_i,
  input wire [ActWidth-1:0]          act_i,
  input wire                         wgt_valid_i,
  input wire [1:0]                   wgt_group_i,
  input wire [WgtWidth-1:0]          wgt_i,
  input wire signed [PsumWidth-1:0]  psum_i,
  input wire signed [PsumWidth-1:0]  low_i,
  input wire signed [PsumWidth-1:0]  high_i
);

  localparam integer WideWidth = PsumWidth + ActWidth + WgtWidth;
  localparam signed [WideWidth-1:0] ActMax = (1 << ActWidth) - 1;
  localparam signed [WideWidth-1:0] Most = (1 << (PsumWidth - 1)) - 1, Least = -(1 << (PsumWidth - 1));

  wire                        valid;
  wire signed [PsumWidth-1:0] psum;

  mac_tile #(
    .ActWidth   (ActWidth),
    .WgtWidth   (WgtWidth),
    .PsumWidth  (PsumWidth),
    .WgtLanes   (1),
    .GroupWidth (2)
  ) u_dut (
    .clk_i        (clk_i),
    .rst_ni       (rst_ni),
    .simd_i       (1'b0),
    .os_i         (1'b0),
    .valid_i      (valid_i),
    .swap_i       (swap_i),
    .act_i        (act_i),
    .shift_i      (1'b0),
    .wgt_valid_i  (wgt_valid_i),
    .wgt_group_i  (wgt_group_i),
    .wgt_i        (wgt_i),
    .valid_o      (),
    .swap_o       (),
    .act_o        (),
    .shift_o      (),
    .wgt_valid_o  (),
    .wgt_group_o  (),
    .wgt_o        (),
    .psum_i       (psum_i),
    .psum_o       (psum),
    .psum_valid_o (valid),
    .wgt_n_i      ({WgtWidth{1'b0}}),
    .wgt_s_o      ()
  );

  (* inside = "u_dut.shadow_q" *) wire signed [WgtWidth-1:0] shadow;
  (* inside = "u_dut.active_q" *) wire signed [WgtWidth-1:0] active;

  wire signed [WgtWidth-1:0]  wgt   = swap_i ? shadow : active;
  wire signed [WideWidth-1:0] term  = wgt * $signed({1'b0, act_i});
  wire signed [WideWidth-1:0] reach = wgt * ActMax;
  wire signed [WideWidth-1:0] low   = low_i + ((wgt < 0) ? reach : 0);
  wire signed [WideWidth-1:0] high  = high_i + ((wgt > 0) ? reach : 0);
  wire                        known = low_i <= 0 && high_i >= 0 && low_i <= psum_i && psum_i <= high_i;

  reg                        bound_q;  // the psum at the output had a bound that fits
  reg signed [WideWidth-1:0] low_q, high_q, sum_q;

  always @(posedge clk_i) begin
    bound_q <= rst_ni && valid_i && known && Least <= low && high <= Most;
    low_q   <= low;
    high_q  <= high;
    sum_q   <= psum_i + term;
  end

  initial assume (!rst_ni);

  always @(*) begin
    if (rst_ni && bound_q) begin
      assert (valid);
      assert (psum == sum_q);
      assert (low_q <= psum && psum <= high_q);
    end
    cover (rst_ni && bound_q && psum == Most);
    cover (rst_ni && bound_q && psum == Least);
  end

endmodule

`default_nettype wire
