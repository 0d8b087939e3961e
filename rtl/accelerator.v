// accelerator.v - the engine behind AXI: registers on AXI4-Lite; activation lines, weights and results on AXI4-Stream.
// Every result equals model.golden.execute's. Register map, a driver's sequence and timing: docs/rtl/accelerator.md.
// Latency: a run begins with the cycle after its start's write is executed and then has the engine's timing (docs/rtl/sequencer.md).
// Golden: model.golden.bus.Registers (control), model.golden.execute.logits (results).
`default_nettype none

module accelerator #(
  parameter integer Rows        = 8,      // input channels of a tile
  parameter integer Cols        = 8,      // output channels of a tile; Rows divides Cols or Cols divides Rows
  parameter integer ActWidth    = 4,      // bits of an activation, unsigned
  parameter integer WgtWidth    = 4,      // bits of a weight
  parameter integer PsumWidth   = 20,     // bits of a psum, two's complement
  parameter integer WgtLanes    = 2,      // columns of weights in one word of the stream
  parameter integer ActDepth    = 16384,  // activation lines
  parameter integer PsumDepth   = 1024,   // psum lines: pixels of the longest pass
  parameter integer MulWidth    = 28,     // bits of M, two's complement
  parameter integer BiasWidth   = 36,     // bits of B, two's complement
  parameter integer Layers      = 32,     // descriptors
  parameter integer Simd        = 0,      // 1: layers of at most ActWidth/2 bits can be multiplied in pairs of input channels
  parameter integer ResultDepth = 16,     // lines of results that wait for m_axis_result, beside the newest
  parameter integer WgtPower    = 0,      // the weight format, see mac_tile
  parameter integer WgtZero     = 0,
  parameter integer WgtStep     = 1,
  parameter integer OutputStationary = 0,  // 1: both dataflows, as a descriptor asks
  // derived, leave them: stream words are whole bytes
  parameter integer ActStreamWidth = (Rows * ActWidth + 7) / 8 * 8,
  parameter integer WgtStreamWidth = (WgtLanes * Rows * WgtWidth + 7) / 8 * 8
) (
  input  wire                      clk_i,
  input  wire                      rst_ni,
  // control
  input  wire [15:0]               s_axil_awaddr,
  input  wire [2:0]                s_axil_awprot,
  input  wire                      s_axil_awvalid,
  output wire                      s_axil_awready,
  input  wire [31:0]               s_axil_wdata,
  input  wire [3:0]                s_axil_wstrb,
  input  wire                      s_axil_wvalid,
  output wire                      s_axil_wready,
  output wire [1:0]                s_axil_bresp,
  output wire                      s_axil_bvalid,
  input  wire                      s_axil_bready,
  input  wire [15:0]               s_axil_araddr,
  input  wire [2:0]                s_axil_arprot,
  input  wire                      s_axil_arvalid,
  output wire                      s_axil_arready,
  output wire [31:0]               s_axil_rdata,
  output wire [1:0]                s_axil_rresp,
  output wire                      s_axil_rvalid,
  input  wire                      s_axil_rready,
  // activation lines, to the address in LOAD_ADDR; taken while no run is under way
  input  wire [ActStreamWidth-1:0] s_axis_act_tdata,
  input  wire                      s_axis_act_tvalid,
  output wire                      s_axis_act_tready,
  input  wire                      s_axis_act_tlast,
  // weights and parameters, `last` with the last word of each layer
  input  wire [WgtStreamWidth-1:0] s_axis_wgt_tdata,
  input  wire                      s_axis_wgt_tvalid,
  output wire                      s_axis_wgt_tready,
  input  wire                      s_axis_wgt_tlast,
  // results, `last` with the last word of a run
  output wire [31:0]               m_axis_result_tdata,
  output wire                      m_axis_result_tvalid,
  input  wire                      m_axis_result_tready,
  output wire                      m_axis_result_tlast
);

  localparam integer ActBanks      = (Cols > Rows) ? Cols / Rows : 1;
  localparam integer ActAddrWidth  = (ActDepth > 1) ? $clog2(ActDepth) : 1;
  localparam integer LineAddrWidth = (ActDepth / ActBanks > 1) ? $clog2(ActDepth / ActBanks) : 1;
  localparam integer DescAddrWidth = $clog2(Layers * 16);
  localparam [3:0]   ErrLost       = 4'd5;

  // ---------------------------------------------------------------- control
  wire                     start, flush, busy, done;
  wire [7:0]               first, count, layer;
  wire [3:0]               engine_error;
  reg                      lost_q;  // a line of results found no room
  wire [3:0]               error = (engine_error == 4'd0 && lost_q) ? ErrLost : engine_error;
  wire                     desc_we;
  wire [DescAddrWidth-1:0] desc_addr;
  wire [31:0]              desc_wdata;
  wire [ActAddrWidth-1:0]  load_addr;
  wire [31:0]              cycles, waiting, filling, writes, pixels;

  axil_regs #(
    .Rows      (Rows),
    .Cols      (Cols),
    .ActWidth  (ActWidth),
    .WgtWidth  (WgtWidth),
    .PsumWidth (PsumWidth),
    .WgtLanes  (WgtLanes),
    .ActDepth  (ActDepth),
    .PsumDepth (PsumDepth),
    .MulWidth  (MulWidth),
    .BiasWidth (BiasWidth),
    .Layers    (Layers),
    .WgtPower  (WgtPower),
    .WgtZero   (WgtZero),
    .WgtStep   (WgtStep),
    .Simd      (Simd),
    .OutputStationary (OutputStationary)
  ) u_regs (
    .clk_i          (clk_i),
    .rst_ni         (rst_ni),
    .s_axil_awaddr  (s_axil_awaddr),
    .s_axil_awprot  (s_axil_awprot),
    .s_axil_awvalid (s_axil_awvalid),
    .s_axil_awready (s_axil_awready),
    .s_axil_wdata   (s_axil_wdata),
    .s_axil_wstrb   (s_axil_wstrb),
    .s_axil_wvalid  (s_axil_wvalid),
    .s_axil_wready  (s_axil_wready),
    .s_axil_bresp   (s_axil_bresp),
    .s_axil_bvalid  (s_axil_bvalid),
    .s_axil_bready  (s_axil_bready),
    .s_axil_araddr  (s_axil_araddr),
    .s_axil_arprot  (s_axil_arprot),
    .s_axil_arvalid (s_axil_arvalid),
    .s_axil_arready (s_axil_arready),
    .s_axil_rdata   (s_axil_rdata),
    .s_axil_rresp   (s_axil_rresp),
    .s_axil_rvalid  (s_axil_rvalid),
    .s_axil_rready  (s_axil_rready),
    .start_o        (start),
    .flush_o        (flush),
    .first_o        (first),
    .count_o        (count),
    .busy_i         (busy),
    .done_i         (done),
    .error_i        (error),
    .layer_i        (layer),
    .desc_we_o      (desc_we),
    .desc_addr_o    (desc_addr),
    .desc_wdata_o   (desc_wdata),
    .load_addr_o    (load_addr),
    .load_take_i    (s_axis_act_tvalid && s_axis_act_tready),
    .cycles_i       (cycles),
    .waiting_i      (waiting),
    .filling_i      (filling),
    .writes_i       (writes),
    .pixels_i       (pixels)
  );

  // ---------------------------------------------------------------- engine
  wire                     code_valid;
  wire [LineAddrWidth-1:0] code_addr;
  wire [Cols*ActWidth-1:0] code;
  wire                     result_valid, result_lost, wgt_ready;
  wire [Cols*32-1:0]       result;

  engine #(
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
    .MulWidth  (MulWidth),
    .BiasWidth (BiasWidth),
    .Layers    (Layers),
    .Simd      (Simd),
    .OutputStationary (OutputStationary)
  ) u_engine (
    .clk_i          (clk_i),
    .rst_ni         (rst_ni),
    .desc_we_i      (desc_we),
    .desc_addr_i    (desc_addr),
    .desc_wdata_i   (desc_wdata),
    .start_i        (start),
    .first_i        (first),
    .count_i        (count),
    .busy_o         (busy),
    .done_o         (done),
    .error_o        (engine_error),
    .layer_o        (layer),
    .load_valid_i   (s_axis_act_tvalid),
    .load_addr_i    (load_addr),
    .load_data_i    (s_axis_act_tdata[Rows*ActWidth-1:0]),
    .load_ready_o   (s_axis_act_tready),
    .wgt_valid_i    (s_axis_wgt_tvalid && !flush),
    .wgt_last_i     (s_axis_wgt_tlast),
    .wgt_data_i     (s_axis_wgt_tdata[WgtLanes*Rows*WgtWidth-1:0]),
    .wgt_ready_o    (wgt_ready),
    .code_valid_o   (code_valid),
    .code_addr_o    (code_addr),
    .code_o         (code),
    .result_valid_o (result_valid),
    .result_o       (result),
    .cycles_o       (cycles),
    .waiting_o      (waiting),
    .filling_o      (filling),
    .writes_o       (writes),
    .pixels_o       (pixels)
  );

  // Words left over from a run that failed can be thrown away: AXI lets nobody withdraw the one that waits at the port.
  assign s_axis_wgt_tready = wgt_ready || flush;

  // ---------------------------------------------------------------- results
  result_stream #(
    .Cols  (Cols),
    .Width (32),
    .Depth (ResultDepth)
  ) u_results (
    .clk_i    (clk_i),
    .rst_ni   (rst_ni),
    .valid_i  (result_valid),
    .line_i   (result),
    .end_i    (done),
    .lost_o   (result_lost),
    .tvalid_o (m_axis_result_tvalid),
    .tready_i (m_axis_result_tready),
    .tdata_o  (m_axis_result_tdata),
    .tlast_o  (m_axis_result_tlast)
  );

  always @(posedge clk_i) begin
    if (!rst_ni || start) lost_q <= 1'b0;
    else if (result_lost) lost_q <= 1'b1;
  end

  wire unused = &{1'b0, code_valid, code_addr, code, s_axis_act_tdata, s_axis_act_tlast, s_axis_wgt_tdata};

`ifndef SYNTHESIS
  initial begin
    if (ResultDepth < 1) $fatal(1, "%m: ResultDepth %0d; expected 1 or more", ResultDepth);
  end
`endif

`ifdef SIM_CHECKS
  // What the other side owes the streams; the register block has the same for its channels.
  reg                      act_wait_q, wgt_wait_q;
  reg [ActStreamWidth-1:0] act_was_q;
  reg [WgtStreamWidth:0]   wgt_was_q;

  always @(posedge clk_i) begin
    act_wait_q <= rst_ni && s_axis_act_tvalid && !s_axis_act_tready;
    wgt_wait_q <= rst_ni && s_axis_wgt_tvalid && !s_axis_wgt_tready;
    act_was_q  <= s_axis_act_tdata;
    wgt_was_q  <= {s_axis_wgt_tlast, s_axis_wgt_tdata};
    if (rst_ni) begin
      if ((^{s_axis_act_tvalid, s_axis_wgt_tvalid, m_axis_result_tready}) === 1'bx)
        $fatal(1, "%m: X on valid or ready of a stream");
      if (s_axis_act_tvalid && (^s_axis_act_tdata) === 1'bx)                     $fatal(1, "%m: X in an activation line");
      if (s_axis_wgt_tvalid && (^{s_axis_wgt_tlast, s_axis_wgt_tdata}) === 1'bx) $fatal(1, "%m: X in a weight word");
      if (act_wait_q === 1'b1 && (!s_axis_act_tvalid || s_axis_act_tdata !== act_was_q))
        $fatal(1, "%m: an activation line was withdrawn or changed before it was taken");
      if (wgt_wait_q === 1'b1 && (!s_axis_wgt_tvalid || {s_axis_wgt_tlast, s_axis_wgt_tdata} !== wgt_was_q))
        $fatal(1, "%m: a weight word was withdrawn or changed before it was taken");
    end
  end
`endif

endmodule

`default_nettype wire
