// pool_equation.v - what leaves is the maximum over a window's codes, from first to last: one of them, and none is larger.
`default_nettype none

module pool_equation #(
  parameter integer ActWidth = 4
) (
  input wire                  clk_i,
  input wire                  rst_ni,
  input wire                  valid_i,
  input wire                  first_i,
  input wire                  last_i,
  input wire [2*ActWidth-1:0] code_i,
  input wire                  watch_i  // watch this line's codes
);

  wire                  valid;
  wire [2*ActWidth-1:0] out;

  pool #(
    .Cols     (2),
    .ActWidth (ActWidth)
  ) u_dut (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .valid_i (valid_i),
    .first_i (first_i),
    .last_i  (last_i),
    .code_i  (code_i),
    .valid_o (valid),
    .code_o  (out)
  );

  initial assume (!rst_ni);

  reg told_q, open_q;
  always @(posedge clk_i) begin
    told_q <= rst_ni && valid_i && last_i;
    if (!rst_ni)      open_q <= 1'b0;
    else if (valid_i) open_q <= !last_i;
  end

  always @(*) begin
    if (valid_i && !open_q) assume (first_i);  // what SIM_CHECKS demands: a line outside a window begins one
    if (rst_ni) assert (valid == told_q);
    if (rst_ni && told_q) assert (!open_q);
  end

  genvar c;
  generate
    for (c = 0; c < 2; c = c + 1) begin : gen_col
      wire [ActWidth-1:0] code  = code_i[c*ActWidth +: ActWidth];
      wire [ActWidth-1:0] shown = out[c*ActWidth +: ActWidth];
      reg [ActWidth-1:0]  watched_q;  // a code of the present window, any one
      reg                 watch_q;

      always @(posedge clk_i) begin
        if (!rst_ni) begin
          watch_q <= 1'b0;
        end else if (valid_i) begin
          watch_q   <= watch_i || (watch_q && !first_i);
          watched_q <= (watch_i || first_i || !watch_q) ? code : watched_q;
        end
      end

      reg [ActWidth-1:0] most_q;  // the equation
      always @(posedge clk_i) if (valid_i) most_q <= first_i ? code : (code > most_q) ? code : most_q;

      always @(*) begin
        if (rst_ni && (open_q || told_q)) begin
          assert (shown == most_q);
          if (watch_q) assert (shown >= watched_q);
        end
        cover (rst_ni && told_q && watch_q && shown > watched_q);
      end
    end
  endgenerate

endmodule

`default_nettype wire
