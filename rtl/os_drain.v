// os_drain.v - output stationary: when the rows of the array hand their finished sums south.
// Row r takes what is above it in r cycles: those in which rows r-1 .. 0 come by. Then its own next sum may be finished.
// Latency: the first shift is 2 cycles after the last term enters row Rows-1 from the west; all rows begin together.
// Golden: model.golden.os_cycle.shifts.
//
//   cycle    n      n+1    n+2         n+3         ...  n+Rows+1-1
//            last   .      rows 1..    rows 2..         row Rows-1      (last: last_i, of row Rows-1)
`default_nettype none

module os_drain #(
  parameter integer Rows = 8  // of the array
) (
  input  wire            clk_i,
  input  wire            rst_ni,
  input  wire            last_i,  // the last term of a group of pixels enters row Rows-1; not again within Rows cycles
  output wire [Rows-1:0] shift_o  // row r takes the sums of row r-1
);

  localparam integer LeftWidth = $clog2(Rows + 1);

  reg [LeftWidth-1:0] left_q;  // cycles until all have left

  always @(posedge clk_i) begin
    if (!rst_ni)                            left_q <= {LeftWidth{1'b0}};
    else if (last_i)                        left_q <= Rows[LeftWidth-1:0];
    else if (left_q != {LeftWidth{1'b0}})   left_q <= left_q - 1'b1;
  end

  genvar r;
  generate
    for (r = 0; r < Rows; r = r + 1) begin : gen_row
      localparam integer From = Rows - r;
      assign shift_o[r] = left_q != Rows[LeftWidth-1:0] && left_q >= From[LeftWidth-1:0];
    end
  endgenerate

`ifndef SYNTHESIS
  initial if (Rows < 1) $fatal(1, "%m: Rows %0d; expected 1 or more", Rows);
`endif

`ifdef SIM_CHECKS
  localparam [LeftWidth-1:0] One = 1;
  always @(posedge clk_i) begin
    if (rst_ni) begin
      if (last_i === 1'bx)       $fatal(1, "%m: X on last");
      if (last_i && left_q != {LeftWidth{1'b0}} && left_q != One)
        $fatal(1, "%m: a group of pixels is finished while %0d sums of the one before are on the way", left_q);
    end
  end
`endif

endmodule

`default_nettype wire
