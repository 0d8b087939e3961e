// par_count.v - counts the parameter words of an output tile: Cols columns of ParWords words; then they wait for their swap.
// Word n of a tile is part n % ParWords of column n / ParWords.
// Latency 0: col_o, part_o and done_o belong to the word of the same cycle; full_o follows the last word and the swap.
// Golden: model.golden.blocks.deal, model.golden.os_blocks.deal_terms (where each word goes).
`default_nettype none

module par_count #(
  parameter integer Cols     = 8,  // columns with parameters
  parameter integer ColWidth = 3,  // bits of a column's number
  parameter integer ParWords = 1,  // words of a column's parameters
  // derived, leave it
  parameter integer PartWidth = (ParWords > 1) ? $clog2(ParWords) : 1
) (
  input  wire                 clk_i,
  input  wire                 rst_ni,
  input  wire                 clear_i,  // a layer is given up; one that has ended leaves nothing
  input  wire                 valid_i,  // a parameter word is taken; only while not full
  input  wire                 take_i,   // the parameters in the shadow become the active ones
  output wire  [ColWidth-1:0] col_o,
  output wire [PartWidth-1:0] part_o,
  output wire                 done_o,   // it is the tile's last
  output wire                 full_o    // requantize's shadow holds parameters that wait for their swap
);

  localparam integer LastCol  = Cols - 1;
  localparam integer LastPart = ParWords - 1;

  reg  [ColWidth-1:0] col_q;
  reg [PartWidth-1:0] part_q;
  reg                 full_q;

  wire last_part = part_q == LastPart[PartWidth-1:0];
  wire last_col  = col_q == LastCol[ColWidth-1:0];

  assign col_o  = col_q;
  assign part_o = part_q;
  assign done_o = valid_i && last_part && last_col;
  assign full_o = full_q;

  always @(posedge clk_i) begin
    if (!rst_ni || clear_i) begin
      col_q  <= {ColWidth{1'b0}};
      part_q <= {PartWidth{1'b0}};
      full_q <= 1'b0;
    end else begin
      if (valid_i) begin
        part_q <= last_part ? {PartWidth{1'b0}} : part_q + 1'b1;
        if (last_part) col_q <= last_col ? {ColWidth{1'b0}} : col_q + 1'b1;
      end
      if (done_o)      full_q <= 1'b1;
      else if (take_i) full_q <= 1'b0;
    end
  end

`ifndef SYNTHESIS
  initial begin
    if (Cols < 1 || Cols > (1 << ColWidth)) $fatal(1, "%m: Cols %0d; expected 1 to %0d", Cols, 1 << ColWidth);
    if (ParWords < 1 || ParWords > 256)     $fatal(1, "%m: ParWords %0d; expected 1 to 256", ParWords);
  end
`endif

`ifdef SIM_CHECKS
  always @(posedge clk_i) begin
    if (rst_ni) begin
      if ((^{clear_i, valid_i, take_i}) === 1'bx) $fatal(1, "%m: X on a control input");
      if (valid_i && full_q)                      $fatal(1, "%m: a parameter word over those that wait for their swap");
    end
  end
`endif

endmodule

`default_nettype wire
