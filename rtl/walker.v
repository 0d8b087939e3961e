// walker.v - nested loops in hardware: value = start + sum over levels of index * step, one step of the innermost loop on every take.
// When level k counts up, all levels inside it start again from where level k stands.
// Latency: start_i shows the first step in the next cycle; take_i shows the next step in the next cycle.
// Golden: model.golden.blocks.walk.
//
//   for i[L-1] in 0..count_n[L-1]  ...  for i[0] in 0..count_n[0]:   addr, y, x     (level 0 innermost)
`default_nettype none

module walker #(
  parameter integer Levels     = 9,   // loops
  parameter integer CountWidth = 10,  // bits of a loop's count - 1
  parameter integer AddrWidth  = 14,  // bits of the address, modulo arithmetic
  parameter integer CoordWidth = 11,  // bits of a coordinate, two's complement
  parameter integer StepsAddr  = 32'b111111111,  // levels that move the address
  parameter integer StepsY     = 32'b000101010,  // levels that move y
  parameter integer StepsX     = 32'b000010101   // levels that move x
) (
  input  wire                         clk_i,
  input  wire                         rst_ni,
  // loops, level l at index l; steps of levels that do not move a value are not looked at
  input  wire [Levels*CountWidth-1:0] count_n_i,
  input  wire [Levels*AddrWidth-1:0]  addr_step_i,
  input  wire [Levels*CoordWidth-1:0] y_step_i,
  input  wire [Levels*CoordWidth-1:0] x_step_i,
  input  wire [AddrWidth-1:0]         addr_start_i,
  input  wire [CoordWidth-1:0]        y_start_i,
  input  wire [CoordWidth-1:0]        x_start_i,
  // control
  input  wire                         start_i,
  input  wire                         take_i,
  // the present step
  output wire [AddrWidth-1:0]         addr_o,
  output wire [CoordWidth-1:0]        y_o,
  output wire [CoordWidth-1:0]        x_o,
  output reg  [Levels*CountWidth-1:0] index_o,  // of each level
  output reg  [Levels-1:0]            first_o,  // the level is at its first step
  output reg  [Levels-1:0]            last_o    // the level is at its last step
);

  // up[l]: level l begins a new step or starts again; up[Levels]: everything does.
  wire                  up   [0:Levels];
  wire [AddrWidth-1:0]  addr [0:Levels];  // where the level's present step began, this cycle's change included
  wire [CoordWidth-1:0] y    [0:Levels];
  wire [CoordWidth-1:0] x    [0:Levels];
  wire [AddrWidth-1:0]  addr_now [0:Levels];  // and without it
  wire [CoordWidth-1:0] y_now    [0:Levels];
  wire [CoordWidth-1:0] x_now    [0:Levels];

  assign up[Levels]   = start_i;
  assign addr[Levels] = addr_start_i;
  assign y[Levels]    = y_start_i;
  assign x[Levels]    = x_start_i;
  assign addr_now[Levels] = addr_start_i;
  assign y_now[Levels]    = y_start_i;
  assign x_now[Levels]    = x_start_i;
  assign addr_o = addr_now[0];
  assign y_o    = y_now[0];
  assign x_o    = x_now[0];

  genvar l;
  generate
    for (l = 0; l < Levels; l = l + 1) begin : gen_level
      reg  [CountWidth-1:0] index_q;
      wire                  at_last  = index_q == count_n_i[l*CountWidth +: CountWidth];
      wire                  inside_last;  // all levels inside are at their last step
      wire                  again = up[l+1];
      wire                  count = take_i && inside_last && !at_last;

      if (l == 0) begin : gen_inner
        assign inside_last = 1'b1;
      end else begin : gen_outer
        assign inside_last = &last_o[l-1:0];
      end

      always @(*) first_o[l] = index_q == {CountWidth{1'b0}};
      always @(*) last_o[l]  = at_last;
      assign up[l] = again || count;
      always @(*) index_o[l*CountWidth +: CountWidth] = index_q;

      always @(posedge clk_i) begin
        if (!rst_ni)    index_q <= {CountWidth{1'b0}};
        else if (again) index_q <= {CountWidth{1'b0}};
        else if (count) index_q <= index_q + 1'b1;
      end

      if (StepsAddr[l]) begin : gen_addr
        reg [AddrWidth-1:0] addr_q;
        assign addr_now[l] = addr_q;
        assign addr[l] = again ? addr[l+1] : count ? addr_q + addr_step_i[l*AddrWidth +: AddrWidth] : addr_q;
        always @(posedge clk_i) begin
          if (!rst_ni) addr_q <= {AddrWidth{1'b0}};
          else         addr_q <= addr[l];
        end
      end else begin : gen_addr_still
        wire unused = &{1'b0, addr_step_i[l*AddrWidth +: AddrWidth]};
        assign addr[l] = addr[l+1];
        assign addr_now[l] = addr_now[l+1];
      end

      if (StepsY[l]) begin : gen_y
        reg [CoordWidth-1:0] y_q;
        assign y_now[l] = y_q;
        assign y[l] = again ? y[l+1] : count ? y_q + y_step_i[l*CoordWidth +: CoordWidth] : y_q;
        always @(posedge clk_i) begin
          if (!rst_ni) y_q <= {CoordWidth{1'b0}};
          else         y_q <= y[l];
        end
      end else begin : gen_y_still
        wire unused = &{1'b0, y_step_i[l*CoordWidth +: CoordWidth]};
        assign y[l] = y[l+1];
        assign y_now[l] = y_now[l+1];
      end

      if (StepsX[l]) begin : gen_x
        reg [CoordWidth-1:0] x_q;
        assign x_now[l] = x_q;
        assign x[l] = again ? x[l+1] : count ? x_q + x_step_i[l*CoordWidth +: CoordWidth] : x_q;
        always @(posedge clk_i) begin
          if (!rst_ni) x_q <= {CoordWidth{1'b0}};
          else         x_q <= x[l];
        end
      end else begin : gen_x_still
        wire unused = &{1'b0, x_step_i[l*CoordWidth +: CoordWidth]};
        assign x[l] = x[l+1];
        assign x_now[l] = x_now[l+1];
      end
    end
  endgenerate

  wire unused_ends = &{1'b0, up[0], addr[0], y[0], x[0]};

`ifndef SYNTHESIS
  initial begin
    if (Levels < 1 || Levels > 32) $fatal(1, "%m: Levels %0d; expected 1 to 32", Levels);
    if (CountWidth < 1) $fatal(1, "%m: CountWidth %0d; expected 1 or more", CountWidth);
  end
`endif

`ifdef SIM_CHECKS
  always @(posedge clk_i) begin
    if (rst_ni && (^{start_i, take_i}) === 1'bx) $fatal(1, "%m: X on start or take");
  end
`endif

endmodule

`default_nettype wire
