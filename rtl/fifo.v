// fifo.v - a buffer of Depth words, first in first out; the oldest word stands at the output until it is taken.
// Latency: a word pushed in cycle n is at the output in n + 1, if those before it are gone.
// Golden: model.golden.bus.Fifo.
`default_nettype none

module fifo #(
  parameter integer Width = 32,  // bits of a word
  parameter integer Depth = 16   // words, any number
) (
  input  wire             clk_i,
  input  wire             rst_ni,
  // in; only while not full, whether or not a word is taken in the same cycle
  input  wire             push_i,
  input  wire [Width-1:0] data_i,
  output wire             full_o,
  // out
  output wire             valid_o,
  output wire [Width-1:0] data_o,
  input  wire             pop_i
);

  localparam integer AddrWidth  = (Depth > 1) ? $clog2(Depth) : 1;
  localparam integer CountWidth = (Depth > 0) ? $clog2(Depth + 1) : 1;
  localparam integer Last       = Depth - 1;

  reg [Width-1:0]      mem [0:Depth-1];
  reg [AddrWidth-1:0]  write_q, read_q;
  reg [CountWidth-1:0] count_q;

  wire push = push_i && !full_o;
  wire pop  = pop_i && valid_o;

  always @(posedge clk_i) begin
    if (rst_ni && push) mem[write_q] <= data_i;
  end

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q <= {AddrWidth{1'b0}};
      read_q  <= {AddrWidth{1'b0}};
      count_q <= {CountWidth{1'b0}};
    end else begin
      if (push) write_q <= (write_q == Last[AddrWidth-1:0]) ? {AddrWidth{1'b0}} : write_q + 1'b1;
      if (pop)  read_q  <= (read_q == Last[AddrWidth-1:0]) ? {AddrWidth{1'b0}} : read_q + 1'b1;
      if (push && !pop)      count_q <= count_q + 1'b1;
      else if (pop && !push) count_q <= count_q - 1'b1;
    end
  end

  assign full_o  = count_q == Depth[CountWidth-1:0];
  assign valid_o = count_q != {CountWidth{1'b0}};
  assign data_o  = mem[read_q];

`ifndef SYNTHESIS
  initial begin
    if (Width < 1) $fatal(1, "%m: Width %0d; expected 1 or more", Width);
    if (Depth < 1) $fatal(1, "%m: Depth %0d; expected 1 or more", Depth);
  end
`endif

`ifdef SIM_CHECKS
  always @(posedge clk_i) begin
    if (rst_ni) begin
      if ((^{push_i, pop_i}) === 1'bx) $fatal(1, "%m: X on push or pop");
      if (push_i && full_o)            $fatal(1, "%m: push into a full buffer");
      if (pop_i && !valid_o)           $fatal(1, "%m: pop from an empty buffer");
      if (push_i && (^data_i) === 1'bx) $fatal(1, "%m: X in a word that is pushed");
    end
  end
`endif

endmodule

`default_nettype wire
