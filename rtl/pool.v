// pool.v - max pooling of a window whose codes come one after another: code_o = max over the window, per channel.
// first_i and last_i mark a window's ends; both on one line: no pooling, the line passes. Latency 1 cycle from the last line.
// Golden: model.golden.execute.finish (the window maximum).
`default_nettype none

module pool #(
  parameter integer Cols     = 8,  // channels of a line
  parameter integer ActWidth = 4   // bits of a code, unsigned
) (
  input  wire                     clk_i,
  input  wire                     rst_ni,
  input  wire                     valid_i,
  input  wire                     first_i,  // the window begins
  input  wire                     last_i,   // the window is complete
  input  wire [Cols*ActWidth-1:0] code_i,
  output wire                     valid_o,
  output wire [Cols*ActWidth-1:0] code_o
);

  reg                      valid_q;
  reg  [Cols*ActWidth-1:0] max_q;
  reg  [Cols*ActWidth-1:0] max_d;

  genvar c;
  generate
    for (c = 0; c < Cols; c = c + 1) begin : gen_col
      wire [ActWidth-1:0] old  = max_q[c*ActWidth +: ActWidth];
      wire [ActWidth-1:0] code = code_i[c*ActWidth +: ActWidth];
      always @(*) max_d[c*ActWidth +: ActWidth] = (first_i || code > old) ? code : old;
    end
  endgenerate

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
      max_q   <= {(Cols*ActWidth){1'b0}};
    end else begin
      valid_q <= valid_i && last_i;
      if (valid_i) max_q <= max_d;
    end
  end

  assign valid_o = valid_q;
  assign code_o  = max_q;

`ifndef SYNTHESIS
  initial begin
    if (Cols < 1)     $fatal(1, "%m: Cols %0d; expected 1 or more", Cols);
    if (ActWidth < 1) $fatal(1, "%m: ActWidth %0d; expected 1 or more", ActWidth);
  end
`endif

`ifdef SIM_CHECKS
  reg open_q;  // inside a window
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      open_q <= 1'b0;
    end else begin
      if (valid_i) open_q <= !last_i;
      if ((^valid_i) === 1'bx) $fatal(1, "%m: X on valid");
      if (valid_i && (^{first_i, last_i, code_i}) === 1'bx) $fatal(1, "%m: X beside a valid line");
      // A first line in an open window is no fault: a run that failed leaves its last window open.
      if (valid_i && !first_i && !open_q) $fatal(1, "%m: first 0, but a window is not open");
    end
  end
`endif

endmodule

`default_nettype wire
