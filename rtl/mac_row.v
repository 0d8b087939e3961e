// mac_row.v - one row of Cols processing elements: pixels and weight flits travel east, psums cross from north to south.
// psum_o[c] <= psum_i[c] + wgt[c] * act, one column a cycle later than the column to its west.
// Latency: column c takes a pixel c cycles after the west port; 1 cycle from there to psum_o.
// Output stationary (os_i): weights cross from north to south as well, and what leaves to the south are finished sums.
// Golden: model.golden.cycle.step_row, model.golden.os_cycle.step_row.
`default_nettype none

module mac_row #(
  parameter integer Cols       = 8,   // processing elements
  parameter integer ActWidth   = 4,   // bits of an activation, unsigned
  parameter integer WgtWidth   = 4,   // bits of a weight
  parameter integer WgtPower   = 0,   // the weight format, see mac_tile
  parameter integer WgtZero    = 0,
  parameter integer WgtStep    = 1,
  parameter integer PsumWidth  = 16,  // bits of a partial sum, two's complement
  parameter integer WgtLanes   = 2,   // columns of weights in one flit
  parameter integer GroupWidth = 2,   // bits of a flit's number, as in mac_tile
  parameter integer Simd       = 0,    // 1: can multiply pairs
  parameter integer OutputStationary = 0  // 1: both dataflows, switched by os_i
) (
  input  wire                         clk_i,
  input  wire                         rst_ni,
  input  wire                         simd_i,  // pairs; still while pixels are on their way
  input  wire                         os_i,
  // from west: pixels
  input  wire                         valid_i,
  input  wire                         swap_i,
  input  wire [ActWidth-1:0]          act_i,
  input  wire                         shift_i,
  // from west: weight flits
  input  wire                         wgt_valid_i,
  input  wire [GroupWidth-1:0]        wgt_group_i,
  input  wire [WgtLanes*WgtWidth-1:0] wgt_i,
  // from north, column c at [c*PsumWidth +: PsumWidth]
  input  wire [Cols*PsumWidth-1:0]    psum_i,
  input  wire [Cols*WgtWidth-1:0]     wgt_n_i,
  // to south
  output wire [Cols-1:0]              psum_valid_o,
  output reg  [Cols*PsumWidth-1:0]    psum_o,
  output reg  [Cols*WgtWidth-1:0]     wgt_s_o
);

  localparam integer FlitWidth = WgtLanes * WgtWidth;

  // Wire c enters column c; wire Cols leaves the row and ends there.
  wire                  valid     [0:Cols];
  wire                  swap      [0:Cols];
  wire [ActWidth-1:0]   act       [0:Cols];
  wire                  shift     [0:Cols];
  wire                  wgt_valid [0:Cols];
  wire [GroupWidth-1:0] wgt_group [0:Cols];
  wire [FlitWidth-1:0]  wgt       [0:Cols];

  assign valid[0]     = valid_i;
  assign swap[0]      = swap_i;
  assign act[0]       = act_i;
  assign shift[0]     = shift_i;
  assign wgt_valid[0] = wgt_valid_i;
  assign wgt_group[0] = wgt_group_i;
  assign wgt[0]       = wgt_i;

  genvar c;
  generate
    for (c = 0; c < Cols; c = c + 1) begin : gen_col
      wire [PsumWidth-1:0] psum;
      wire [WgtWidth-1:0]  wgt_s;

      mac_tile #(
        .Simd       (Simd),
        .ActWidth   (ActWidth),
        .WgtWidth   (WgtWidth),
        .WgtPower   (WgtPower),
        .WgtZero    (WgtZero),
        .WgtStep    (WgtStep),
        .PsumWidth  (PsumWidth),
        .WgtLanes   (WgtLanes),
        .GroupWidth (GroupWidth),
        .Group      (c / WgtLanes),
        .Lane       (c % WgtLanes),
        .OutputStationary (OutputStationary)
      ) u_tile (
        .simd_i      (simd_i),
        .clk_i       (clk_i),
        .rst_ni      (rst_ni),
        .os_i        (os_i),
        .valid_i     (valid[c]),
        .swap_i      (swap[c]),
        .act_i       (act[c]),
        .shift_i     (shift[c]),
        .wgt_valid_i (wgt_valid[c]),
        .wgt_group_i (wgt_group[c]),
        .wgt_i       (wgt[c]),
        .valid_o     (valid[c+1]),
        .swap_o      (swap[c+1]),
        .act_o       (act[c+1]),
        .shift_o     (shift[c+1]),
        .wgt_valid_o (wgt_valid[c+1]),
        .wgt_group_o (wgt_group[c+1]),
        .wgt_o       (wgt[c+1]),
        .psum_i      (psum_i[c*PsumWidth +: PsumWidth]),
        .psum_o      (psum),
        .psum_valid_o (psum_valid_o[c]),
        .wgt_n_i     (wgt_n_i[c*WgtWidth +: WgtWidth]),
        .wgt_s_o     (wgt_s)
      );

      always @(*) wgt_s_o[c*WgtWidth +: WgtWidth] = wgt_s;
      always @(*) psum_o[c*PsumWidth +: PsumWidth] = psum;
    end
  endgenerate

  wire unused = &{1'b0, valid[Cols], swap[Cols], act[Cols], shift[Cols], wgt_valid[Cols], wgt_group[Cols], wgt[Cols]};

`ifndef SYNTHESIS
  initial begin
    if (Cols < 1)     $fatal(1, "%m: Cols %0d; expected 1 or more", Cols);
    if (WgtLanes < 1) $fatal(1, "%m: WgtLanes %0d; expected 1 or more", WgtLanes);
  end
`endif

endmodule

`default_nettype wire
