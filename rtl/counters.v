// counters.v - how often each of some events came since the last clear.
// Latency: an event counts in the next cycle. Beside a clear none counts.
// Golden: model.golden.blocks.Tally.
`default_nettype none

module counters #(
  parameter integer Events = 5,
  parameter integer Width  = 32  // bits of a count; it wraps
) (
  input  wire                    clk_i,
  input  wire                    rst_ni,
  input  wire                    clear_i,
  input  wire [Events-1:0]       event_i,
  output wire [Events*Width-1:0] count_o   // of event e at [e*Width +: Width]
);

  reg [Events*Width-1:0] count_q;

  integer e;
  always @(posedge clk_i) begin
    for (e = 0; e < Events; e = e + 1) begin
      if (!rst_ni || clear_i) count_q[e*Width +: Width] <= {Width{1'b0}};
      else if (event_i[e])    count_q[e*Width +: Width] <= count_q[e*Width +: Width] + 1'b1;
    end
  end

  assign count_o = count_q;

`ifndef SYNTHESIS
  initial begin
    if (Events < 1) $fatal(1, "%m: Events %0d; expected 1 or more", Events);
    if (Width < 1)  $fatal(1, "%m: Width %0d; expected 1 or more", Width);
  end
`endif

`ifdef SIM_CHECKS
  always @(posedge clk_i) begin
    if (rst_ni && (^{clear_i, event_i}) === 1'bx) $fatal(1, "%m: X on clear or an event: %b %b", clear_i, event_i);
  end
`endif

endmodule

`default_nettype wire
