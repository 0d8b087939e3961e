// sequencer_runs.v - a run does its layers in order, each once: 13 cycles of FETCH, then one walk, then DRAIN, then the next layer or the end.
// The walker is left open: whatever it shows. What walker_order assumes of its user is proved here: settings stand still during a walk and
// no step is taken behind its last one. A step not taken waits for a weight tile (or, output stationary, for the group in front, less than
// Rows cycles); so with walker_order every layer ends whose weights come, and so does every run. A layer is given up for the reasons that
// docs/rtl/sequencer.md names, in the cycle in which one is there, and for no other.
`default_nettype none

module sequencer_runs #(
  parameter integer Simd             = 0,
  parameter integer OutputStationary = 0,
  parameter integer Rows             = 8,
  parameter integer Drain            = 20,
  parameter integer Depth            = 1024
) (
  input wire        clk_i,
  input wire        rst_ni,
  input wire        start_i,
  input wire [7:0]  first_i,
  input wire [7:0]  count_i,
  input wire [31:0] desc_data_i,
  input wire        tile_ready_i,
  input wire        missing_i,
  input wire        early_i
);

  localparam integer Layers = 32;
  localparam integer Long   = (OutputStationary != 0) ? Drain + Rows - 1 : Drain - 1;
  localparam integer Steps  = $clog2(((Long > 12) ? Long : 12) + 1);  // bits of the sequencer's count
  localparam integer AddrWidth = (Depth > 1) ? $clog2(Depth) : 1;
  localparam integer LastLine  = Depth - 1;
  localparam [1:0] StIdle = 2'd0, StFetch = 2'd1, StRun = 2'd2, StDrain = 2'd3;

  wire [19:0] passes_n;
  wire        busy, done, waiting, filling, desc_re, load_start, load_stop, take, os_layer, os, x_valid, x_last, simd, pair;
  wire [3:0]  error;
  wire [7:0]  layer;
  wire [8:0]  desc_addr;

  sequencer #(
    .PsumAddrWidth    (AddrWidth),
    .PsumDepth        (Depth),
    .DrainCycles      (Drain),
    .Layers           (Layers),
    .Simd             (Simd),
    .OutputStationary (OutputStationary),
    .Rows             (Rows)
  ) u_dut (
    .clk_i        (clk_i),
    .rst_ni       (rst_ni),
    .start_i      (start_i),
    .first_i      (first_i),
    .count_i      (count_i),
    .busy_o       (busy),
    .done_o       (done),
    .error_o      (error),
    .layer_o      (layer),
    .waiting_o    (waiting),
    .filling_o    (filling),
    .desc_re_o    (desc_re),
    .desc_addr_o  (desc_addr),
    .desc_data_i  (desc_data_i),
    .load_start_o (load_start),
    .load_stop_o  (load_stop),
    .passes_n_o   (passes_n),
    .tiles_n_o    (),
    .tile_ready_i (tile_ready_i),
    .take_o       (take),
    .missing_i    (missing_i),
    .early_i      (early_i),
    .os_layer_o   (os_layer),
    .os_o         (os),
    .window_n_o   (),
    .x_valid_o    (x_valid),
    .x_last_o     (x_last),
    .x_swap_o     (),
    .x_zero_o     (),
    .x_addr_o     (),
    .p_acc_o      (),
    .p_plane_o    (),
    .p_addr_o     (),
    .p_final_o    (),
    .p_swap_o     (),
    .p_first_o    (),
    .p_last_o     (),
    .shift_o      (),
    .max_o        (),
    .wide_o       (),
    .out_base_o   (),
    .out_map_n_o  (),
    .simd_o       (simd),
    .out_pair_o   (pair)
  );

  (* inside = "u_dut.state_q" *)   wire [1:0] state;
  (* inside = "u_dut.step_q" *)    wire [Steps-1:0] step;
  (* inside = "u_dut.left_q" *)    wire [7:0] left;
  (* inside = "u_dut.first" *)     wire [8:0] first;  // what the walker shows
  (* inside = "u_dut.last" *)      wire [8:0] last;
  (* inside = "u_dut.count_n" *)   wire [89:0] count_n;  // the walk's settings
  (* inside = "u_dut.step16" *)    wire [143:0] steps;
  (* inside = "u_dut.y_step8" *)   wire [71:0] y_steps;
  (* inside = "u_dut.x_step8" *)   wire [71:0] x_steps;
  (* inside = "u_dut.word_q[0]" *) wire [31:0] starts;
  (* inside = "u_dut.word_q[7]" *) wire [31:0] y_start;
  (* inside = "u_dut.word_q[8]" *) wire [31:0] x_start;
  (* inside = "u_dut.bad_mode" *)  wire bad_mode;
  (* inside = "u_dut.pass_q" *)    wire [19:0] counted;
  (* inside = "u_dut.line_q" *)    wire [AddrWidth-1:0] line;
  (* inside = "u_dut.word_q[9]" *) wire [31:0] modes;

  wire [426:0] settings = {count_n, steps, y_steps, x_steps, starts, y_start[7:0], x_start[7:0], os_layer};

  reg         run_q;                // between a run's start and its end
  reg [7:0]   first_q, count_q;     // its layers
  reg [7:0]   ended_q;              // layers that have ended
  reg         walk_q;               // between load_start and the walk's last step
  reg [7:0]   since_q;              // cycles in the present state
  reg [19:0]  passed_q;             // passes of the output tile that have ended
  reg [AddrWidth-1:0] line_q;       // pixels of the pass so far
  reg [7:0]   gap_q;                // cycles until a group may end
  reg         done_q;               // a run ended in the cycle before
  reg         stopped_q;            // by an error
  reg [3:0]   cause_q;              // of the run's end
  reg         after_q;
  reg [1:0]   was_q;                // the cycle before
  reg         load_q;
  reg [426:0] settings_q;
  wire        accept   = state == StIdle && start_i;
  wire        in_range = count_i != 0 && first_i + count_i <= Layers;
  wire        walked   = x_valid && &last;
  wire [7:0]  long     = (state == StFetch) ? 8'd12 : os_layer ? Drain + Rows - 1 : Drain - 1;
  // what ends a layer before its last step; of two, the one with the lower number in this list
  wire        unbuilt  = (Simd == 0 && (simd || pair)) || (OutputStationary == 0 && modes[13]);
  wire        loops    = x_valid && &first[3:0] && (&last[7:4]) != (passed_q == passes_n);
  wire        too_long = x_valid && !os_layer && !(&last[3:0]) && line_q == LastLine[AddrWidth-1:0];  // a group's sums stay in their PEs
  wire [3:0]  cause    = (state != StRun) ? 4'd0 : unbuilt ? 4'd6 : loops ? 4'd7 : too_long ? 4'd1 : early_i ? 4'd2 : missing_i ? 4'd3 : 4'd0;
  wire        leaves   = (state == StFetch || state == StDrain) && step == long;

  always @(posedge clk_i) begin
    if (!rst_ni || state != StRun)     passed_q <= 20'd0;
    else if (x_valid && (&last[3:0]))  passed_q <= (&last[7:4]) ? 20'd0 : passed_q + 20'd1;
    if (!rst_ni || state != StRun)     line_q <= {AddrWidth{1'b0}};
    else if (x_valid && !os_layer)     line_q <= (&last[3:0]) ? {AddrWidth{1'b0}} : line_q + 1'b1;
  end

  always @(posedge clk_i) begin
    after_q    <= rst_ni;
    was_q      <= state;
    load_q     <= load_start;
    settings_q <= settings;
    done_q     <= rst_ni && ((accept && !in_range) || (state == StDrain && leaves && (ended_q == count_q || stopped_q)));
    if (!rst_ni) begin
      {run_q, walk_q, stopped_q} <= 3'd0;
      since_q <= 8'd0;
      gap_q   <= 8'd0;
    end else begin
      since_q <= ((state == StFetch || state == StDrain) && !leaves) ? since_q + 8'd1 : 8'd0;
      if (accept && in_range) begin
        run_q     <= 1'b1;
        first_q   <= first_i;
        count_q   <= count_i;
        ended_q   <= 8'd0;
        stopped_q <= 1'b0;
        cause_q   <= 4'd0;
      end else if (state == StDrain && leaves && (ended_q == count_q || stopped_q)) run_q <= 1'b0;
      if (load_start)               walk_q <= 1'b1;
      else if (walked || load_stop) walk_q <= 1'b0;
      if (walk_q && (walked || load_stop)) ended_q <= ended_q + 8'd1;
      if (load_stop) {stopped_q, cause_q} <= {1'b1, cause};
      if (state != StRun)                gap_q <= 8'd0;
      else if (x_valid && os && &last[3:0]) gap_q <= Rows - 1;
      else if (gap_q != 0)               gap_q <= gap_q - 8'd1;
    end
  end

  initial assume (!rst_ni);

  always @(*) begin
    if (rst_ni) begin
      // where a run is, and which layer is in work
      assert (busy == run_q && busy == (state != StIdle) && done == done_q);
      if (state == StFetch || state == StRun) assert (!stopped_q && ended_q < count_q && layer == first_q + ended_q);
      if (state == StDrain) assert (ended_q != 0 && ended_q <= count_q && layer == first_q + ended_q - 8'd1);
      if (run_q && state != StDrain) assert (left == count_q - ended_q - 8'd1);
      if (state == StDrain) assert (left == count_q - ended_q);
      if (run_q) assert (count_q != 0 && first_q + count_q <= Layers);
      if (run_q) assert (stopped_q == (error != 0) && error == cause_q);
      // given up for a reason, at once, and for none else
      assert (load_stop == (cause != 0));
      assert (line == line_q && bad_mode == unbuilt);
      // FETCH and DRAIN have their length and no other
      if (state == StFetch || state == StDrain) assert (step == since_q && step <= long);
      if (after_q && was_q == StRun && state != StRun) assert (state == StDrain);
      assert (desc_re == (state == StFetch && step != 12));
      if (desc_re) assert (desc_addr == {layer[4:0], step[3:0]});
      assert (filling == (state == StFetch || state == StDrain));
      // one walk a layer, in RUN: steps are taken there alone, none behind the last, and settings stand still
      assert (load_start == (state == StFetch && step == 12));
      assert (walk_q == (state == StRun));
      if (x_valid) assert (walk_q);
      if (after_q && was_q != StFetch) assert (settings == settings_q);
      // no wait but for weights, for the group in front, and none at all once both are there
      if (state == StRun && !x_valid && !load_stop) begin
        assert (waiting);
        if (os) assert (!tile_ready_i || (gap_q != 0 && &last[3:0]));
        else    assert (!tile_ready_i && &first[3:0]);
      end
      if (OutputStationary != 0) assert (gap_q < Rows);
      if (x_valid && os && &last[3:0]) assert (gap_q == 0);  // the group in front has left its rows
      // weights are taken only when they are there
      if (take) assert (tile_ready_i && x_valid);
      assert (take == (x_valid && (os || &first[3:0])));
      if (state == StRun) assert (os == os_layer);
      if (OutputStationary == 0) assert (!os);
      // a mode that is not built in ends the layer before it begins
      if (state == StRun && bad_mode) assert (load_stop && !x_valid);
      if (Simd == 0 && state == StRun && x_valid) assert (!simd && !pair);
      // a pass that the count or the loops alone take for an output tile's last ends the run: none waits for words that nobody takes
      assert (counted == passed_q);
      if (x_valid && &first[3:0] && (&last[7:4]) != (passed_q == passes_n)) assert (load_stop);
    end
  end

  always @(*) begin
    cover (rst_ni && state == StRun && walked && ended_q == 0);
    cover (rst_ni && state == StRun && waiting && !load_stop);
    cover (rst_ni && load_stop && bad_mode);
    if (Depth == 1) cover (rst_ni && load_stop && !bad_mode && cause == 1);
    if (Depth == 1 && OutputStationary != 0) cover (rst_ni && x_valid && os && !(&last[3:0]) && !load_stop);
    cover (rst_ni && x_valid && load_stop && !missing_i && !early_i && passed_q == 1 && &first[3:0]);
    cover (rst_ni && done && !start_i && error == 4);
    cover (rst_ni && state == StDrain && ended_q == 1 && count_q == 2);
    if (OutputStationary != 0 && Rows > 1) cover (rst_ni && state == StRun && os && gap_q != 0 && waiting && tile_ready_i);
  end

  wire unused = &{1'b0, x_last, steps};

endmodule

`default_nettype wire
