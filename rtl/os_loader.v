// os_loader.v - the stream of an output-stationary layer, taken apart: weights term by term to the array, {B, M} to requantize.
// Order: per output tile Cols * ParWords parameter words, then `passes` passes; a word holds Terms terms of Cols weights, the first
// lowest, and a pass begins with a new word. A word is taken beside the last of its terms that is used.
// Latency 0: the stream's word itself is what the array gets; no bubble of its own but a cycle for each parameter word.
// Golden: model.golden.os_blocks.deal_terms (where each word goes), model.program.os_stream.os_layer_stream (what is in it).
`default_nettype none

module os_loader #(
  parameter integer Terms     = 2,   // terms of a word
  parameter integer TermWidth = 32,  // bits of a term: Cols weights
  parameter integer Cols      = 8,   // columns with parameters
  parameter integer ColWidth  = 3,   // bits of a column's number
  parameter integer ParWords  = 1,   // words of a column's parameters
  parameter integer PassWidth = 20,  // bits of passes - 1
  parameter integer TileWidth = 10,  // bits of output tiles - 1
  // derived, leave it
  parameter integer PartWidth = (ParWords > 1) ? $clog2(ParWords) : 1
) (
  input  wire                       clk_i,
  input  wire                       rst_ni,
  // a layer begins: in the next cycle its first word may be taken
  input  wire                       start_i,
  input  wire                       stop_i,      // give the layer up
  input  wire [PassWidth-1:0]       passes_n_i,  // passes of an output tile - 1, stable while the layer runs
  input  wire [TileWidth-1:0]       tiles_n_i,   // output tiles - 1, likewise
  // stream
  input  wire                       valid_i,
  input  wire                       last_i,
  input  wire [Terms*TermWidth-1:0] data_i,
  output wire                       ready_o,
  // terms
  output wire                       term_ready_o,  // wgt_o is the next term's
  output wire [TermWidth-1:0]       wgt_o,
  input  wire                       term_i,        // it is used; only while ready
  input  wire                       term_last_i,   // it is its pass's last
  // parameters: the present word goes to requantize
  output wire                       par_valid_o,
  output wire [ColWidth-1:0]        par_col_o,
  output wire [PartWidth-1:0]       par_part_o,
  input  wire                       par_take_i,    // the parameters in the shadow become the active ones
  // the word taken is the layer's last although last_i is 0, or is not although it is 1
  output wire                       missing_o,
  output wire                       early_o
);

  localparam integer TermBits = (Terms > 1) ? $clog2(Terms) : 1;
  localparam integer LastTerm = Terms - 1;

  reg                  on_q;        // words of this layer are still to come
  reg  [PassWidth-1:0] pass_q;
  reg  [TileWidth-1:0] tile_q;
  reg                  par_q;       // the present word is a parameter
  reg   [TermBits-1:0] term_q;      // of the present word
  wire                 par_full;    // requantize's shadow holds parameters that wait for their swap
  wire                 par_done;    // the present word is the output tile's last parameter

  wire last_pass  = pass_q == passes_n_i;
  wire last_tile  = tile_q == tiles_n_i;
  wire word_done  = term_i && (term_last_i || term_q == LastTerm[TermBits-1:0]);
  wire pass_done  = term_i && term_last_i;
  wire taken      = valid_i && ready_o;
  wire layer_done = pass_done && last_pass && last_tile;

  assign ready_o      = on_q && (par_q ? !par_full : word_done);
  assign term_ready_o = on_q && !par_q && valid_i;
  assign wgt_o        = data_i[term_q*TermWidth +: TermWidth];
  assign par_valid_o  = taken && par_q;
  assign missing_o    = layer_done && !last_i;
  assign early_o      = taken && !layer_done && last_i;

  par_count #(
    .Cols     (Cols),
    .ColWidth (ColWidth),
    .ParWords (ParWords)
  ) u_par_count (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .clear_i (stop_i),
    .valid_i (par_valid_o),
    .take_i  (par_take_i),
    .col_o   (par_col_o),
    .part_o  (par_part_o),
    .done_o  (par_done),
    .full_o  (par_full)
  );

  always @(posedge clk_i) begin
    if (!rst_ni || stop_i) begin
      on_q   <= 1'b0;
      pass_q <= {PassWidth{1'b0}};
      tile_q <= {TileWidth{1'b0}};
      par_q  <= 1'b0;
    end else if (start_i) begin
      on_q   <= 1'b1;
      pass_q <= {PassWidth{1'b0}};
      tile_q <= {TileWidth{1'b0}};
      par_q  <= 1'b1;
    end else if (pass_done) begin
      on_q   <= !layer_done;
      pass_q <= last_pass ? {PassWidth{1'b0}} : pass_q + 1'b1;
      tile_q <= last_pass ? tile_q + 1'b1 : tile_q;
      par_q  <= last_pass;
    end else if (par_done) begin
      par_q  <= 1'b0;
    end
  end

  always @(posedge clk_i) begin
    if (!rst_ni || start_i || stop_i) begin
      term_q <= {TermBits{1'b0}};
    end else if (term_i) begin
      term_q <= word_done ? {TermBits{1'b0}} : term_q + 1'b1;
    end
  end

`ifndef SYNTHESIS
  initial if (Terms < 1) $fatal(1, "%m: Terms %0d; expected 1 or more", Terms);
`endif

`ifdef SIM_CHECKS
  always @(posedge clk_i) begin
    if (rst_ni) begin
      if ((^{start_i, stop_i, valid_i, term_i, par_take_i}) === 1'bx) $fatal(1, "%m: X on a control input");
      if (valid_i && last_i === 1'bx)  $fatal(1, "%m: X on last of a valid word");
      if (term_i && !term_ready_o)     $fatal(1, "%m: a term is used that is not there");
      if (start_i && on_q)             $fatal(1, "%m: a layer begins over one that has not ended");
      if (start_i && par_full)         $fatal(1, "%m: a layer begins over words that were not used");
    end
  end
`endif

endmodule

`default_nettype wire
