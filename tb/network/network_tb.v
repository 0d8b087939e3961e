// network_tb.v - feeds jobs to an engine and compares every code it writes and every logit it gives; no Python while it runs.
// Everything comes from the working folder by $readmemh: jobs.hex, desc.hex, load.hex, stream.hex, code.hex, result.hex.
// A job is eight 32-bit words: load lines, first descriptor, layers, stream words, codes, results, stall (of 256), and where in
// the stream file its words begin; the jobs take their parts of the other files one after another. One line of output a layer, one a mismatch (ten at most), one a job.
`default_nettype none

module network_tb;
  parameter integer Rows      = 8;
  parameter integer Cols      = 8;
  parameter integer ActWidth  = 4;
  parameter integer WgtWidth  = 4;
  parameter integer PsumWidth = 20;
  parameter integer WgtLanes  = 2;
  parameter integer ActDepth  = 16384;
  parameter integer PsumDepth = 1024;
  parameter integer MulWidth  = 28;
  parameter integer BiasWidth = 36;
  parameter integer Layers    = 32;
  parameter integer WgtPower  = 0;
  parameter integer WgtZero   = 0;
  parameter integer WgtStep   = 1;
  parameter integer Simd      = 0;
  parameter integer OutputStationary = 0;
  // entries of the files, at least one each
  parameter integer Jobs        = 1;
  parameter integer Descriptors = 32;  // of all jobs; they are written to the table before a job that needs others
  parameter integer LoadLines   = 1;
  parameter integer StreamWords = 1;
  parameter integer CodeLines   = 1;
  parameter integer ResultLines = 1;
  parameter integer Compare     = 1;  // 0: only feed, for a benchmark of what comparing costs

  localparam integer ActBanks      = (Cols > Rows) ? Cols / Rows : 1;
  localparam integer ActAddrWidth  = (ActDepth > 1) ? $clog2(ActDepth) : 1;
  localparam integer LineAddrWidth = (ActDepth / ActBanks > 1) ? $clog2(ActDepth / ActBanks) : 1;
  localparam integer DescAddrWidth = $clog2(Layers * 16);
  localparam integer LineWidth     = Rows * ActWidth;
  localparam integer CodeWidth     = Cols * ActWidth;
  localparam integer WordWidth     = WgtLanes * Rows * WgtWidth;
  localparam integer Patience      = 100000;  // cycles without a pixel before a run counts as hung

  // 32-bit address, or flag, above the data; a hexadecimal digit holds 4 bits, so every file's word is whole digits
  reg [31:0]           job_mem    [0:Jobs*8-1];
  reg [31:0]           desc_mem   [0:Descriptors*16-1];
  reg [32+LineWidth-1:0] load_mem [0:LoadLines-1];
  reg [4+WordWidth-1:0]  word_mem [0:StreamWords-1];
  reg [32+CodeWidth-1:0] code_mem [0:CodeLines-1];
  reg [Cols*32-1:0]    result_mem [0:ResultLines-1];

  reg clk = 1'b0;
  reg rst_n = 1'b0;
  always #5 clk = !clk;

  reg                      desc_we = 1'b0, start = 1'b0, load_valid = 1'b0;
  reg  [DescAddrWidth-1:0] desc_addr = {DescAddrWidth{1'b0}};
  reg  [31:0]              desc_wdata = 32'd0;
  reg  [7:0]               first = 8'd0, count = 8'd0;
  reg  [ActAddrWidth-1:0]  load_addr = {ActAddrWidth{1'b0}};
  reg  [LineWidth-1:0]     load_data = {LineWidth{1'b0}};
  reg                      word_valid = 1'b0, word_seek = 1'b0;
  wire                     busy, done, load_ready, word_ready, code_valid, result_valid;
  wire [3:0]               error;
  wire [7:0]               layer;
  wire [LineAddrWidth-1:0] code_addr;
  wire [CodeWidth-1:0]     code;
  wire [Cols*32-1:0]       result;
  wire [31:0]              cycles, waiting, filling, writes, pixels;

  integer job, at, hung, shown, mismatches, all_mismatches;
  integer load_at = 0, word_at = 0, word_start = 0, word_end = 0, code_at = 0, code_end = 0, result_at = 0, result_end = 0, desc_at = 0;
  reg [31:0]  last_cycles, last_waiting, last_filling, last_writes, last_pixels, last_progress;
  reg         ended = 1'b0;  // `done` is up for one cycle, which a wait that has not begun would miss
  reg         drained = 1'b0;
  reg [7:0]   drained_layer;
  reg [31:0]  stall;
  reg [31:0]  noise = 32'h1;

  wire [4+WordWidth-1:0] word = word_mem[word_at];

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
  ) dut (
    .clk_i          (clk),
    .rst_ni         (rst_n),
    .desc_we_i      (desc_we),
    .desc_addr_i    (desc_addr),
    .desc_wdata_i   (desc_wdata),
    .start_i        (start),
    .first_i        (first),
    .count_i        (count),
    .busy_o         (busy),
    .done_o         (done),
    .error_o        (error),
    .layer_o        (layer),
    .load_valid_i   (load_valid),
    .load_addr_i    (load_addr),
    .load_data_i    (load_data),
    .load_ready_o   (load_ready),
    .wgt_valid_i    (word_valid),
    .wgt_last_i     (word_valid && word[WordWidth]),
    .wgt_data_i     (word[WordWidth-1:0]),
    .wgt_ready_o    (word_ready),
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

  // A word stays on the stream until it is taken; the pause before the next is drawn from a shift register.
  wire word_gone = word_valid && word_ready;
  wire word_more = (word_gone ? word_at + 1 : word_at) < word_end;
  always @(posedge clk) begin
    noise <= {noise[30:0], noise[31] ^ noise[21] ^ noise[1] ^ noise[0]};
    if (word_seek) begin
      word_at    <= word_start;
      word_valid <= 1'b0;
    end else if (word_gone) begin
      word_at <= word_at + 1;
    end
    if (!word_seek && (!word_valid || word_gone)) word_valid <= word_more && (stall == 32'd0 || {24'd0, noise[7:0]} >= stall);
  end

  generate
    if (Compare != 0) begin : gen_compare
      always @(posedge clk) begin
        if (rst_n && code_valid) begin  // before the reset a register may hold anything
          if (code_at >= code_end || code_mem[code_at] !== {{(32-LineAddrWidth){1'b0}}, code_addr, code}) begin
            mismatches = mismatches + 1;
            if (shown < 10) begin
              shown = shown + 1;
              if (code_at >= code_end)
                $display("MISMATCH code %0d %0d - - - %0h %h %0t", job, layer, code_addr, code, $time);
              else
                $display("MISMATCH code %0d %0d %0d %0h %h %0h %h %0t", job, layer, code_at, code_mem[code_at][CodeWidth +: 32],
                         code_mem[code_at][CodeWidth-1:0], code_addr, code, $time);
            end
          end
          code_at = code_at + 1;
        end
        if (rst_n && result_valid) begin
          if (result_at >= result_end || result_mem[result_at] !== result) begin
            mismatches = mismatches + 1;
            if (shown < 10) begin
              shown = shown + 1;
              if (result_at >= result_end)
                $display("MISMATCH result %0d %0d - - - 0 %h %0t", job, layer, result, $time);
              else
                $display("MISMATCH result %0d %0d %0d 0 %h 0 %h %0t", job, layer, result_at, result_mem[result_at], result, $time);
            end
          end
          result_at = result_at + 1;
        end
      end

      // A layer is over one cycle after its last DRAIN cycle, when the counters hold all of it and nothing of the next.
      always @(posedge clk) begin
        drained       <= rst_n && dut.u_sequencer.drain_end;
        drained_layer <= layer;
        if (drained === 1'b1) begin
          $display("LAYER %0d %0d %0d %0d %0d %0d %0d %0d", job, drained_layer, cycles - last_cycles, waiting - last_waiting,
                   filling - last_filling, writes - last_writes, pixels - last_pixels, mismatches);
          $fflush;
          last_cycles  <= cycles;
          last_waiting <= waiting;
          last_filling <= filling;
          last_writes  <= writes;
          last_pixels  <= pixels;
        end
      end
    end
  endgenerate

  always @(posedge clk) begin
    if (start) ended <= 1'b0;
    else if (done) ended <= 1'b1;
  end

  initial begin
    if ($test$plusargs("waves")) begin
      $dumpfile("waves.vcd");
      $dumpvars(0, network_tb);
    end
    $readmemh("jobs.hex", job_mem);
    $readmemh("desc.hex", desc_mem);
    $readmemh("load.hex", load_mem);
    $readmemh("stream.hex", word_mem);
    $readmemh("code.hex", code_mem);
    $readmemh("result.hex", result_mem);
    all_mismatches = 0; shown = 0; stall = 32'd0; mismatches = 0;
    repeat (3) @(posedge clk);
    rst_n <= 1'b1;
    @(posedge clk);
    for (job = 0; job < Jobs; job = job + 1) begin
      mismatches   = 0;
      last_cycles  = 0; last_waiting = 0; last_filling = 0; last_writes = 0; last_pixels = 0;
      for (at = 0; at < job_mem[job*8+2] * 16; at = at + 1) begin
        desc_we    <= at % 16 < 12;
        desc_addr  <= job_mem[job*8+1] * 16 + at;
        desc_wdata <= desc_mem[desc_at];
        desc_at     = desc_at + 1;
        @(posedge clk);
      end
      desc_we <= 1'b0;
      for (at = 0; at < job_mem[job*8]; at = at + 1) begin
        load_valid <= 1'b1;
        load_addr  <= load_mem[load_at][LineWidth +: ActAddrWidth];
        load_data  <= load_mem[load_at][LineWidth-1:0];
        load_at     = load_at + 1;
        @(posedge clk);
      end
      load_valid <= 1'b0;
      word_start  = job_mem[job*8+7];
      word_end    = word_start;
      word_seek  <= 1'b1;
      @(posedge clk);
      word_seek  <= 1'b0;
      @(posedge clk);
      word_end    = word_start + job_mem[job*8+3];
      code_end    = code_end + job_mem[job*8+4];
      result_end  = result_end + job_mem[job*8+5];
      stall       = job_mem[job*8+6];
      first      <= job_mem[job*8+1];
      count      <= job_mem[job*8+2];
      start      <= 1'b1;
      @(posedge clk);
      start      <= 1'b0;
      hung = 0; last_progress = 0;
      repeat (2) @(posedge clk);  // `ended` is of this run from here on
      while (ended !== 1'b1 && hung < Patience) begin
        @(posedge clk);
        hung          = (pixels == last_progress) ? hung + 1 : 0;
        last_progress = pixels;
      end
      @(posedge clk);
      #1;
      if (hung >= Patience) begin
        $display("HUNG %0d %0d", job, layer);
        $finish;
      end
      $display("JOB %0d %0d %0d %0d %0d %0d %0d", job, error, mismatches, cycles,
               code_end - code_at, result_end - result_at, word_end - word_at);
      $fflush;
      all_mismatches = all_mismatches + mismatches;
      // whatever a failed job left over is not the next one's
      code_at = code_end; result_at = result_end;
      if (word_at != word_end) begin
        $display("BROKEN %0d: words of the stream are left, the next job cannot start", job);
        $finish;
      end
      @(posedge clk);  // the next job begins at an edge: Verilator takes <= here for =, and would lose what is told between two
    end
    $display("END %0d %0d", Jobs, all_mismatches);
    $finish;
  end

endmodule

`default_nettype wire
