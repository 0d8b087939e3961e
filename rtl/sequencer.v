// sequencer.v - walks the loop nest of each layer's descriptor and issues one pixel instruction a cycle.
// The address of a pixel is in_start + sum of index * step; outside 0..height-1, 0..width-1 it is padding. See docs/rtl/sequencer.md.
// Latency: start_i to the first pixel 14 cycles and the first weight tile; FETCH 13 and DRAIN DrainCycles cycles a layer.
// Output stationary, a pass is the terms of a group of Rows pixels, level 7 walks the groups. See docs/rtl/output_stationary.md.
// Golden: model.program.interpret.Interpreter (what), model.golden.cycles.layer_cycles (when).
//
//   IDLE   until start_i
//   FETCH  reads the descriptor's 12 words, one a cycle; its last cycle starts walker and loader
//   RUN    a pixel a cycle; the first of a weight tile waits until the tile is in the array's shadow registers
//   DRAIN  until the last code is in memory; then FETCH of the next layer, or IDLE
`default_nettype none

module sequencer #(
  parameter integer ActAddrWidth  = 14,    // bits of an activation address, {bank, line}
  parameter integer LineAddrWidth = 14,    // bits of a line's address within a bank
  parameter integer PsumAddrWidth = 10,    // bits of a psum address
  parameter integer PsumDepth     = 1024,  // psum lines: pixels of the longest pass
  parameter integer ActWidth      = 4,     // bits of a code
  parameter integer DrainCycles   = 20,    // from the last pixel to the last code in memory
  parameter integer Layers        = 32,    // descriptors in the table, 256 at most
  parameter integer Simd          = 0,     // 1: the array can multiply pairs
  parameter integer OutputStationary = 0,  // 1: a descriptor may ask for either dataflow
  parameter integer Rows          = 8,     // of the array; of no use without OutputStationary
  // derived, leave them
  parameter integer DescAddrWidth = $clog2(Layers * 16)
) (
  input  wire                     clk_i,
  input  wire                     rst_ni,
  // control: run layers first_i .. first_i + count_i - 1
  input  wire                     start_i,
  input  wire [7:0]               first_i,
  input  wire [7:0]               count_i,
  output wire                     busy_o,
  output wire                     done_o,      // one cycle, at the end of a run
  output wire [3:0]               error_o,     // 0 none; stays until the next start
  output wire [7:0]               layer_o,     // in work
  output wire                     waiting_o,   // RUN, but the weights are not there yet
  output wire                     filling_o,   // FETCH or DRAIN
  // descriptor table, read latency 1
  output wire                     desc_re_o,
  output wire [DescAddrWidth-1:0] desc_addr_o,
  input  wire [31:0]              desc_data_i,
  // loader
  output wire                     load_start_o,
  output wire                     load_stop_o,
  output wire [19:0]              passes_n_o,
  output wire [9:0]               tiles_n_o,
  input  wire                     tile_ready_i,
  output wire                     take_o,
  input  wire                     missing_i,
  input  wire                     early_i,
  // dataflow
  output wire                     os_layer_o,  // the descriptor's, from the last cycle of FETCH on
  output wire                     os_o,        // the array's: not in FETCH or IDLE
  output wire [7:0]               window_n_o,  // output stationary: lines of a pooling window - 1
  // pixel instruction; output stationary, a term
  output wire                     x_valid_o,
  output wire                     x_last_o,    // output stationary: the last of a group
  output wire                     x_swap_o,
  output wire                     x_zero_o,
  output wire [ActAddrWidth-1:0]  x_addr_o,
  output wire                     p_acc_o,
  output wire [1:0]               p_plane_o,
  output wire [PsumAddrWidth-1:0] p_addr_o,
  output wire                     p_final_o,   // its sum is complete
  output wire                     p_swap_o,    // ... and the first of an output tile
  output wire                     p_first_o,   // first and last pixel of a pooling window
  output wire                     p_last_o,
  // settings of the layer, stable from its first pixel to its last code
  output wire [5:0]               shift_o,
  output wire [ActWidth-1:0]      max_o,
  output wire                     wide_o,
  output wire [LineAddrWidth-1:0] out_base_o,
  output wire [13:0]              out_map_n_o,
  output wire                     simd_o,      // it multiplies pairs; changes while the array is empty, in FETCH
  output wire                     out_pair_o   // its output is read in pairs
);

  localparam integer Levels     = 9;
  localparam integer CountWidth = 10;
  localparam integer CoordWidth = 11;
  localparam integer Words      = 12;
  localparam integer LastLine   = PsumDepth - 1;
  localparam integer LastDrain  = DrainCycles - 1;
  localparam integer LastOsDrain = DrainCycles + Rows - 1;  // a group leaves the array in Rows cycles
  localparam integer LongDrain   = (OutputStationary != 0) ? LastOsDrain : LastDrain;
  localparam integer StepWidth   = $clog2(((LongDrain > Words) ? LongDrain : Words) + 1);

  localparam [1:0] Idle = 2'd0, Fetch = 2'd1, Run = 2'd2, Drain = 2'd3;

  localparam [3:0] ErrNone = 4'd0, ErrPass = 4'd1, ErrEarly = 4'd2, ErrMissing = 4'd3, ErrRange = 4'd4,
                   ErrMode = 4'd6, ErrLoops = 4'd7;  // 5 is the accelerator's

  reg  [1:0]  state_q, state_d;
  reg  [7:0]  layer_q, left_q;      // present layer; layers after it
  reg  [StepWidth-1:0] step_q;      // cycles in FETCH or DRAIN
  reg  [3:0]  error_q;
  reg         done_q;
  reg  [31:0] word_q [0:Words-1];   // the descriptor

  wire        fetch_end = state_q == Fetch && step_q == Words[StepWidth-1:0];
  wire        os        = OutputStationary != 0 && word_q[9][13];
  wire        drain_end = state_q == Drain && step_q == (os ? LastOsDrain[StepWidth-1:0] : LastDrain[StepWidth-1:0]);
  wire        bad_range = count_i == 8'd0 || {24'd0, first_i} + {24'd0, count_i} > Layers;
  wire        start     = state_q == Idle && start_i;
  wire        run_end;
  wire [3:0]  error_d;
  wire        failed    = state_q == Run && error_d != ErrNone;

  always @(*) begin
    state_d = state_q;
    case (state_q)
      Idle:    if (start && !bad_range)  state_d = Fetch;
      Fetch:   if (fetch_end)            state_d = Run;
      Run:     if (run_end || failed)    state_d = Drain;
      default: if (drain_end)            state_d = (left_q == 8'd0 || error_q != ErrNone) ? Idle : Fetch;
    endcase
  end

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
      step_q  <= {StepWidth{1'b0}};
      layer_q <= 8'd0;
      left_q  <= 8'd0;
      error_q <= ErrNone;
      done_q  <= 1'b0;
    end else begin
      state_q <= state_d;
      step_q  <= (state_d != state_q || state_q == Idle || state_q == Run) ? {StepWidth{1'b0}} : step_q + 1'b1;
      done_q  <= (start && bad_range) || (drain_end && state_d == Idle);
      if (start) begin
        layer_q <= first_i;
        left_q  <= count_i - 8'd1;
        error_q <= bad_range ? ErrRange : ErrNone;
      end else if (failed) begin
        error_q <= error_d;
      end else if (drain_end && state_d == Fetch) begin
        layer_q <= layer_q + 8'd1;
        left_q  <= left_q - 8'd1;
      end
    end
  end

  assign desc_re_o   = state_q == Fetch && step_q != Words[StepWidth-1:0];
  assign desc_addr_o = {layer_q[DescAddrWidth-5:0], step_q[3:0]};

  genvar w;
  generate
    for (w = 0; w < Words; w = w + 1) begin : gen_word
      localparam integer Step = w + 1;  // in which the table answers
      always @(posedge clk_i) begin
        if (!rst_ni)                                                word_q[w] <= 32'd0;
        else if (state_q == Fetch && step_q == Step[StepWidth-1:0]) word_q[w] <= desc_data_i;
      end
    end
  endgenerate

  // ---------------------------------------------------------------- the descriptor's fields, innermost level lowest
  wire [Levels*CountWidth-1:0]   count_n = {
    word_q[2][29:20], word_q[2][19:10], 8'd0, word_q[2][9:8], 6'd0, word_q[2][7:4], 6'd0, word_q[2][3:0],
    word_q[1][27:18], word_q[1][17:8], 6'd0, os ? 4'd0 : word_q[1][7:4], 6'd0, os ? 4'd0 : word_q[1][3:0]};
  wire [Levels*16-1:0]           step16 = {
    4'd0, word_q[10][31:20], word_q[6][31:16], word_q[6][15:0], word_q[5][31:16], word_q[5][15:0],
    word_q[4][31:16], word_q[4][15:0], word_q[3][31:16], word_q[3][15:0]};
  wire [Levels*8-1:0]            y_step8 = {24'd0, word_q[7][31:24], 8'd0, word_q[7][23:16], 8'd0, word_q[7][15:8], 8'd0};
  wire [Levels*8-1:0]            x_step8 = {32'd0, word_q[8][31:24], 8'd0, word_q[8][23:16], 8'd0, word_q[8][15:8]};
  wire [Levels*ActAddrWidth-1:0] addr_step;
  wire [Levels*CoordWidth-1:0]   y_step, x_step;
  wire [CoordWidth-1:0]          y, x;
  wire [Levels*CountWidth-1:0]   index;
  wire [Levels-1:0]              first, last;

  genvar l;
  generate
    for (l = 0; l < Levels; l = l + 1) begin : gen_step
      assign addr_step[l*ActAddrWidth +: ActAddrWidth] = step16[l*16 +: ActAddrWidth];
      assign y_step[l*CoordWidth +: CoordWidth] = {{(CoordWidth-8){y_step8[l*8+7]}}, y_step8[l*8 +: 8]};
      assign x_step[l*CoordWidth +: CoordWidth] = {{(CoordWidth-8){x_step8[l*8+7]}}, x_step8[l*8 +: 8]};
    end
  endgenerate

  walker #(
    .Levels     (Levels),
    .CountWidth (CountWidth),
    .AddrWidth  (ActAddrWidth),
    .CoordWidth (CoordWidth),
    .StepsAddr  (32'b111111111),
    .StepsY     (32'b000101010),
    .StepsX     (32'b000010101)
  ) u_walker (
    .clk_i        (clk_i),
    .rst_ni       (rst_ni),
    .count_n_i    (count_n),
    .addr_step_i  (addr_step),
    .y_step_i     (y_step),
    .x_step_i     (x_step),
    .addr_start_i (word_q[0][ActAddrWidth-1:0]),
    .y_start_i    ({{(CoordWidth-8){word_q[7][7]}}, word_q[7][7:0]}),
    .x_start_i    ({{(CoordWidth-8){word_q[8][7]}}, word_q[8][7:0]}),
    .start_i      (fetch_end),
    .take_i       (x_valid_o),
    .addr_o       (x_addr_o),
    .y_o          (y),
    .x_o          (x),
    .index_o      (index),
    .first_o      (first),
    .last_o       (last)
  );

  // ---------------------------------------------------------------- the pixel
  wire pass_first = &first[3:0];
  wire pass_last  = &last[3:0];

  wire bad_mode   = (Simd == 0 && (simd_o || out_pair_o)) || (OutputStationary == 0 && word_q[9][13]);  // not built in

  // Output stationary a pass is a group's terms: each needs its weights, the last one waits until the group in front has left its rows.
  wire held;
  generate
    if (OutputStationary != 0) begin : gen_os
      localparam integer GapWidth = (Rows > 1) ? $clog2(Rows) : 1;
      localparam integer LastGap  = Rows - 1;
      reg [GapWidth-1:0] gap_q;
      always @(posedge clk_i) begin
        if (!rst_ni || state_q != Run)         gap_q <= {GapWidth{1'b0}};
        else if (x_valid_o && x_last_o)        gap_q <= LastGap[GapWidth-1:0];
        else if (gap_q != {GapWidth{1'b0}})    gap_q <= gap_q - 1'b1;
      end
      assign held = os && (!tile_ready_i || (pass_last && gap_q != {GapWidth{1'b0}}));
    end else begin : gen_ws
      assign held = 1'b0;
    end
  endgenerate

  assign x_valid_o = state_q == Run && (os ? !held : !pass_first || tile_ready_i) && !bad_mode;
  assign x_last_o  = os && pass_last;
  assign x_swap_o  = pass_first;
  assign x_zero_o  = y[CoordWidth-1] || x[CoordWidth-1] ||
                     y > word_q[9][CoordWidth-1:0] || x > word_q[9][16 +: CoordWidth];
  assign p_acc_o   = os ? !first[6] : !(&first[7:4]);  // output stationary, level 7 counts groups, not passes of one sum
  assign p_plane_o = word_q[11][16] ? index[6*CountWidth +: 2] : 2'd0;
  assign p_final_o = os ? last[6] : &last[7:4];
  assign p_swap_o  = p_final_o && (os ? first[7] : pass_first);
  assign p_first_o = &first[1:0];
  assign p_last_o  = &last[1:0];
  assign run_end   = x_valid_o && (&last);

  reg [PsumAddrWidth-1:0] line_q;  // of the pixel within its pass
  always @(posedge clk_i) begin
    if (!rst_ni || state_q != Run || os) line_q <= {PsumAddrWidth{1'b0}};
    else if (x_valid_o)            line_q <= pass_last ? {PsumAddrWidth{1'b0}} : line_q + 1'b1;
  end
  assign p_addr_o = line_q;

  // The loader goes by the descriptor's count of passes, the walker by its loops: where they differ, the run would end over words that
  // are still to come, or wait for words that nobody takes any more. A pass is an output tile's last by both, or by neither.
  reg [19:0] pass_q;  // of the output tile
  always @(posedge clk_i) begin
    if (!rst_ni || state_q != Run)   pass_q <= 20'd0;
    else if (x_valid_o && pass_last) pass_q <= (&last[7:4]) ? 20'd0 : pass_q + 20'd1;
  end
  wire bad_passes = x_valid_o && pass_first && (&last[7:4]) != (pass_q == word_q[10][19:0]);

  assign error_d = bad_mode ? ErrMode : bad_passes ? ErrLoops :
                   (x_valid_o && !os && !pass_last && line_q == LastLine[PsumAddrWidth-1:0]) ? ErrPass :
                   early_i ? ErrEarly : missing_i ? ErrMissing : ErrNone;

  assign busy_o       = state_q != Idle;
  assign done_o       = done_q;
  assign error_o      = error_q;
  assign layer_o      = layer_q;
  assign waiting_o    = state_q == Run && !x_valid_o;
  assign filling_o    = state_q == Fetch || state_q == Drain;
  assign load_start_o = fetch_end;
  assign load_stop_o  = failed;
  assign passes_n_o   = word_q[10][19:0];
  assign tiles_n_o    = word_q[2][29:20];
  assign take_o       = x_valid_o && (os || pass_first);  // output stationary: a term
  assign os_layer_o   = os;
  assign os_o         = os && (state_q == Run || state_q == Drain);
  assign window_n_o   = word_q[1][7:0];
  assign shift_o      = word_q[11][5:0];
  assign max_o        = word_q[11][8 +: ActWidth];
  assign wide_o       = word_q[11][17];
  assign out_base_o   = word_q[0][16 +: LineAddrWidth];
  assign out_map_n_o  = word_q[11][31:18];
  assign simd_o       = word_q[9][11];
  assign out_pair_o   = word_q[9][12];

  wire unused = &{1'b0, step16, index, first[Levels-1]};

`ifndef SYNTHESIS
  initial begin
    if (Layers < 2 || Layers > 256)  $fatal(1, "%m: Layers %0d; expected 2 to 256", Layers);
    if (ActAddrWidth > 16)           $fatal(1, "%m: ActAddrWidth %0d; expected 16 or less", ActAddrWidth);
    if (ActWidth > 8)                $fatal(1, "%m: ActWidth %0d; expected 8 or less", ActWidth);
    if (OutputStationary != 0 && DrainCycles + Rows > 255)
      $fatal(1, "%m: DrainCycles %0d, Rows %0d; expected 255 or less together", DrainCycles, Rows);
    if (DrainCycles < 1 || DrainCycles > 255) $fatal(1, "%m: DrainCycles %0d; expected 1 to 255", DrainCycles);
  end
`endif

`ifdef SIM_CHECKS
  always @(posedge clk_i) begin
    if (rst_ni) begin
      if ((^{start_i, tile_ready_i, missing_i, early_i}) === 1'bx) $fatal(1, "%m: X on a control input");
      if (state_q == Fetch && step_q != {StepWidth{1'b0}} && (^desc_data_i) === 1'bx)
        $fatal(1, "%m: word %0d of descriptor %0d was never written", step_q - 1'b1, layer_q);
    end
  end
`endif

endmodule

`default_nettype wire
