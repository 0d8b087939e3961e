// result_stream.v - lines of Cols results as an AXI4-Stream of words, column 0 first, `last` with the last word of a run.
// A line cannot know that it is a run's last: the newest is held back until the next line comes or the run ends.
// Latency: a line that is followed in cycle n (by a line, or the run's end) has its first word at the output in n + 1 (n + 2).
// Golden: model.golden.bus.results.
//
//   line_i -> hold (1 line) -> fifo (Depth lines) -> a word a cycle
//   A line that finds both occupied is lost (lost_o).
`default_nettype none

module result_stream #(
  parameter integer Cols  = 8,   // words of a line
  parameter integer Width = 32,  // bits of a word
  parameter integer Depth = 16   // lines of the buffer, beside the one held back
) (
  input  wire                  clk_i,
  input  wire                  rst_ni,
  // lines, column c at [c*Width +: Width]
  input  wire                  valid_i,
  input  wire [Cols*Width-1:0] line_i,
  input  wire                  end_i,   // the run is over: its last line came before
  output wire                  lost_o,  // there is no room for the present line
  // words
  output wire                  tvalid_o,
  input  wire                  tready_i,
  output wire [Width-1:0]      tdata_o,
  output wire                  tlast_o
);

  localparam integer ColWidth = (Cols > 1) ? $clog2(Cols) : 1;
  localparam integer LastCol  = Cols - 1;

  // ---------------------------------------------------------------- the newest line
  reg                  held_q;       // there is one
  reg                  held_last_q;  // and it is its run's last
  reg [Cols*Width-1:0] line_q;

  wire full;
  wire push = held_q && !full && (valid_i || held_last_q);

  assign lost_o = valid_i && held_q && full;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      held_q      <= 1'b0;
      held_last_q <= 1'b0;
    end else if (valid_i && !lost_o) begin
      held_q      <= 1'b1;
      held_last_q <= 1'b0;
    end else if (push) begin
      held_q      <= 1'b0;
      held_last_q <= 1'b0;
    end else if (end_i) begin
      held_last_q <= held_q;
    end
  end

  always @(posedge clk_i) begin
    if (!rst_ni)                 line_q <= {(Cols*Width){1'b0}};
    else if (valid_i && !lost_o) line_q <= line_i;
  end

  // ---------------------------------------------------------------- lines that wait, and the words of the oldest
  wire                  last;
  wire [Cols*Width-1:0] line;
  reg  [ColWidth-1:0]   col_q;
  wire                  take    = tvalid_o && tready_i;
  wire                  col_end = col_q == LastCol[ColWidth-1:0];

  fifo #(
    .Width (Cols * Width + 1),
    .Depth (Depth)
  ) u_fifo (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .push_i  (push),
    .data_i  ({held_last_q, line_q}),
    .full_o  (full),
    .valid_o (tvalid_o),
    .data_o  ({last, line}),
    .pop_i   (take && col_end)
  );

  always @(posedge clk_i) begin
    if (!rst_ni)   col_q <= {ColWidth{1'b0}};
    else if (take) col_q <= col_end ? {ColWidth{1'b0}} : col_q + 1'b1;
  end

  assign tdata_o = line[col_q*Width +: Width];
  assign tlast_o = last && col_end;

`ifndef SYNTHESIS
  initial begin
    if (Cols < 1)  $fatal(1, "%m: Cols %0d; expected 1 or more", Cols);
    if (Width < 1) $fatal(1, "%m: Width %0d; expected 1 or more", Width);
  end
`endif

`ifdef SIM_CHECKS
  always @(posedge clk_i) begin
    if (rst_ni) begin
      if ((^{valid_i, end_i, tready_i}) === 1'bx) $fatal(1, "%m: X on a control input");
      if (valid_i && end_i)                       $fatal(1, "%m: a line in the cycle in which the run ends");
    end
  end
`endif

endmodule

`default_nettype wire
