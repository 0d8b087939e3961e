// l0.v - skews a line of Lanes words into a wave: lane r leaves r cycles after it entered.
// data_o[r][n] = data_i[r][n - r]; the words carry their own valid flags, which reset to zero with everything else.
// Latency: lane r takes r cycles (lane 0 is a wire).
// Golden: model.golden.blocks.skew.
//
//   in    cycle n: all lanes of line 0          out   lane 0   0 1 2 3 . . .
//         cycle n+1: all lanes of line 1              lane 1   . 0 1 2 3 . .
//                                                     lane 2   . . 0 1 2 3 .
`default_nettype none

module l0 #(
  parameter integer Lanes = 8,  // words in a line, one for each array row
  parameter integer Width = 8   // bits of a word
) (
  input  wire                   clk_i,
  input  wire                   rst_ni,
  // a line, lane r at [r*Width +: Width]
  input  wire [Lanes*Width-1:0] data_i,
  // to the array
  output reg  [Lanes*Width-1:0] data_o
);

  genvar r;
  generate
    for (r = 0; r < Lanes; r = r + 1) begin : gen_lane
      wire [Width-1:0] data;

      delay #(
        .Width  (Width),
        .Cycles (r)
      ) u_delay (
        .clk_i  (clk_i),
        .rst_ni (rst_ni),
        .data_i (data_i[r*Width +: Width]),
        .data_o (data)
      );

      always @(*) data_o[r*Width +: Width] = data;
    end
  endgenerate

`ifndef SYNTHESIS
  initial if (Lanes < 1) $fatal(1, "%m: Lanes %0d; expected 1 or more", Lanes);
`endif

endmodule

`default_nettype wire
