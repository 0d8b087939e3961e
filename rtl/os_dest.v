// os_dest.v - output stationary: where the sums of a group of pixels go. One destination becomes Rows, a line a cycle.
// addr_o = addr_i + 0, 1, ... Rows-1; every line has the group's flags.
// Latency 1 cycle from start_i to the first line.
// Golden: model.golden.os_blocks.lines_of.
`default_nettype none

module os_dest #(
  parameter integer Rows      = 8,   // of the array: lines of a group
  parameter integer AddrWidth = 8,   // bits of a psum address
  parameter integer FlagWidth = 6    // bits of whatever goes with each line
) (
  input  wire                 clk_i,
  input  wire                 rst_ni,
  input  wire                 start_i,  // a group's destination; not again within Rows cycles
  input  wire [AddrWidth-1:0] addr_i,   // of its first line
  input  wire [FlagWidth-1:0] flags_i,
  output wire                 valid_o,
  output wire [AddrWidth-1:0] addr_o,
  output wire [FlagWidth-1:0] flags_o
);

  localparam integer LeftWidth = $clog2(Rows + 1);

  reg [LeftWidth-1:0] left_q;  // lines, the present one included
  reg [AddrWidth-1:0] addr_q;
  reg [FlagWidth-1:0] flags_q;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      left_q  <= {LeftWidth{1'b0}};
      addr_q  <= {AddrWidth{1'b0}};
      flags_q <= {FlagWidth{1'b0}};
    end else if (start_i) begin
      left_q  <= Rows[LeftWidth-1:0];
      addr_q  <= addr_i;
      flags_q <= flags_i;
    end else if (valid_o) begin
      left_q  <= left_q - 1'b1;
      addr_q  <= addr_q + 1'b1;
    end
  end

  assign valid_o = left_q != {LeftWidth{1'b0}};
  assign addr_o  = addr_q;
  assign flags_o = flags_q;

`ifndef SYNTHESIS
  initial if (Rows < 1) $fatal(1, "%m: Rows %0d; expected 1 or more", Rows);
`endif

`ifdef SIM_CHECKS
  localparam [LeftWidth-1:0] One = 1;
  always @(posedge clk_i) begin
    if (rst_ni) begin
      if (start_i === 1'bx)       $fatal(1, "%m: X on start");
      if (start_i && valid_o && left_q != One)
        $fatal(1, "%m: a group starts while %0d lines of the one before are to come", left_q - 1);
    end
  end
`endif

endmodule

`default_nettype wire
