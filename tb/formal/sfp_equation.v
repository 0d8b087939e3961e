// sfp_equation.v - what leaves is the sum of a run of lines from its first to its last, rectified where that is asked for; and it is exact
// where the sums so far and the line have bounds that together fit the width.
`default_nettype none

module sfp_equation #(
  parameter integer PsumWidth = 20
) (
  input wire                          clk_i,
  input wire                          rst_ni,
  input wire                          valid_i,
  input wire                          first_i,
  input wire                          last_i,
  input wire                          relu_i,
  input wire        [2*PsumWidth-1:0] data_i,
  input wire signed [PsumWidth:0]     line_low_i,  // between these the line's first column is known to lie
  input wire signed [PsumWidth:0]     line_high_i
);

  localparam integer Wide = PsumWidth + 2;
  localparam signed [Wide-1:0] Most = (1 << (PsumWidth - 1)) - 1, Least = -(1 << (PsumWidth - 1));

  wire                   valid;
  wire [2*PsumWidth-1:0] out;

  sfp #(
    .Cols      (2),
    .PsumWidth (PsumWidth)
  ) u_dut (
    .clk_i       (clk_i),
    .rst_ni      (rst_ni),
    .valid_i     (valid_i),
    .first_i     (first_i),
    .last_i      (last_i),
    .relu_i      (relu_i),
    .data_i      (data_i),
    .out_valid_o (valid),
    .out_o       (out)
  );

  initial assume (!rst_ni);

  (* inside = "u_dut.acc_q" *) wire [2*PsumWidth-1:0] acc;

  reg told_q;
  always @(posedge clk_i) told_q <= rst_ni && valid_i && last_i;
  always @(*) if (rst_ni) assert (valid == told_q);

  genvar c;
  generate
    for (c = 0; c < 2; c = c + 1) begin : gen_col
      reg  [PsumWidth-1:0]        sum_q, out_q;
      wire [PsumWidth-1:0]        line = data_i[c*PsumWidth +: PsumWidth];
      wire signed [PsumWidth-1:0] sum  = (first_i ? {PsumWidth{1'b0}} : sum_q) + line;

      always @(posedge clk_i) begin
        if (!rst_ni) begin
          sum_q <= {PsumWidth{1'b0}};
          out_q <= {PsumWidth{1'b0}};
        end else if (valid_i) begin
          sum_q <= sum;
          if (last_i) out_q <= (relu_i && sum < 0) ? {PsumWidth{1'b0}} : sum;
        end
      end

      always @(*) begin
        if (rst_ni) assert (out[c*PsumWidth +: PsumWidth] == out_q);
        if (rst_ni) assert (acc[c*PsumWidth +: PsumWidth] == sum_q);
      end
    end
  endgenerate

  // Exact: the bounds of the lines of a sum add up, and as long as they fit so does the sum.
  reg                        bound_q;
  reg signed [Wide-1:0]      low_q, high_q, exact_q;
  wire signed [PsumWidth-1:0] column = data_i[PsumWidth-1:0];
  wire signed [PsumWidth-1:0] added  = acc[PsumWidth-1:0];
  wire signed [Wide-1:0]      low    = (first_i ? 0 : low_q) + line_low_i;
  wire signed [Wide-1:0]      high   = (first_i ? 0 : high_q) + line_high_i;

  always @(posedge clk_i) begin
    if (!rst_ni) bound_q <= 1'b0;
    else if (valid_i) begin
      bound_q <= (first_i || bound_q) && line_low_i <= 0 && line_high_i >= 0 && line_low_i <= column && column <= line_high_i
                 && Least <= low && high <= Most;
      low_q   <= low;
      high_q  <= high;
      exact_q <= (first_i ? 0 : exact_q) + column;
    end
  end

  always @(*) begin
    if (rst_ni && bound_q) begin
      assert (added == exact_q);
      assert (low_q <= exact_q && exact_q <= high_q && Least <= low_q && high_q <= Most);
    end
    cover (rst_ni && told_q && bound_q && exact_q == Most);
    cover (rst_ni && told_q && bound_q && exact_q == Least);
    cover (rst_ni && told_q && out == 0 && acc[PsumWidth-1]);
  end

endmodule

`default_nettype wire
