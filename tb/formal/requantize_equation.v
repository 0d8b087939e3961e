// requantize_equation.v - a line's codes are clamp((p*M + B) >>> S, 0, max) of its own psums and its own tile's M and B, for all of them.
// The total is formed here one bit wider than it can need. Parameter words may come at any time; the line marked swap is the first to
// use what came before its own cycle.
`default_nettype none

module requantize_equation #(
  parameter integer Cols      = 2,
  parameter integer ActWidth  = 4,
  parameter integer PsumWidth = 20,
  parameter integer MulWidth  = 28,
  parameter integer BiasWidth = 36,
  parameter integer WordWidth = 64,
  // derived, leave it
  parameter integer PartWidth = (MulWidth + BiasWidth > WordWidth) ? $clog2((MulWidth + BiasWidth + WordWidth - 1) / WordWidth) : 1
) (
  input wire                      clk_i,
  input wire                      rst_ni,
  input wire                      par_valid_i,
  input wire                      par_col_i,
  input wire [PartWidth-1:0]      par_part_i,
  input wire [WordWidth-1:0]      par_data_i,
  input wire [5:0]                shift_i,
  input wire [ActWidth-1:0]       max_i,
  input wire                      valid_i,
  input wire                      swap_i,
  input wire [2:0]                side_i,
  input wire [Cols*PsumWidth-1:0] sum_i
);

  localparam integer ParWidth   = MulWidth + BiasWidth;
  localparam integer Parts      = (ParWidth + WordWidth - 1) / WordWidth;
  localparam integer ProdWidth  = PsumWidth + MulWidth;  // holds every product: |p*M| <= 2^(P-1) * 2^(M-1) < 2^(P+M-1)
  localparam integer TotalWidth = ((ProdWidth > BiasWidth) ? ProdWidth : BiasWidth) + 2;

  wire                     valid;
  wire [2:0]               side;
  wire [Cols*ActWidth-1:0] code;
  wire [Cols*32-1:0]       wide;

  requantize #(
    .Cols      (Cols),
    .ActWidth  (ActWidth),
    .PsumWidth (PsumWidth),
    .MulWidth  (MulWidth),
    .BiasWidth (BiasWidth),
    .WordWidth (WordWidth)
  ) u_dut (
    .clk_i       (clk_i),
    .rst_ni      (rst_ni),
    .par_valid_i (par_valid_i),
    .par_col_i   (par_col_i),
    .par_part_i  (par_part_i),
    .par_data_i  (par_data_i),
    .shift_i     (shift_i),
    .max_i       (max_i),
    .valid_i     (valid_i),
    .swap_i      (swap_i),
    .side_i      (side_i),
    .sum_i       (sum_i),
    .valid_o     (valid),
    .side_o      (side),
    .code_o      (code),
    .wide_o      (wide)
  );

  initial assume (!rst_ni);
  always @(*) assume (par_part_i < Parts);

  reg       valid_q, told_q;
  reg [2:0] side_q, beside_q;

  always @(posedge clk_i) begin
    if (!rst_ni) {valid_q, told_q, side_q, beside_q} <= 8'd0;
    else         {valid_q, told_q, side_q, beside_q} <= {valid_i, valid_q, side_i, side_q};
  end

  (* inside = "u_dut.mul_valid_q" *)      wire mul_valid;
  (* inside = "u_dut.mul_side_q" *)       wire [2:0] mul_side;
  (* inside = "u_dut.gen_col[0].shadow_q" *) wire [Parts*WordWidth-1:0] shadow_0;
  (* inside = "u_dut.gen_col[1].shadow_q" *) wire [Parts*WordWidth-1:0] shadow_1;
  (* inside = "u_dut.gen_col[0].active_q" *) wire [ParWidth-1:0] active_0;
  (* inside = "u_dut.gen_col[1].active_q" *) wire [ParWidth-1:0] active_1;
  (* inside = "u_dut.gen_col[0].prod_q" *)   wire [ProdWidth-1:0] prod_0;
  (* inside = "u_dut.gen_col[1].prod_q" *)   wire [ProdWidth-1:0] prod_1;

  always @(*) begin
    if (rst_ni) begin
      assert (valid == told_q && side == beside_q);
      assert (mul_valid == valid_q && mul_side == side_q);
    end
  end

  genvar c;
  generate
    for (c = 0; c < Cols; c = c + 1) begin : gen_col
      reg [Parts*WordWidth-1:0]  shadow_q;  // what came
      reg [ParWidth-1:0]         tile_q;    // of the present tile
      reg signed [ProdWidth-1:0] prod_q;    // of a line, and what is added to it
      reg signed [BiasWidth-1:0] bias_q;
      reg [ActWidth-1:0]         code_q;
      reg [31:0]                 wide_q;
      // The block's own copies, asserted below to equal these: the solver then sees one multiplier where there would be two.
      wire [Parts*WordWidth-1:0] shadow = (c == 0) ? shadow_0 : shadow_1;
      wire [ParWidth-1:0]        active = (c == 0) ? active_0 : active_1;
      wire [ParWidth-1:0]        par    = swap_i ? shadow[ParWidth-1:0] : active;

      wire signed [PsumWidth-1:0]  psum    = sum_i[c*PsumWidth +: PsumWidth];
      wire signed [MulWidth-1:0]   mul     = par[0 +: MulWidth];
      wire signed [TotalWidth-1:0] total   = prod_q + bias_q;
      wire signed [TotalWidth-1:0] shifted = total >>> shift_i;
      wire signed [TotalWidth-1:0] most    = $signed({1'b0, max_i});
      wire signed [TotalWidth-1:0] clamped = (shifted < 0) ? 0 : (shifted > most) ? most : shifted;

      always @(posedge clk_i) begin
        if (!rst_ni) begin
          shadow_q <= 0;
          tile_q   <= 0;
          prod_q   <= 0;
          bias_q   <= 0;
          code_q   <= 0;
          wide_q   <= 0;
        end else begin
          if (par_valid_i && par_col_i == c) shadow_q[par_part_i*WordWidth +: WordWidth] <= par_data_i;
          if (valid_i && swap_i) tile_q <= shadow_q[ParWidth-1:0];
          if (valid_i) begin
            prod_q <= psum * mul;
            bias_q <= par[MulWidth +: BiasWidth];
          end
          if (valid_q) begin
            code_q <= clamped[ActWidth-1:0];
            wide_q <= shifted[31:0];
          end
        end
      end

      always @(*) begin
        if (rst_ni) begin
          assert (code[c*ActWidth +: ActWidth] == code_q);
          assert (wide[c*32 +: 32] == wide_q);
          // what makes it inductive
          assert (shadow == shadow_q);
          assert (active == tile_q);
          assert (((c == 0) ? prod_0 : prod_1) == prod_q);
          if (valid_q) assert (tile_q[MulWidth +: BiasWidth] == bias_q);
        end
      end

      always @(*) begin
        cover (rst_ni && told_q && code_q == 1 && wide_q == 1);
        cover (rst_ni && told_q && code_q == 0 && wide_q[31]);
        cover (rst_ni && valid_q && shifted > most && bias_q < 0);
      end
    end
  endgenerate

endmodule

`default_nettype wire
