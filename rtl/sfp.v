// sfp.v - the special-function processor: adds up the psums of one output, then rectifies.
// acc = (first ? 0 : acc) + data on every valid line; on the last one out = relu ? max(0, acc) : acc.
// Latency 1 cycle from the last line to out_valid_o.
// Golden: model.golden.blocks.accumulate.
`default_nettype none

module sfp #(
  parameter integer Cols      = 8,   // output channels of a line
  parameter integer PsumWidth = 16   // bits of a psum and of the sum, two's complement
) (
  input  wire                      clk_i,
  input  wire                      rst_ni,
  // from the psum memory, column c at [c*PsumWidth +: PsumWidth]
  input  wire                      valid_i,
  input  wire                      first_i,  // start a new sum
  input  wire                      last_i,   // the sum is complete
  input  wire                      relu_i,   // with last_i: rectify
  input  wire [Cols*PsumWidth-1:0] data_i,
  // to the output
  output wire                      out_valid_o,
  output wire [Cols*PsumWidth-1:0] out_o
);

  reg  [Cols*PsumWidth-1:0] acc_q;
  reg  [Cols*PsumWidth-1:0] out_q;
  reg                       out_valid_q;
  reg  [Cols*PsumWidth-1:0] acc_d;
  reg  [Cols*PsumWidth-1:0] out_d;

  genvar c;
  generate
    for (c = 0; c < Cols; c = c + 1) begin : gen_col
      wire [PsumWidth-1:0] base = first_i ? {PsumWidth{1'b0}} : acc_q[c*PsumWidth +: PsumWidth];
      wire [PsumWidth-1:0] data = data_i[c*PsumWidth +: PsumWidth];
      wire [PsumWidth-1:0] sum  = base + data;

      always @(*) acc_d[c*PsumWidth +: PsumWidth] = sum;
      always @(*) out_d[c*PsumWidth +: PsumWidth] = (relu_i && sum[PsumWidth-1]) ? {PsumWidth{1'b0}} : sum;

`ifdef SIM_CHECKS
      always @(posedge clk_i) begin
        if (rst_ni && valid_i && base[PsumWidth-1] == data[PsumWidth-1] && sum[PsumWidth-1] != base[PsumWidth-1])
          $fatal(1, "%m: overflow, %0d + %0d does not fit %0d bits", $signed(base), $signed(data), PsumWidth);
      end
`endif
    end
  endgenerate

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      acc_q <= {(Cols*PsumWidth){1'b0}};
    end else if (valid_i) begin
      acc_q <= acc_d;
    end
  end

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      out_valid_q <= 1'b0;
      out_q       <= {(Cols*PsumWidth){1'b0}};
    end else begin
      out_valid_q <= valid_i && last_i;
      if (valid_i && last_i) out_q <= out_d;
    end
  end

  assign out_valid_o = out_valid_q;
  assign out_o       = out_q;

`ifndef SYNTHESIS
  initial begin
    if (Cols < 1)      $fatal(1, "%m: Cols %0d; expected 1 or more", Cols);
    if (PsumWidth < 2) $fatal(1, "%m: PsumWidth %0d; expected 2 or more", PsumWidth);
  end
`endif

`ifdef SIM_CHECKS
  reg open_q;  // a sum was started and is not complete
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      open_q <= 1'b0;
    end else begin
      if (valid_i) open_q <= !last_i;
      if ((^valid_i) === 1'bx) $fatal(1, "%m: X on valid");
      if (valid_i && (^{first_i, last_i, relu_i}) === 1'bx) $fatal(1, "%m: X in the flags of a valid line");
      if (valid_i && (^data_i) === 1'bx) $fatal(1, "%m: X in a valid line (a psum never written?)");
      if (valid_i && !first_i && !open_q) $fatal(1, "%m: a line outside a sum: first is missing");
      if (valid_i && first_i && open_q)   $fatal(1, "%m: a new sum begins before the last line of the one before");
    end
  end
`endif

endmodule

`default_nettype wire
