// engine.v - runs layers from descriptors: sequencer and loader drive the core; sums are requantized, pooled and written back.
// Every code equals model.golden.execute's: code = pool(clamp((p*M + B) >>> S, 0, max)), p the layer's psum. See docs/rtl/sequencer.md.
// Latency: a pixel's sum is at requantize Rows + Cols cycles after its instruction, its code in memory 3 cycles later.
// Golden: model.program.interpret.Interpreter, model.golden.execute.finish; cycles: model.golden.cycles.layer_cycles.
`default_nettype none

module engine #(
  parameter integer Rows      = 8,      // input channels of a tile
  parameter integer Cols      = 8,      // output channels of a tile; Rows divides Cols or Cols divides Rows
  parameter integer ActWidth  = 4,      // bits of an activation, unsigned
  parameter integer WgtWidth  = 4,      // bits of a weight
  parameter integer PsumWidth = 20,     // bits of a psum, two's complement
  parameter integer WgtLanes  = 2,      // columns of weights in one word of the stream
  parameter integer ActDepth  = 16384,  // activation lines
  parameter integer PsumDepth = 1024,   // psum lines: pixels of the longest pass
  parameter integer MulWidth  = 28,     // bits of M, two's complement
  parameter integer BiasWidth = 36,     // bits of B, two's complement
  parameter integer Layers    = 32,     // descriptors
  parameter integer OutputStationary = 0,  // 1: a descriptor may ask for either dataflow; Cols divides WgtLanes * Rows
  parameter integer WgtPower  = 0,      // the weight format, see mac_tile
  parameter integer WgtZero   = 0,
  parameter integer WgtStep   = 1,
  parameter integer Simd      = 0,      // 1: layers of at most ActWidth/2 bits can be multiplied in pairs of input channels
  // derived, leave them
  parameter integer ActBanks      = (Cols > Rows) ? Cols / Rows : 1,
  parameter integer ActSegs       = (Rows > Cols) ? Rows / Cols : 1,
  parameter integer ActAddrWidth  = (ActDepth > 1) ? $clog2(ActDepth) : 1,
  parameter integer LineAddrWidth = (ActDepth / ActBanks > 1) ? $clog2(ActDepth / ActBanks) : 1,
  parameter integer DescAddrWidth = $clog2(Layers * 16)
) (
  input  wire                              clk_i,
  input  wire                              rst_ni,
  // descriptor table: word w of layer l at l*16 + w
  input  wire                              desc_we_i,
  input  wire [DescAddrWidth-1:0]          desc_addr_i,
  input  wire [31:0]                       desc_wdata_i,
  // control
  input  wire                              start_i,
  input  wire [7:0]                        first_i,
  input  wire [7:0]                        count_i,
  output wire                              busy_o,
  output wire                              done_o,
  output wire [3:0]                        error_o,
  output wire [7:0]                        layer_o,
  // activation lines from outside, while not busy; address {bank, line}
  input  wire                              load_valid_i,
  input  wire [ActAddrWidth-1:0]           load_addr_i,
  input  wire [Rows*ActWidth-1:0]          load_data_i,
  output wire                              load_ready_o,
  // weight and parameter stream
  input  wire                              wgt_valid_i,
  input  wire                              wgt_last_i,
  input  wire [WgtLanes*Rows*WgtWidth-1:0] wgt_data_i,
  output wire                              wgt_ready_o,
  // codes as they are written to memory, column c at [c*ActWidth +: ActWidth]; address of the line in its bank
  output wire                              code_valid_o,
  output wire [LineAddrWidth-1:0]          code_addr_o,
  output wire [Cols*ActWidth-1:0]          code_o,
  // wide values of a layer that gives logits, column c at [c*32 +: 32]
  output wire                              result_valid_o,
  output wire [Cols*32-1:0]                result_o,
  // counters of the present or last run: cycles = waiting + filling + pixels
  output wire [31:0]                       cycles_o,
  output wire [31:0]                       waiting_o,
  output wire [31:0]                       filling_o,
  output wire [31:0]                       writes_o,
  output wire [31:0]                       pixels_o
);

  localparam integer Groups        = (Cols + WgtLanes - 1) / WgtLanes;
  localparam integer GroupWidth    = ((Groups > 1) ? $clog2(Groups) : 1) + ((Simd != 0) ? 1 : 0);
  localparam integer ActHalves     = (Simd != 0) ? 2 : 1;
  localparam integer ColWidth      = (Cols > 1) ? $clog2(Cols) : 1;
  localparam integer PsumAddrWidth = (PsumDepth > 1) ? $clog2(PsumDepth) : 1;
  localparam integer WordWidth     = WgtLanes * Rows * WgtWidth;
  localparam integer ParWords      = (MulWidth + BiasWidth + WordWidth - 1) / WordWidth;
  localparam integer PartWidth     = (ParWords > 1) ? $clog2(ParWords) : 1;
  localparam integer WideWidth     = 32;
  localparam integer SideWidth     = 4;
  localparam integer LineWidth     = Rows * ActWidth;
  localparam integer LastWidth     = (OutputStationary != 0) ? 1 : 0;

  // ---------------------------------------------------------------- descriptors
  wire                     desc_re;
  wire [DescAddrWidth-1:0] desc_addr;
  wire [31:0]              desc_data;

  sram #(
    .Width (32),
    .Depth (Layers * 16)
  ) u_desc_mem (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .we_i    (desc_we_i),
    .waddr_i (desc_addr_i),
    .wdata_i (desc_wdata_i),
    .re_i    (desc_re),
    .raddr_i (desc_addr),
    .rdata_o (desc_data)
  );

  // ---------------------------------------------------------------- control
  wire                     waiting, filling;
  wire                     load_start, load_stop, tile_ready, take, missing, early;
  wire [19:0]              passes_n;
  wire [9:0]               tiles_n;
  wire                     x_valid, x_swap, x_zero, p_acc, p_final, p_swap, p_first, p_last;
  wire [ActAddrWidth-1:0]  x_addr;
  wire [1:0]               p_plane;
  wire [PsumAddrWidth-1:0] p_addr;
  wire [5:0]               shift;
  wire [ActWidth-1:0]      max;
  wire                     wide;
  wire [LineAddrWidth-1:0] out_base;
  wire [13:0]              out_map_n;
  wire                     simd, out_pair;
  wire                     os_layer, os, x_last;
  wire [7:0]               window_n;
  wire                     term_ready, os_missing, os_early;

  sequencer #(
    .ActAddrWidth  (ActAddrWidth),
    .LineAddrWidth (LineAddrWidth),
    .PsumAddrWidth (PsumAddrWidth),
    .PsumDepth     (PsumDepth),
    .ActWidth      (ActWidth),
    .DrainCycles   (Rows + Cols + 4),
    .Layers        (Layers),
    .Simd          (Simd),
    .OutputStationary (OutputStationary),
    .Rows          (Rows)
  ) u_sequencer (
    .clk_i        (clk_i),
    .rst_ni       (rst_ni),
    .start_i      (start_i),
    .first_i      (first_i),
    .count_i      (count_i),
    .busy_o       (busy_o),
    .done_o       (done_o),
    .error_o      (error_o),
    .layer_o      (layer_o),
    .waiting_o    (waiting),
    .filling_o    (filling),
    .desc_re_o    (desc_re),
    .desc_addr_o  (desc_addr),
    .desc_data_i  (desc_data),
    .load_start_o (load_start),
    .load_stop_o  (load_stop),
    .passes_n_o   (passes_n),
    .tiles_n_o    (tiles_n),
    .tile_ready_i (os ? term_ready : tile_ready),
    .take_o       (take),
    .missing_i    (missing || os_missing),
    .early_i      (early || os_early),
    .os_layer_o   (os_layer),
    .os_o         (os),
    .window_n_o   (window_n),
    .x_last_o     (x_last),
    .x_valid_o    (x_valid),
    .x_swap_o     (x_swap),
    .x_zero_o     (x_zero),
    .x_addr_o     (x_addr),
    .p_acc_o      (p_acc),
    .p_plane_o    (p_plane),
    .p_addr_o     (p_addr),
    .p_final_o    (p_final),
    .p_swap_o     (p_swap),
    .p_first_o    (p_first),
    .p_last_o     (p_last),
    .shift_o      (shift),
    .max_o        (max),
    .wide_o       (wide),
    .out_base_o   (out_base),
    .out_map_n_o  (out_map_n),
    .simd_o       (simd),
    .out_pair_o   (out_pair)
  );

  // ---------------------------------------------------------------- weights and parameters
  wire                  flit_valid, par_valid;
  wire [GroupWidth-1:0] flit_group;
  wire [ColWidth-1:0]   par_col;
  wire [PartWidth-1:0]  par_part;
  wire                  sum_swap;
  wire                  ws_ready, ws_par_valid;
  wire [ColWidth-1:0]   ws_par_col;
  wire [PartWidth-1:0]  ws_par_part;
  wire [WordWidth-1:0]  core_wgt;

  loader #(
    .Groups     (Groups),
    .GroupWidth (GroupWidth),
    .Simd       (Simd),
    .Cols       (Cols),
    .ColWidth   (ColWidth),
    .ParWords   (ParWords)
  ) u_loader (
    .clk_i        (clk_i),
    .rst_ni       (rst_ni),
    .start_i      (load_start && !os_layer),
    .stop_i       (load_stop),
    .simd_i       (simd),
    .passes_n_i   (passes_n),
    .tiles_n_i    (tiles_n),
    .valid_i      (wgt_valid_i),
    .last_i       (wgt_last_i),
    .ready_o      (ws_ready),
    .wgt_valid_o  (flit_valid),
    .wgt_group_o  (flit_group),
    .par_valid_o  (ws_par_valid),
    .par_col_o    (ws_par_col),
    .par_part_o   (ws_par_part),
    .tile_ready_o (tile_ready),
    .take_i       (take && !os),
    .par_take_i   (sum_swap && !os),
    .missing_o    (missing),
    .early_o      (early)
  );

  generate
    if (OutputStationary != 0) begin : gen_os_loader
      localparam integer Terms     = WgtLanes * Rows / Cols;  // in a word
      localparam integer TermWidth = Cols * WgtWidth;
      wire [TermWidth-1:0] term_wgt;
      wire                 os_ready, os_par_valid;
      wire [ColWidth-1:0]  os_par_col;
      wire [PartWidth-1:0] os_par_part;

      os_loader #(
        .Terms     (Terms),
        .TermWidth (TermWidth),
        .Cols      (Cols),
        .ColWidth  (ColWidth),
        .ParWords  (ParWords)
      ) u_os_loader (
        .clk_i        (clk_i),
        .rst_ni       (rst_ni),
        .start_i      (load_start && os_layer),
        .stop_i       (load_stop),
        .passes_n_i   (passes_n),
        .tiles_n_i    (tiles_n),
        .valid_i      (wgt_valid_i),
        .last_i       (wgt_last_i),
        .data_i       (wgt_data_i),
        .ready_o      (os_ready),
        .term_ready_o (term_ready),
        .wgt_o        (term_wgt),
        .term_i       (take && os),
        .term_last_i  (x_last),
        .par_valid_o  (os_par_valid),
        .par_col_o    (os_par_col),
        .par_part_o   (os_par_part),
        .par_take_i   (sum_swap && os),
        .missing_o    (os_missing),
        .early_o      (os_early)
      );

      // only one of the two loaders runs
      assign wgt_ready_o = ws_ready || os_ready;
      assign par_valid   = ws_par_valid || os_par_valid;
      assign par_col     = os ? os_par_col : ws_par_col;
      assign par_part    = os ? os_par_part : ws_par_part;
      if (Terms > 1) begin : gen_wide
        assign core_wgt = os ? {{(WordWidth-TermWidth){1'b0}}, term_wgt} : wgt_data_i;
      end else begin : gen_whole
        assign core_wgt = wgt_data_i;
        wire unused_term = &{1'b0, term_wgt};
      end

`ifndef SYNTHESIS
      initial if (WgtLanes * Rows % Cols != 0)
        $fatal(1, "%m: WgtLanes %0d, Rows %0d, Cols %0d; expected words of whole terms", WgtLanes, Rows, Cols);
`endif
    end else begin : gen_ws_loader
      wire unused_os = &{1'b0, os, x_last, window_n};
      assign term_ready  = 1'b0;
      assign os_missing  = 1'b0;
      assign os_early    = 1'b0;
      assign wgt_ready_o = ws_ready;
      assign par_valid   = ws_par_valid;
      assign par_col     = ws_par_col;
      assign par_part    = ws_par_part;
      assign core_wgt    = wgt_data_i;
    end
  endgenerate

  // ---------------------------------------------------------------- datapath
  wire                          act_load = load_valid_i && load_ready_o;
  wire                          code_write;
  wire [LineAddrWidth-1:0]      code_addr;
  wire [ActHalves*ActSegs-1:0]  code_seg;
  wire [ActBanks*ActHalves*ActSegs-1:0] act_we;
  wire [ActBanks*LineWidth-1:0] act_wdata;
  wire                          sum_valid;
  wire [Cols*PsumWidth-1:0]     sum;
  wire [SideWidth-1:0]          sum_side;
  wire [Cols*PsumWidth-1:0]     psum_unused, out_unused;
  wire                          out_valid_unused;

  assign load_ready_o = !busy_o;

  genvar b, s, h;
  generate
    for (b = 0; b < ActBanks; b = b + 1) begin : gen_bank
      for (s = 0; s < ActSegs; s = s + 1) begin : gen_seg
        localparam integer SegWidth = LineWidth / ActSegs;
        localparam integer At       = b * LineWidth + s * SegWidth;
        // the lowest segment written is the tile's own and takes the codes; those above it take zeros
        wire [SegWidth-1:0] code_part = code_o[((ActSegs > 1) ? 0 : At) +: SegWidth];
        wire                load_here = act_load && (ActBanks == 1 || (load_addr_i >> LineAddrWidth) == b);
        wire                own       = s == 0 || !code_seg[(s > 0) ? s - 1 : 0];
        wire [SegWidth-1:0] own_part;
        for (h = 0; h < ActHalves; h = h + 1) begin : gen_half
          assign act_we[(b*ActHalves + h)*ActSegs + s] = load_here || (code_write && code_seg[h*ActSegs + s]);
        end
        if (ActHalves == 1) begin : gen_whole
          assign own_part = own ? code_part : {SegWidth{1'b0}};
        end else begin : gen_halves
          // A reader of pairs finds the codes of its upper input channels in the high halves, which the tiles after those
          // of all low halves fill.
          localparam integer HalfWidth = ActWidth / 2;
          wire               own_high = out_pair ? !code_seg[ActSegs + s - 1] : own;
          reg [SegWidth-1:0] filled;
          integer i;
          always @(*) begin
            for (i = 0; i < SegWidth / ActWidth; i = i + 1) begin
              filled[i*ActWidth +: HalfWidth] = own ? code_part[i*ActWidth +: HalfWidth] : {HalfWidth{1'b0}};
              filled[i*ActWidth + HalfWidth +: HalfWidth] =
                  !own_high ? {HalfWidth{1'b0}} :
                  out_pair  ? code_part[i*ActWidth +: HalfWidth] : code_part[i*ActWidth + HalfWidth +: HalfWidth];
            end
          end
          assign own_part = filled;
        end
        assign act_wdata[At +: SegWidth] = act_load ? load_data_i[s*SegWidth +: SegWidth] : own_part;
      end
    end
  endgenerate

  wire [12+SideWidth+ActAddrWidth+2*PsumAddrWidth:0] plain_inst = {
    x_valid, x_swap, x_addr, p_acc, 1'b0, 1'b0, p_addr, 5'd0, {PsumAddrWidth{1'b0}},
    x_zero, p_plane, p_final, p_swap, p_first, p_last};
  wire [12+SideWidth+ActAddrWidth+2*PsumAddrWidth+LastWidth:0] inst;
  generate
    if (OutputStationary != 0) begin : gen_os_inst
      assign inst = {plain_inst, x_last};
    end else begin : gen_ws_inst
      assign inst = plain_inst;
    end
  endgenerate

  core #(
    .Rows      (Rows),
    .Cols      (Cols),
    .ActWidth  (ActWidth),
    .WgtWidth  (WgtWidth),
    .WgtPower  (WgtPower),
    .WgtZero   (WgtZero),
    .WgtStep   (WgtStep),
    .PsumWidth (PsumWidth),
    .WgtLanes  (WgtLanes),
    .ActDepth  (ActDepth),
    .PsumDepth (PsumDepth),
    .ActBanks  (ActBanks),
    .ActSegs   (ActSegs),
    .ActHalves (ActHalves),
    .Simd      (Simd),
    .SideWidth (SideWidth),
    .OutputStationary (OutputStationary)
  ) u_core (
    .clk_i        (clk_i),
    .rst_ni       (rst_ni),
    .simd_i       (simd),
    .os_i         (os),
    .act_we_i     (act_we),
    .act_waddr_i  (act_load ? load_addr_i[LineAddrWidth-1:0] : code_addr),
    .act_wdata_i  (act_wdata),
    .wgt_valid_i  (flit_valid),
    .wgt_group_i  (flit_group),
    .wgt_i        (core_wgt),
    .inst_i       (inst),
    .psum_valid_o (sum_valid),
    .psum_o       (psum_unused),
    .sum_o        (sum),
    .sum_side_o   (sum_side),
    .out_valid_o  (out_valid_unused),
    .out_o        (out_unused)
  );

  // ---------------------------------------------------------------- psums become codes
  wire                      line_final = sum_valid && sum_side[3];
  wire                      final_valid, final_swap, final_first, final_last;
  wire                      code_valid, pool_valid, code_first, code_last;
  wire [Cols*ActWidth-1:0]  code;
  wire [Cols*WideWidth-1:0] code_wide;
  reg  [Cols*WideWidth-1:0] wide_q;
  reg                       start_q;

  generate
    if (OutputStationary != 0) begin : gen_os_window
      wire keep, swap, first, last;

      os_window #(
        .Rows (Rows)
      ) u_window (
        .clk_i      (clk_i),
        .rst_ni     (rst_ni),
        .start_i    (load_start),
        .window_n_i (window_n),
        .map_n_i    (out_map_n),
        .valid_i    (line_final && os),
        .begins_i   (sum_side[2]),
        .swap_o     (swap),
        .keep_o     (keep),
        .first_o    (first),
        .last_o     (last)
      );

      assign final_valid = line_final && (!os || keep);
      assign {final_swap, final_first, final_last} = os ? {swap, first, last} : sum_side[2:0];
    end else begin : gen_ws_window
      assign final_valid = line_final;
      assign {final_swap, final_first, final_last} = sum_side[2:0];
    end
  endgenerate

  assign sum_swap = final_valid && final_swap;

  requantize #(
    .Cols      (Cols),
    .ActWidth  (ActWidth),
    .PsumWidth (PsumWidth),
    .MulWidth  (MulWidth),
    .BiasWidth (BiasWidth),
    .WideWidth (WideWidth),
    .WordWidth (WordWidth),
    .SideWidth (2)
  ) u_requantize (
    .clk_i       (clk_i),
    .rst_ni      (rst_ni),
    .par_valid_i (par_valid),
    .par_col_i   (par_col),
    .par_part_i  (par_part),
    .par_data_i  (wgt_data_i),
    .shift_i     (shift),
    .max_i       (max),
    .valid_i     (final_valid),
    .swap_i      (sum_swap),
    .side_i      ({final_first, final_last}),
    .sum_i       (sum),
    .valid_o     (code_valid),
    .side_o      ({code_first, code_last}),
    .code_o      (code),
    .wide_o      (code_wide)
  );

  pool #(
    .Cols     (Cols),
    .ActWidth (ActWidth)
  ) u_pool (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .valid_i (code_valid),
    .first_i (code_first),
    .last_i  (code_last),
    .code_i  (code),
    .valid_o (pool_valid),
    .code_o  (code_o)
  );

  // The descriptor is whole one cycle after load_start; no code can be there before.
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      start_q <= 1'b0;
      wide_q  <= {(Cols*WideWidth){1'b0}};
    end else begin
      start_q <= load_start;
      if (code_valid && wide) wide_q <= code_wide;
    end
  end

  writeback #(
    .AddrWidth (LineAddrWidth),
    .Segs      (ActSegs),
    .Halves    (ActHalves)
  ) u_writeback (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .start_i (start_q),
    .base_i  (out_base),
    .map_n_i (out_map_n),
    .pair_i  (out_pair),
    .valid_i (code_write),
    .addr_o  (code_addr),
    .seg_o   (code_seg)
  );

  assign code_write     = pool_valid && !wide;
  assign code_valid_o   = code_write;
  assign code_addr_o    = code_addr;
  assign result_valid_o = pool_valid && wide;
  assign result_o       = wide_q;

  // ---------------------------------------------------------------- counters
  counters #(
    .Events (5),
    .Width  (32)
  ) u_counters (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .clear_i (start_i && !busy_o),
    .event_i ({busy_o, waiting, filling, pool_valid, x_valid}),
    .count_o ({cycles_o, waiting_o, filling_o, writes_o, pixels_o})
  );

  wire unused = &{1'b0, psum_unused, out_valid_unused, out_unused};

`ifndef SYNTHESIS
  initial begin
    if (Cols % Rows != 0 && Rows % Cols != 0)
      $fatal(1, "%m: Rows %0d, Cols %0d; expected one to divide the other", Rows, Cols);
  end
`endif

endmodule

`default_nettype wire
