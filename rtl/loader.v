// loader.v - the stream of a layer's words, taken apart: weight flits to the array, {B, M} of an output tile to requantize.
// Order: per output tile, `passes` weight tiles of Groups flits; right before the last of them Cols * ParWords parameter words.
// A weight tile of a layer of pairs is Groups flits for the low halves, then Groups for the high ones.
// A flit is taken while the array's shadow registers are free, a parameter word while requantize's are.
// Latency 0: a word goes on in the cycle in which it is taken; no bubble of its own.
// Golden: model.golden.blocks.deal (where each word goes), model.program.stream.layer_stream (what is in it).
//
//   tile_ready_o   the shadow holds a whole tile, or does so with the flit of this very cycle: a swap may be issued now
//   take_i         the swap is issued: the shadow is free from the next cycle on
`default_nettype none

module loader #(
  parameter integer Groups     = 4,   // flits of a weight tile
  parameter integer GroupWidth = 2,   // bits of a flit's number, with Simd the highest one for the half
  parameter integer Simd       = 0,   // 1: there are layers of pairs
  parameter integer Cols       = 8,   // columns with parameters
  parameter integer ColWidth   = 3,   // bits of a column's number
  parameter integer ParWords   = 1,   // words of a column's parameters
  parameter integer PassWidth  = 20,  // bits of passes - 1
  parameter integer TileWidth  = 10,  // bits of output tiles - 1
  // derived, leave it
  parameter integer PartWidth  = (ParWords > 1) ? $clog2(ParWords) : 1
) (
  input  wire                  clk_i,
  input  wire                  rst_ni,
  // a layer begins: in the next cycle its first word may be taken
  input  wire                  start_i,
  input  wire                  stop_i,      // give the layer up
  input  wire                  simd_i,      // the layer is one of pairs, stable while it runs
  input  wire [PassWidth-1:0]  passes_n_i,  // weight tiles of an output tile - 1, stable while the layer runs
  input  wire [TileWidth-1:0]  tiles_n_i,   // output tiles - 1, likewise
  // stream
  input  wire                  valid_i,
  input  wire                  last_i,
  output wire                  ready_o,
  // where the present word goes; data goes there directly
  output wire                  wgt_valid_o,
  output wire [GroupWidth-1:0] wgt_group_o,
  output wire                  par_valid_o,
  output wire [ColWidth-1:0]   par_col_o,
  output wire [PartWidth-1:0]  par_part_o,
  // double buffers
  output wire                  tile_ready_o,
  input  wire                  take_i,      // the tile in the shadow becomes the active one
  input  wire                  par_take_i,  // so do the parameters
  // the word taken is the layer's last although last_i is 0, or is not although it is 1
  output wire                  missing_o,
  output wire                  early_o
);

  localparam integer ColBits   = GroupWidth - ((Simd != 0) ? 1 : 0);
  localparam integer LastGroup = Groups - 1;

  reg                  on_q;         // words of this layer are still to come
  reg  [PassWidth-1:0] pass_q;
  reg  [TileWidth-1:0] tile_q;
  reg                  par_q;        // the present word is a parameter
  reg    [ColBits-1:0] group_q;
  reg                  high_q;       // the present flit is for high halves
  reg                  full_q;       // the array's shadow holds a tile that waits for its swap
  wire                 par_full;     // so does requantize's
  wire                 par_done;     // the present word is the output tile's last parameter

  wire last_pass  = pass_q == passes_n_i;
  wire last_tile  = tile_q == tiles_n_i;
  wire last_group = group_q == LastGroup[ColBits-1:0];
  wire last_half  = Simd == 0 || !simd_i || high_q;
  wire taken      = valid_i && ready_o;
  wire flit       = taken && !par_q;
  wire tile_done  = flit && last_group && last_half;
  wire layer_done = tile_done && last_pass && last_tile;
  // Whether the pass after this one begins with parameters: it is an output tile's last.
  wire par_next   = last_pass ? (passes_n_i == {PassWidth{1'b0}}) : (pass_q + 1'b1 == passes_n_i);

  assign ready_o      = on_q && (par_q ? !par_full : !full_q);
  assign wgt_valid_o  = flit;
  generate
    if (Simd != 0) begin : gen_half
      assign wgt_group_o = {high_q, group_q};
    end else begin : gen_whole
      wire unused = &{1'b0, simd_i, high_q};
      assign wgt_group_o = group_q;
    end
  endgenerate
  assign par_valid_o  = taken && par_q;
  assign tile_ready_o = full_q || tile_done;
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
      par_q  <= passes_n_i == {PassWidth{1'b0}};
    end else if (tile_done) begin
      on_q   <= !layer_done;
      pass_q <= last_pass ? {PassWidth{1'b0}} : pass_q + 1'b1;
      tile_q <= last_pass ? tile_q + 1'b1 : tile_q;
      par_q  <= par_next;
    end else if (par_done) begin
      par_q  <= 1'b0;
    end
  end

  always @(posedge clk_i) begin
    if (!rst_ni || start_i || stop_i) begin
      group_q <= {ColBits{1'b0}};
      high_q  <= 1'b0;
    end else begin
      if (flit) group_q <= last_group ? {ColBits{1'b0}} : group_q + 1'b1;
      if (flit && last_group) high_q <= !last_half;
    end
  end

  always @(posedge clk_i) begin
    if (!rst_ni || start_i || stop_i) full_q <= 1'b0;
    else                              full_q <= tile_ready_o && !take_i;
  end

`ifndef SYNTHESIS
  initial begin
    if (Groups < 1 || Groups > (1 << ColBits))    $fatal(1, "%m: Groups %0d; expected 1 to %0d", Groups, 1 << ColBits);
  end
`endif

`ifdef SIM_CHECKS
  reg stopped_q;  // sums under way at a stop still swap the parameters, which went with it
  always @(posedge clk_i) stopped_q <= rst_ni && (stop_i || (stopped_q && !start_i));

  always @(posedge clk_i) begin
    if (rst_ni) begin
      if ((^{start_i, stop_i, valid_i, take_i, par_take_i, on_q && simd_i}) === 1'bx) $fatal(1, "%m: X on a control input");
      if (valid_i && last_i === 1'bx)      $fatal(1, "%m: X on last of a valid word");
      if (take_i && !tile_ready_o)         $fatal(1, "%m: a swap without a whole tile in the shadow");
      if (par_take_i && !par_full && !stopped_q) $fatal(1, "%m: a swap of parameters that are not there");
      if (start_i && on_q)                 $fatal(1, "%m: a layer begins over one that has not ended");
      if (start_i && (full_q || par_full)) $fatal(1, "%m: a layer begins over words that were not used");
    end
  end
`endif

endmodule

`default_nettype wire
