// delay.v - a bus delayed by a fixed number of clock cycles: data_o[n] = data_i[n - Cycles].
// Latency Cycles; 0 is a plain wire. Everything resets to zero, so valid flags inside the bus reset to "not valid".
// Golden: model.golden.blocks.skew (a bank of these).
`default_nettype none

module delay #(
  parameter integer Width  = 8,  // bits of the bus
  parameter integer Cycles = 1   // registers in a row, 0 or more
) (
  input  wire             clk_i,
  input  wire             rst_ni,
  input  wire [Width-1:0] data_i,
  output wire [Width-1:0] data_o
);

  generate
    if (Cycles == 0) begin : gen_wire
      wire unused = &{1'b0, clk_i, rst_ni};
      assign data_o = data_i;
    end else begin : gen_pipe
      reg [Cycles*Width-1:0] pipe_q;  // newest word lowest

      if (Cycles == 1) begin : gen_one
        always @(posedge clk_i) begin
          if (!rst_ni) pipe_q <= {Width{1'b0}};
          else         pipe_q <= data_i;
        end
      end else begin : gen_more
        always @(posedge clk_i) begin
          if (!rst_ni) pipe_q <= {(Cycles*Width){1'b0}};
          else         pipe_q <= {pipe_q[(Cycles-1)*Width-1:0], data_i};
        end
      end

      assign data_o = pipe_q[(Cycles-1)*Width +: Width];
    end
  endgenerate

`ifndef SYNTHESIS
  initial begin
    if (Width < 1)  $fatal(1, "%m: Width %0d; expected 1 or more", Width);
    if (Cycles < 0) $fatal(1, "%m: Cycles %0d; expected 0 or more", Cycles);
  end
`endif

endmodule

`default_nettype wire
