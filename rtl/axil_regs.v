// axil_regs.v - the register map of the accelerator behind AXI4-Lite: control, status, counters, descriptor table.
// An access has an effect as a whole or answers SLVERR and has none. The map is in docs/rtl/accelerator.md.
// Latency: write response 2 cycles after address and data are both there, read data 1 cycle; an access every other cycle.
// Golden: model.golden.bus.Registers.
`default_nettype none

module axil_regs #(
  parameter integer Rows      = 8,      // what follows down to the derived ones is read by software, and bounds what it may write
  parameter integer Cols      = 8,
  parameter integer ActWidth  = 4,
  parameter integer WgtWidth  = 4,
  parameter integer PsumWidth = 20,
  parameter integer WgtLanes  = 2,
  parameter integer ActDepth  = 16384,
  parameter integer PsumDepth = 1024,
  parameter integer MulWidth  = 28,
  parameter integer BiasWidth = 36,
  parameter integer Layers    = 32,
  parameter integer WgtPower  = 0,
  parameter integer WgtZero   = 0,
  parameter integer WgtStep   = 1,
  parameter integer Simd      = 0,
  parameter integer OutputStationary = 0,
  // derived, leave them
  parameter integer ActAddrWidth  = (ActDepth > 1) ? $clog2(ActDepth) : 1,
  parameter integer DescAddrWidth = $clog2(Layers * 16)
) (
  input  wire                     clk_i,
  input  wire                     rst_ni,
  // AXI4-Lite; the lowest two address bits do not count
  input  wire [15:0]              s_axil_awaddr,
  input  wire [2:0]               s_axil_awprot,
  input  wire                     s_axil_awvalid,
  output wire                     s_axil_awready,
  input  wire [31:0]              s_axil_wdata,
  input  wire [3:0]               s_axil_wstrb,
  input  wire                     s_axil_wvalid,
  output wire                     s_axil_wready,
  output wire [1:0]               s_axil_bresp,
  output wire                     s_axil_bvalid,
  input  wire                     s_axil_bready,
  input  wire [15:0]              s_axil_araddr,
  input  wire [2:0]               s_axil_arprot,
  input  wire                     s_axil_arvalid,
  output wire                     s_axil_arready,
  output wire [31:0]              s_axil_rdata,
  output wire [1:0]               s_axil_rresp,
  output wire                     s_axil_rvalid,
  input  wire                     s_axil_rready,
  // run
  output wire                     start_o,
  output wire                     flush_o,  // throw weight words away; never during a run
  output wire [7:0]               first_o,
  output wire [7:0]               count_o,
  input  wire                     busy_i,
  input  wire                     done_i,   // one cycle, with or after busy's end
  input  wire [3:0]               error_i,
  input  wire [7:0]               layer_i,
  // descriptor table
  output wire                     desc_we_o,
  output wire [DescAddrWidth-1:0] desc_addr_o,
  output wire [31:0]              desc_wdata_o,
  // where the next activation line goes
  output wire [ActAddrWidth-1:0]  load_addr_o,
  input  wire                     load_take_i,
  // counters
  input  wire [31:0]              cycles_i,
  input  wire [31:0]              waiting_i,
  input  wire [31:0]              filling_i,
  input  wire [31:0]              writes_i,
  input  wire [31:0]              pixels_i
);

  // Word addresses: byte address / 4.
  localparam [13:0] Ctrl = 14'h00, Status = 14'h01, Range = 14'h02, LoadAddr = 14'h03, Cycles = 14'h04, Waiting = 14'h05,
                    Filling = 14'h06, Writes = 14'h07, Pixels = 14'h08, MacsLow = 14'h09, MacsHigh = 14'h0A,
                    Shape = 14'h0C, Widths = 14'h0D, ActLines = 14'h0E, PsumLines = 14'h0F, Modes = 14'h10,
                    Table = 14'h400;
  localparam integer TableEnd = 32'h400 + Layers * 16;
  localparam integer LastLine = ActDepth - 1;
  localparam integer Macs     = Rows * Cols;
  localparam [1:0]   Okay = 2'b00, SlaveError = 2'b10;

  // ---------------------------------------------------------------- writes: address and data are caught each by itself
  reg         aw_full_q, w_full_q, w_whole_q, b_valid_q;
  reg [13:0]  aw_word_q;
  reg [31:0]  w_data_q;
  reg [1:0]   b_resp_q;
  reg         allowed;  // the present write may have its effect
  wire        in_table = aw_word_q >= Table && {18'd0, aw_word_q} < TableEnd;
  wire        execute  = aw_full_q && w_full_q && !b_valid_q;
  wire        write    = execute && allowed;
  wire [13:0] table_word = aw_word_q - Table;

  always @(*) begin
    case (aw_word_q)
      Ctrl:     allowed = w_data_q[1:0] == 2'b00 || (w_data_q[1:0] != 2'b11 && !busy_i);
      Range:    allowed = !busy_i;
      LoadAddr: allowed = !busy_i && w_data_q <= LastLine;
      default:  allowed = !busy_i && in_table;
    endcase
    if (!w_whole_q) allowed = 1'b0;
  end

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      aw_full_q <= 1'b0;
      aw_word_q <= 14'd0;
      w_full_q  <= 1'b0;
      w_data_q  <= 32'd0;
      w_whole_q <= 1'b0;
      b_valid_q <= 1'b0;
      b_resp_q  <= Okay;
    end else begin
      if (execute) aw_full_q <= 1'b0;
      else if (s_axil_awvalid && s_axil_awready) begin
        aw_full_q <= 1'b1;
        aw_word_q <= s_axil_awaddr[15:2];
      end
      if (execute) w_full_q <= 1'b0;
      else if (s_axil_wvalid && s_axil_wready) begin
        w_full_q  <= 1'b1;
        w_data_q  <= s_axil_wdata;
        w_whole_q <= &s_axil_wstrb;
      end
      if (execute) begin
        b_valid_q <= 1'b1;
        b_resp_q  <= allowed ? Okay : SlaveError;
      end else if (s_axil_bready) begin
        b_valid_q <= 1'b0;
      end
    end
  end

  assign s_axil_awready = !aw_full_q;
  assign s_axil_wready  = !w_full_q;
  assign s_axil_bvalid  = b_valid_q;
  assign s_axil_bresp   = b_resp_q;

  // ---------------------------------------------------------------- what writes change
  reg                    done_q, flush_q;
  reg [7:0]              first_q, count_q;
  reg [ActAddrWidth-1:0] load_addr_q;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      done_q      <= 1'b0;
      flush_q     <= 1'b0;
      first_q     <= 8'd0;
      count_q     <= 8'd0;
      load_addr_q <= {ActAddrWidth{1'b0}};
    end else begin
      if (start_o)     done_q <= 1'b0;
      else if (done_i) done_q <= 1'b1;
      if (write && aw_word_q == Ctrl)  flush_q <= w_data_q[1];
      if (write && aw_word_q == Range) {count_q, first_q} <= w_data_q[15:0];
      if (write && aw_word_q == LoadAddr) load_addr_q <= w_data_q[ActAddrWidth-1:0];
      else if (load_take_i)
        load_addr_q <= (load_addr_q == LastLine[ActAddrWidth-1:0]) ? {ActAddrWidth{1'b0}} : load_addr_q + 1'b1;
    end
  end

  assign start_o      = write && aw_word_q == Ctrl && w_data_q[0];
  assign flush_o      = flush_q;
  assign first_o      = first_q;
  assign count_o      = count_q;
  assign load_addr_o  = load_addr_q;
  assign desc_we_o    = write && in_table;
  assign desc_addr_o  = table_word[DescAddrWidth-1:0];
  assign desc_wdata_o = w_data_q;

  // ---------------------------------------------------------------- reads
  reg         r_valid_q;
  reg [31:0]  r_data_q, r_data;
  reg [1:0]   r_resp_q, r_resp;
  wire [63:0] macs   = {32'd0, pixels_i} * {32'd0, Macs[31:0]};
  wire [31:0] layers = Layers - 1;

  always @(*) begin
    r_resp = Okay;
    case (s_axil_araddr[15:2])
      Ctrl:      r_data = {30'd0, flush_q, 1'b0};
      Status:    r_data = {8'd0, layer_i, 4'd0, error_i, 6'd0, done_q || done_i, busy_i};
      Range:     r_data = {16'd0, count_q, first_q};
      LoadAddr:  r_data = {{(32-ActAddrWidth){1'b0}}, load_addr_q};
      Cycles:    r_data = cycles_i;
      Waiting:   r_data = waiting_i;
      Filling:   r_data = filling_i;
      Writes:    r_data = writes_i;
      Pixels:    r_data = pixels_i;
      MacsLow:   r_data = macs[31:0];
      MacsHigh:  r_data = macs[63:32];
      Shape:     r_data = {WgtLanes[7:0], WgtWidth[3:0], ActWidth[3:0], Cols[7:0], Rows[7:0]};
      Widths:    r_data = {layers[7:0], BiasWidth[7:0], MulWidth[7:0], PsumWidth[7:0]};
      ActLines:  r_data = ActDepth;
      PsumLines: r_data = PsumDepth;
      Modes:     r_data = {13'd0, OutputStationary != 0, Simd != 0, WgtZero != 0, WgtStep[7:0], WgtPower[7:0]};
      default: begin
        r_data = 32'd0;
        r_resp = SlaveError;
      end
    endcase
  end

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      r_valid_q <= 1'b0;
      r_data_q  <= 32'd0;
      r_resp_q  <= Okay;
    end else if (s_axil_arvalid && s_axil_arready) begin
      r_valid_q <= 1'b1;
      r_data_q  <= r_data;
      r_resp_q  <= r_resp;
    end else if (s_axil_rready) begin
      r_valid_q <= 1'b0;
    end
  end

  assign s_axil_arready = !r_valid_q;
  assign s_axil_rvalid  = r_valid_q;
  assign s_axil_rdata   = r_data_q;
  assign s_axil_rresp   = r_resp_q;

  wire unused = &{1'b0, s_axil_awaddr[1:0], s_axil_awprot, s_axil_araddr[1:0], s_axil_arprot, table_word, layers};

`ifndef SYNTHESIS
  initial begin
    if (Rows < 1 || Rows > 255)           $fatal(1, "%m: Rows %0d; expected 1 to 255", Rows);
    if (Cols < 1 || Cols > 255)           $fatal(1, "%m: Cols %0d; expected 1 to 255", Cols);
    if (WgtLanes < 1 || WgtLanes > 255)   $fatal(1, "%m: WgtLanes %0d; expected 1 to 255", WgtLanes);
    if (ActWidth < 1 || ActWidth > 15)    $fatal(1, "%m: ActWidth %0d; expected 1 to 15", ActWidth);
    if (WgtWidth < 1 || WgtWidth > 15)    $fatal(1, "%m: WgtWidth %0d; expected 1 to 15", WgtWidth);
    if (PsumWidth < 1 || PsumWidth > 255) $fatal(1, "%m: PsumWidth %0d; expected 1 to 255", PsumWidth);
    if (MulWidth < 1 || MulWidth > 255)   $fatal(1, "%m: MulWidth %0d; expected 1 to 255", MulWidth);
    if (BiasWidth < 1 || BiasWidth > 255) $fatal(1, "%m: BiasWidth %0d; expected 1 to 255", BiasWidth);
    if (Layers < 1 || Layers > 256)       $fatal(1, "%m: Layers %0d; expected 1 to 256", Layers);
    if (WgtPower < 0 || WgtPower > 255)   $fatal(1, "%m: WgtPower %0d; expected 0 to 255", WgtPower);
    if (WgtStep < 0 || WgtStep > 255)     $fatal(1, "%m: WgtStep %0d; expected 0 to 255", WgtStep);
    if (ActDepth < 1)                     $fatal(1, "%m: ActDepth %0d; expected 1 or more", ActDepth);
  end
`endif

`ifdef SIM_CHECKS
  // What the other side owes each channel: no X, and a request stands unchanged until it is taken.
  reg        aw_wait_q, w_wait_q, ar_wait_q;
  reg [18:0] aw_was_q, ar_was_q;
  reg [35:0] w_was_q;

  always @(posedge clk_i) begin
    aw_wait_q <= rst_ni && s_axil_awvalid && !s_axil_awready;
    w_wait_q  <= rst_ni && s_axil_wvalid && !s_axil_wready;
    ar_wait_q <= rst_ni && s_axil_arvalid && !s_axil_arready;
    aw_was_q  <= {s_axil_awprot, s_axil_awaddr};
    w_was_q   <= {s_axil_wstrb, s_axil_wdata};
    ar_was_q  <= {s_axil_arprot, s_axil_araddr};
    if (rst_ni) begin
      if ((^{s_axil_awvalid, s_axil_wvalid, s_axil_bready, s_axil_arvalid, s_axil_rready}) === 1'bx)
        $fatal(1, "%m: X on a valid or ready");
      if (s_axil_awvalid && (^s_axil_awaddr) === 1'bx)              $fatal(1, "%m: X in a write address");
      if (s_axil_wvalid && (^{s_axil_wstrb, s_axil_wdata}) === 1'bx) $fatal(1, "%m: X in write data or strobes");
      if (s_axil_arvalid && (^s_axil_araddr) === 1'bx)              $fatal(1, "%m: X in a read address");
      if (aw_wait_q === 1'b1 && (!s_axil_awvalid || {s_axil_awprot, s_axil_awaddr} !== aw_was_q))
        $fatal(1, "%m: a write address was withdrawn or changed before it was taken");
      if (w_wait_q === 1'b1 && (!s_axil_wvalid || {s_axil_wstrb, s_axil_wdata} !== w_was_q))
        $fatal(1, "%m: write data were withdrawn or changed before they were taken");
      if (ar_wait_q === 1'b1 && (!s_axil_arvalid || {s_axil_arprot, s_axil_araddr} !== ar_was_q))
        $fatal(1, "%m: a read address was withdrawn or changed before it was taken");
    end
  end
`endif

endmodule

`default_nettype wire
