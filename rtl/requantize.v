// requantize.v - psums of Cols channels become codes: code = clamp((p*M[c] + B[c]) >>> S, 0, max); wide: the shifted value itself.
// M and B are double-buffered: words fill a shadow set, the line marked swap_i is the first to use it.
// Latency 2 cycles.
// Golden: model.numeric.fixed.requantize.
//
//   cycle n     sum line, with swap on the first of an output tile     product p*M registered
//   cycle n+1   + B, shifted, clamped                                  code registered
//   cycle n+2   valid_o
`default_nettype none

module requantize #(
  parameter integer Cols       = 8,   // channels of a line
  parameter integer ActWidth   = 4,   // bits of a code, unsigned
  parameter integer PsumWidth  = 20,  // bits of a psum, two's complement
  parameter integer MulWidth   = 28,  // bits of M, two's complement
  parameter integer BiasWidth  = 36,  // bits of B, two's complement
  parameter integer WideWidth  = 32,  // bits of a wide value, two's complement
  parameter integer WordWidth  = 64,  // bits of a parameter word
  parameter integer SideWidth  = 3,   // bits that accompany a line unchanged
  // derived, leave them
  parameter integer ParWords   = (MulWidth + BiasWidth + WordWidth - 1) / WordWidth,
  parameter integer PartWidth  = (ParWords > 1) ? $clog2(ParWords) : 1,
  parameter integer ColWidth   = (Cols > 1) ? $clog2(Cols) : 1
) (
  input  wire                      clk_i,
  input  wire                      rst_ni,
  // parameters of the next output tile: word par_part_i of column par_col_i, {B, M} with M lowest
  input  wire                      par_valid_i,
  input  wire [ColWidth-1:0]       par_col_i,
  input  wire [PartWidth-1:0]      par_part_i,
  input  wire [WordWidth-1:0]      par_data_i,
  // of the layer
  input  wire [5:0]                shift_i,
  input  wire [ActWidth-1:0]       max_i,
  // sums, column c at [c*PsumWidth +: PsumWidth]
  input  wire                      valid_i,
  input  wire                      swap_i,
  input  wire [SideWidth-1:0]      side_i,
  input  wire [Cols*PsumWidth-1:0] sum_i,
  // codes, column c at [c*ActWidth +: ActWidth], and the same values before the clamp
  output wire                      valid_o,
  output wire [SideWidth-1:0]      side_o,
  output reg  [Cols*ActWidth-1:0]  code_o,
  output reg  [Cols*WideWidth-1:0] wide_o
);

  localparam integer ParWidth   = MulWidth + BiasWidth;
  localparam integer ProdWidth  = PsumWidth + MulWidth;
  localparam integer TotalWidth = ((ProdWidth > BiasWidth) ? ProdWidth : BiasWidth) + 1;
  localparam integer FullWidth  = (TotalWidth > WideWidth) ? TotalWidth : WideWidth;

  reg                 mul_valid_q, code_valid_q;
  reg [SideWidth-1:0] mul_side_q, code_side_q;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      mul_valid_q  <= 1'b0;
      mul_side_q   <= {SideWidth{1'b0}};
      code_valid_q <= 1'b0;
      code_side_q  <= {SideWidth{1'b0}};
    end else begin
      mul_valid_q  <= valid_i;
      mul_side_q   <= side_i;
      code_valid_q <= mul_valid_q;
      code_side_q  <= mul_side_q;
    end
  end

  genvar c, p;
  generate
    for (c = 0; c < Cols; c = c + 1) begin : gen_col
      wire                          here = par_valid_i && par_col_i == c[ColWidth-1:0];
      reg  [ParWidth-1:0]           shadow_q, active_q;
      wire [ParWidth-1:0]           par = swap_i ? shadow_q : active_q;
      reg  signed [ProdWidth-1:0]   prod_q;
      reg  [ActWidth-1:0]           code_q;
      reg  [WideWidth-1:0]          wide_q;
      wire signed [FullWidth-1:0]   bias    = {{(FullWidth-BiasWidth){active_q[ParWidth-1]}}, active_q[MulWidth +: BiasWidth]};
      wire signed [FullWidth-1:0]   total   = {{(FullWidth-ProdWidth){prod_q[ProdWidth-1]}}, prod_q} + bias;
      wire signed [FullWidth-1:0]   shifted = total >>> shift_i;
      wire                          over    = |shifted[FullWidth-1:ActWidth] || shifted[ActWidth-1:0] > max_i;
      wire signed [ProdWidth-1:0]   mul     = {{PsumWidth{par[MulWidth-1]}}, par[0 +: MulWidth]};
      wire signed [ProdWidth-1:0]   sum     = {{MulWidth{sum_i[(c+1)*PsumWidth-1]}}, sum_i[c*PsumWidth +: PsumWidth]};

      for (p = 0; p < ParWords; p = p + 1) begin : gen_part
        localparam integer Low   = p * WordWidth;
        localparam integer Width = (ParWidth - Low < WordWidth) ? ParWidth - Low : WordWidth;  // the last need not be full
        always @(posedge clk_i) begin
          if (!rst_ni)                                     shadow_q[Low +: Width] <= {Width{1'b0}};
          else if (here && par_part_i == p[PartWidth-1:0]) shadow_q[Low +: Width] <= par_data_i[Width-1:0];
        end
      end

      always @(posedge clk_i) begin
        if (!rst_ni)                active_q <= {ParWidth{1'b0}};
        else if (valid_i && swap_i) active_q <= shadow_q;
      end

      always @(posedge clk_i) begin
        if (!rst_ni) begin
          prod_q <= {ProdWidth{1'b0}};
          code_q <= {ActWidth{1'b0}};
          wide_q <= {WideWidth{1'b0}};
        end else begin
          if (valid_i) prod_q <= sum * mul;
          if (mul_valid_q) begin
            wide_q <= shifted[WideWidth-1:0];
            code_q <= shifted[FullWidth-1] ? {ActWidth{1'b0}} : over ? max_i : shifted[ActWidth-1:0];
          end
        end
      end

      always @(*) code_o[c*ActWidth +: ActWidth]   = code_q;
      always @(*) wide_o[c*WideWidth +: WideWidth] = wide_q;
    end
  endgenerate

  wire unused = &{1'b0, par_data_i};  // where one word is more than a column's parameters

  assign valid_o = code_valid_q;
  assign side_o  = code_side_q;

`ifndef SYNTHESIS
  initial begin
    if (Cols < 1)          $fatal(1, "%m: Cols %0d; expected 1 or more", Cols);
    if (MulWidth < 2)      $fatal(1, "%m: MulWidth %0d; expected 2 or more", MulWidth);
    if (BiasWidth < 2)     $fatal(1, "%m: BiasWidth %0d; expected 2 or more", BiasWidth);
    if (WordWidth < 1)     $fatal(1, "%m: WordWidth %0d; expected 1 or more", WordWidth);
    if (ParWords > 256)    $fatal(1, "%m: %0d words of parameters a column; expected 256 or fewer", ParWords);
  end
`endif

`ifdef SIM_CHECKS
  localparam integer LastCol  = Cols - 1;
  localparam integer LastPart = ParWords - 1;
  integer i;
  reg     any_col, any_part;  // the parameter word's column, and part, is there

  always @(*) begin
    any_col  = 1'b0;
    any_part = 1'b0;
    for (i = 0; i < Cols; i = i + 1)     any_col  = any_col || par_col_i == i[ColWidth-1:0];
    for (i = 0; i < ParWords; i = i + 1) any_part = any_part || par_part_i == i[PartWidth-1:0];
  end

  always @(posedge clk_i) begin
    if (rst_ni) begin
      if ((^{valid_i, par_valid_i}) === 1'bx) $fatal(1, "%m: X on a valid");
      if (valid_i && (^{swap_i, side_i, sum_i, shift_i, max_i}) === 1'bx) $fatal(1, "%m: X beside a valid sum");
      if (par_valid_i && (^{par_col_i, par_part_i, par_data_i}) === 1'bx) $fatal(1, "%m: X in a parameter word");
      if (par_valid_i && !(any_col && any_part))
        $fatal(1, "%m: parameter word %0d of column %0d; expected word 0 to %0d, column 0 to %0d",
               par_part_i, par_col_i, LastPart, LastCol);
    end
  end
`endif

endmodule

`default_nettype wire
