// sram.v - a synchronous memory with one write port and one read port: rdata_o <= mem[raddr_i], mem[waddr_i] <= wdata_i.
// A word read in the very cycle it is written is the OLD word; who needs the new one forwards it outside.
// Latency: read 1 cycle; a written word can be read in the next cycle. rdata_o holds until the next read.
// Golden: model.golden.blocks.Memory.
`default_nettype none

module sram #(
  parameter integer Width     = 32,  // bits of a word
  parameter integer Depth     = 64,  // words
  parameter integer AddrWidth = (Depth > 1) ? $clog2(Depth) : 1  // derived, leave it
) (
  input  wire                 clk_i,
  input  wire                 rst_ni,
  // write port
  input  wire                 we_i,
  input  wire [AddrWidth-1:0] waddr_i,
  input  wire [Width-1:0]     wdata_i,
  // read port
  input  wire                 re_i,
  input  wire [AddrWidth-1:0] raddr_i,
  output wire [Width-1:0]     rdata_o
);

  reg [Width-1:0] mem [0:Depth-1];
  reg [Width-1:0] rdata_q;

  // Neither the words nor the read register have a reset (no memory macro has one); the enables are held off instead.
  always @(posedge clk_i) begin
    if (rst_ni && we_i) mem[waddr_i] <= wdata_i;
  end

  always @(posedge clk_i) begin
    if (rst_ni && re_i) rdata_q <= mem[raddr_i];
  end

  assign rdata_o = rdata_q;

`ifndef SYNTHESIS
  initial begin
    if (Width < 1) $fatal(1, "%m: Width %0d; expected 1 or more", Width);
    if (Depth < 1) $fatal(1, "%m: Depth %0d; expected 1 or more", Depth);
    if ((1 << AddrWidth) < Depth) $fatal(1, "%m: AddrWidth %0d does not reach Depth %0d", AddrWidth, Depth);
  end
`endif

`ifdef SIM_CHECKS
  always @(posedge clk_i) begin
    if (rst_ni) begin
      if ((^{we_i, re_i}) === 1'bx) $fatal(1, "%m: X on an enable");
      if (we_i && (^waddr_i) === 1'bx) $fatal(1, "%m: X in the write address");
      if (re_i && (^raddr_i) === 1'bx) $fatal(1, "%m: X in the read address");
    end
  end

  localparam integer Last = Depth - 1;
  generate
    if ((1 << AddrWidth) > Depth) begin : gen_range_check  // otherwise no address lies outside
      always @(posedge clk_i) begin
        if (rst_ni && we_i && waddr_i > Last[AddrWidth-1:0])
          $fatal(1, "%m: write address %0d, the memory ends at %0d", waddr_i, Last);
        if (rst_ni && re_i && raddr_i > Last[AddrWidth-1:0])
          $fatal(1, "%m: read address %0d, the memory ends at %0d", raddr_i, Last);
      end
    end
  endgenerate
`endif

endmodule

`default_nettype wire
