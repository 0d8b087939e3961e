// mac_array.v - the Rows x Cols mesh: psum_o[c] = sum over r of wgt[r][c] * act[r], for one pixel a cycle.
// Inputs enter skewed (row r one cycle after row r-1), psums leave skewed (column c one cycle after column c-1).
// Latency: row 0's input to column c's psum: Rows + c cycles.
// Output stationary (os_i): PE(r,c) adds up act[r] * wgt_n[c] over the terms of a pixel; the sums of a group of Rows pixels leave
// row Rows-1 first, one row a cycle: column c's first Rows + 1 + c cycles after the last term enters row 0.
// Golden: model.golden.cycle.step, model.golden.os_cycle.step.
//
//   cycle    n     n+1   n+2         the pixel that enters row 0 in cycle n is at PE(r,c) in cycle n+r+c:
//   row 0    p0    p1    p2          PE(0,0) n    PE(0,1) n+1  ...
//   row 1    .     p0    p1          PE(1,0) n+1  PE(1,1) n+2  ...
//   row 2    .     .     p0          weight flits and the swap bit travel on the same wave
`default_nettype none

module mac_array #(
  parameter integer Rows       = 8,   // input channels of a tile
  parameter integer Cols       = 8,   // output channels of a tile
  parameter integer ActWidth   = 4,   // bits of an activation, unsigned
  parameter integer WgtWidth   = 4,   // bits of a weight
  parameter integer WgtPower   = 0,   // the weight format, see mac_tile
  parameter integer WgtZero    = 0,
  parameter integer WgtStep    = 1,
  parameter integer PsumWidth  = 16,  // bits of a partial sum, two's complement
  parameter integer WgtLanes   = 2,   // columns of weights in one flit
  parameter integer GroupWidth = 2,   // bits of a flit's number, as in mac_tile
  parameter integer Simd       = 0,    // 1: can multiply pairs: 2*Rows input channels of ActWidth/2 bits
  parameter integer OutputStationary = 0  // 1: both dataflows, switched by os_i
) (
  input  wire                              clk_i,
  input  wire                              rst_ni,
  input  wire                              simd_i,  // pairs; still while pixels are in the array
  // mode: output stationary; changes only while nothing is on the way
  input  wire                              os_i,
  // from west: pixels, row r at index r
  input  wire [Rows-1:0]                   valid_i,
  input  wire [Rows-1:0]                   swap_i,
  input  wire [Rows*ActWidth-1:0]          act_i,
  // from west: weight flits, row r at index r
  input  wire [Rows-1:0]                   wgt_valid_i,
  input  wire [Rows*GroupWidth-1:0]        wgt_group_i,
  input  wire [Rows*WgtLanes*WgtWidth-1:0] wgt_i,
  // from north, output stationary: weights, column c at index c, one cycle after column c-1
  input  wire [Cols*WgtWidth-1:0]          wgt_n_i,
  // to south, column c at index c
  output wire [Cols-1:0]                   psum_valid_o,
  output wire [Cols*PsumWidth-1:0]         psum_o
);

  localparam integer FlitWidth = WgtLanes * WgtWidth;
  localparam integer LineWidth = Cols * PsumWidth;

  // Line r enters row r from the north; line Rows leaves the array. One net a line, not one bus of all: a simulator
  // rebuilds a bus whole whenever a part of it changes.
  wire [LineWidth-1:0] psum       [0:Rows];
  wire [Cols-1:0]      psum_valid [0:Rows-1];
  wire [Cols*WgtWidth-1:0] wgt    [0:Rows];
  wire [Rows-1:0]      shift;

  assign psum[0] = {LineWidth{1'b0}};
  assign wgt[0]  = wgt_n_i;

  generate
    if (OutputStationary != 0) begin : gen_os
      os_drain #(
        .Rows (Rows)
      ) u_drain (
        .clk_i   (clk_i),
        .rst_ni  (rst_ni),
        .last_i  (os_i && wgt_valid_i[Rows-1]),
        .shift_o (shift)
      );
    end else begin : gen_ws
      assign shift = {((Rows > 0) ? Rows : 1){1'b0}};  // Rows 0 is refused below, in words
    end
  endgenerate

  genvar r;
  generate
    for (r = 0; r < Rows; r = r + 1) begin : gen_row
      mac_row #(
        .Cols       (Cols),
        .ActWidth   (ActWidth),
        .WgtWidth   (WgtWidth),
        .WgtPower   (WgtPower),
        .WgtZero    (WgtZero),
        .WgtStep    (WgtStep),
        .PsumWidth  (PsumWidth),
        .WgtLanes   (WgtLanes),
        .GroupWidth (GroupWidth),
        .Simd       (Simd),
        .OutputStationary (OutputStationary)
      ) u_row (
        .clk_i        (clk_i),
        .rst_ni       (rst_ni),
        .simd_i       (simd_i),
        .os_i         (os_i),
        .valid_i      (valid_i[r]),
        .swap_i       (swap_i[r]),
        .act_i        (act_i[r*ActWidth +: ActWidth]),
        .shift_i      (shift[r]),
        .wgt_valid_i  (wgt_valid_i[r]),
        .wgt_group_i  (wgt_group_i[r*GroupWidth +: GroupWidth]),
        .wgt_i        (wgt_i[r*FlitWidth +: FlitWidth]),
        .psum_i       (psum[r]),
        .wgt_n_i      (wgt[r]),
        .wgt_s_o      (wgt[r+1]),
        .psum_valid_o (psum_valid[r]),
        .psum_o       (psum[r+1])
      );

      if (r < Rows - 1) begin : gen_unused
        wire unused = &{1'b0, psum_valid[r]};  // only the last row's flags leave the array
      end
    end
  endgenerate

  assign psum_valid_o = psum_valid[Rows-1];
  assign psum_o       = psum[Rows];

  wire unused_wgt = &{1'b0, wgt[Rows]};

`ifndef SYNTHESIS
  initial if (Rows < 1) $fatal(1, "%m: Rows %0d; expected 1 or more", Rows);
`endif

`ifdef SIM_CHECKS
  // The wave must enter skewed: row r carries what row r-1 carried one cycle before.
  generate
    if (Rows > 1) begin : gen_skew_check
      reg [Rows-2:0] valid_q, swap_q, wgt_valid_q;  // what rows 0 to Rows-2 carried
      integer        above;
      always @(posedge clk_i) begin
        valid_q     <= rst_ni ? valid_i[Rows-2:0] : {(Rows-1){1'b0}};
        swap_q      <= rst_ni ? swap_i[Rows-2:0] : {(Rows-1){1'b0}};
        wgt_valid_q <= rst_ni ? wgt_valid_i[Rows-2:0] : {(Rows-1){1'b0}};
        if (rst_ni && {valid_i[Rows-1:1], swap_i[Rows-1:1], wgt_valid_i[Rows-1:1]} !== {valid_q, swap_q, wgt_valid_q})
          for (above = 0; above < Rows - 1; above = above + 1)
            if ({valid_i[above+1], swap_i[above+1], wgt_valid_i[above+1]} !==
                {valid_q[above], swap_q[above], wgt_valid_q[above]})
              $fatal(1, "%m: row %0d does not follow row %0d by one cycle", above + 1, above);
      end
    end
  endgenerate

  // One wire tells every PE the mode, so it may only change when the last pixel has left the last PE: a pixel at row 0 in
  // cycle n is there in cycle n + Rows + Cols - 2.
  integer left_q;  // cycles until it has
  reg     simd_q;
  always @(posedge clk_i) begin
    simd_q <= simd_i;
    left_q <= !rst_ni ? 0 : valid_i[0] ? Rows + Cols - 2 : (left_q > 0) ? left_q - 1 : 0;
    if (rst_ni && left_q > 0 && simd_i !== simd_q) $fatal(1, "%m: the mode changes while pixels are in the array");
  end
`endif

endmodule

`default_nettype wire
