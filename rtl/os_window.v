// os_window.v - output stationary: what each finished line is. Lines come group by group; windows of window_n + 1 lines are pooled.
// The first line of a group that begins an output tile swaps the parameters; lines behind the tile's last window are dropped.
// Latency 0: the marks belong to the line of the same cycle.
// Golden: model.golden.os_blocks.windows.
`default_nettype none

module os_window #(
  parameter integer Rows = 8  // lines of a group
) (
  input  wire        clk_i,
  input  wire        rst_ni,
  input  wire        start_i,   // a layer begins
  input  wire [7:0]  window_n_i,  // lines of a pooling window - 1
  input  wire [13:0] map_n_i,     // windows of an output tile - 1
  input  wire        valid_i,     // a finished line
  input  wire        begins_i,    // its group is the first of an output tile
  output wire        swap_o,      // with valid_i: the first line of an output tile
  output wire        keep_o,      // the line belongs to a pixel
  output wire        first_o,     // of its window
  output wire        last_o
);

  localparam integer LineWidth = (Rows > 1) ? $clog2(Rows) : 1;
  localparam integer LastLine  = Rows - 1;

  reg [LineWidth-1:0] line_q;    // in its group
  reg [7:0]           place_q;  // in its window
  reg [13:0]          left_q;    // windows of the tile after this one
  reg                 done_q;    // the tile has all its windows

  wire [7:0]  place = swap_o ? 8'd0 : place_q;
  wire [13:0] left   = swap_o ? map_n_i : left_q;

  assign swap_o  = begins_i && line_q == {LineWidth{1'b0}};
  assign keep_o  = swap_o || !done_q;
  assign first_o = place == 8'd0;
  assign last_o  = place == window_n_i;

  always @(posedge clk_i) begin
    if (!rst_ni || start_i) begin
      line_q   <= {LineWidth{1'b0}};
      place_q <= 8'd0;
      left_q   <= 14'd0;
      done_q   <= 1'b1;
    end else if (valid_i) begin
      line_q   <= (line_q == LastLine[LineWidth-1:0]) ? {LineWidth{1'b0}} : line_q + 1'b1;
      place_q <= last_o ? 8'd0 : place + 8'd1;
      left_q   <= last_o ? left - 14'd1 : left;
      done_q   <= !keep_o || (last_o && left == 14'd0);
    end
  end

`ifndef SYNTHESIS
  initial if (Rows < 1) $fatal(1, "%m: Rows %0d; expected 1 or more", Rows);
`endif

`ifdef SIM_CHECKS
  always @(posedge clk_i) begin
    if (rst_ni && (^{start_i, valid_i}) === 1'bx)  $fatal(1, "%m: X on start or valid");
    if (rst_ni && valid_i && begins_i === 1'bx)    $fatal(1, "%m: X beside a valid line");
  end
`endif

endmodule

`default_nettype wire
