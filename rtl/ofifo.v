// ofifo.v - the skewed psum columns become one aligned line again: lane c leaves Lanes-1-c cycles after it entered.
// data_o[c][n] = data_i[c][n - (Lanes-1-c)], valid_o when every lane of the line is valid.
// Latency: lane c takes Lanes-1-c cycles (the last lane is a wire).
// Golden: model.golden.blocks.deskew.
`default_nettype none

module ofifo #(
  parameter integer Lanes = 8,   // words in a line, one for each array column
  parameter integer Width = 16   // bits of a word
) (
  input  wire                   clk_i,
  input  wire                   rst_ni,
  // from the array, lane c at [c*Width +: Width]
  input  wire [Lanes-1:0]       valid_i,
  input  wire [Lanes*Width-1:0] data_i,
  // to the psum memory
  output wire                   valid_o,
  output reg  [Lanes*Width-1:0] data_o
);

  reg [Lanes-1:0] valid;

  genvar c;
  generate
    for (c = 0; c < Lanes; c = c + 1) begin : gen_lane
      wire             valid_late;
      wire [Width-1:0] data;

      delay #(
        .Width  (Width + 1),
        .Cycles (Lanes - 1 - c)
      ) u_delay (
        .clk_i  (clk_i),
        .rst_ni (rst_ni),
        .data_i ({valid_i[c], data_i[c*Width +: Width]}),
        .data_o ({valid_late, data})
      );

      always @(*) valid[c] = valid_late;
      always @(*) data_o[c*Width +: Width] = data;
    end
  endgenerate

  assign valid_o = &valid;

`ifndef SYNTHESIS
  initial if (Lanes < 1) $fatal(1, "%m: Lanes %0d; expected 1 or more", Lanes);
`endif

`ifdef SIM_CHECKS
  always @(posedge clk_i) begin
    if (rst_ni && (^valid) === 1'bx) $fatal(1, "%m: X on an aligned valid");
    if (rst_ni && (&valid) != (|valid)) $fatal(1, "%m: aligned valids disagree: %b", valid);
  end
`endif

endmodule

`default_nettype wire
