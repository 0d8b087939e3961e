// engine_flow.v - sequencer and loader together: no deadlock under any stall pattern, in layers whose weights are stationary.
// Whenever a step waits, either the loader takes the next word of the stream, or parameters of the output tile before are still on their way
// to requantize, which needs nothing but time. A weight tile is never written over one that waits, nor a parameter over one that does.
// The walker is left open but for what walker_order proves and a descriptor promises: a walk has passes_n + 1 passes an output tile.
`default_nettype none

module engine_flow #(
  parameter integer Groups = 2,
  parameter integer Simd   = 0
) (
  input wire        clk_i,
  input wire        rst_ni,
  input wire        start_i,
  input wire [7:0]  first_i,
  input wire [7:0]  count_i,
  input wire [31:0] desc_data_i,
  input wire        valid_i,  // the stream, stalled at will
  input wire        last_i,
  input wire        swap_i    // parameters on their way arrive now
);

  localparam [1:0] StRun = 2'd2;

  wire        load_start, load_stop, tile_ready, take, missing, early, simd, x_valid, p_swap, ready, wgt_valid, par_valid;
  wire [19:0] passes_n;
  wire [9:0]  tiles_n;
  wire        par_take = swap_i && flying_q != 0;

  sequencer #(
    .Simd (Simd)
  ) u_sequencer (
    .clk_i        (clk_i),
    .rst_ni       (rst_ni),
    .start_i      (start_i),
    .first_i      (first_i),
    .count_i      (count_i),
    .busy_o       (),
    .done_o       (),
    .error_o      (),
    .layer_o      (),
    .waiting_o    (),
    .filling_o    (),
    .desc_re_o    (),
    .desc_addr_o  (),
    .desc_data_i  (desc_data_i),
    .load_start_o (load_start),
    .load_stop_o  (load_stop),
    .passes_n_o   (passes_n),
    .tiles_n_o    (tiles_n),
    .tile_ready_i (tile_ready),
    .take_o       (take),
    .missing_i    (missing),
    .early_i      (early),
    .os_layer_o   (),
    .os_o         (),
    .window_n_o   (),
    .x_valid_o    (x_valid),
    .x_last_o     (),
    .x_swap_o     (),
    .x_zero_o     (),
    .x_addr_o     (),
    .p_acc_o      (),
    .p_plane_o    (),
    .p_addr_o     (),
    .p_final_o    (),
    .p_swap_o     (p_swap),
    .p_first_o    (),
    .p_last_o     (),
    .shift_o      (),
    .max_o        (),
    .wide_o       (),
    .out_base_o   (),
    .out_map_n_o  (),
    .simd_o       (simd),
    .out_pair_o   ()
  );

  loader #(
    .Groups     (Groups),
    .GroupWidth (2 + Simd),
    .Simd       (Simd),
    .Cols       (2),
    .ColWidth   (1),
    .ParWords   (2)
  ) u_loader (
    .clk_i        (clk_i),
    .rst_ni       (rst_ni),
    .start_i      (load_start),
    .stop_i       (load_stop),
    .simd_i       (simd),
    .passes_n_i   (passes_n),
    .tiles_n_i    (tiles_n),
    .valid_i      (valid_i),
    .last_i       (last_i),
    .ready_o      (ready),
    .wgt_valid_o  (wgt_valid),
    .wgt_group_o  (),
    .par_valid_o  (par_valid),
    .par_col_o    (),
    .par_part_o   (),
    .tile_ready_o (tile_ready),
    .take_i       (take),
    .par_take_i   (par_take),
    .missing_o    (missing),
    .early_o      (early)
  );

  (* inside = "u_sequencer.state_q" *)  wire [1:0] state;
  (* inside = "u_sequencer.first" *)    wire [8:0] first;
  (* inside = "u_sequencer.last" *)     wire [8:0] last;
  (* inside = "u_loader.on_q" *)        wire on;
  (* inside = "u_loader.par_q" *)       wire par;
  (* inside = "u_loader.full_q" *)      wire full;
  (* inside = "u_loader.par_full" *)    wire par_full;
  (* inside = "u_loader.pass_q" *)      wire [19:0] pass;
  (* inside = "u_loader.tile_q" *)      wire [9:0] tile;
  (* inside = "u_loader.group_q" *)     wire [1:0] group;
  (* inside = "u_loader.high_q" *)      wire high;
  (* inside = "u_loader.u_par_count.col_q" *)  wire col;
  (* inside = "u_loader.u_par_count.part_o" *) wire part;

  // ---------------------------------------------------------------- where the walk is, in passes
  reg         fresh_q;   // the present pass has not begun
  reg  [19:0] pass_q;    // of the output tile
  reg  [10:0] tile_q;
  reg         over_q;    // all steps were taken
  reg  [10:0] flying_q;  // sets of parameters on their way: their line was issued and has not reached requantize
  wire        pass_end = x_valid && &last[3:0];

  always @(posedge clk_i) begin
    if (!rst_ni || load_start || load_stop) begin
      fresh_q  <= 1'b1;
      pass_q   <= 20'd0;
      tile_q   <= 11'd0;
      over_q   <= 1'b0;
    end else begin
      if (x_valid) begin
        fresh_q <= pass_end;
        over_q  <= &last;
        if (pass_end) begin
          pass_q <= (pass_q == passes_n) ? 20'd0 : pass_q + 20'd1;
          if (pass_q == passes_n) tile_q <= tile_q + 11'd1;
        end
      end
    end
    if (!rst_ni || load_stop) flying_q <= 11'd0;
    else                      flying_q <= flying_q + (x_valid && p_swap) - par_take;
  end

  initial assume (!rst_ni);

  always @(*) begin
    if (load_start) assume (flying_q == 0);  // DRAIN lasts until each line that was issued has left the array
    if (state == StRun) begin  // the walk: walker_order, and the descriptor's counts
      assume (&first[3:0] == fresh_q);
      assume (&last[7:4] == (pass_q == passes_n));
      assume (last[8] == (tile_q == tiles_n));
    end
  end

  // ---------------------------------------------------------------- what is proved
  // Passes begun, and weight tiles loaded, as {output tile, pass}; sets of parameters issued with their line, and loaded.
  wire [29:0] here   = {tile_q[9:0], pass_q};
  wire [29:0] next   = (pass_q == passes_n) ? {tile_q[9:0] + 10'd1, 20'd0} : {tile_q[9:0], pass_q + 20'd1};
  wire [29:0] begun  = fresh_q ? here : next;
  wire [29:0] ahead  = (begun[19:0] == passes_n) ? {begun[29:20] + 10'd1, 20'd0} : {begun[29:20], begun[19:0] + 20'd1};
  wire [9:0]  issued = tile_q[9:0] + (pass_q == passes_n && !fresh_q);
  wire [9:0]  sets   = tile + (on && pass == passes_n && !par);

  always @(*) begin
    if (rst_ni && state == StRun) begin
      // no deadlock
      if (!x_valid && !load_stop) assert (ready || (on && flying_q != 0));
      // nothing is overwritten, and nothing used that is not there
      if (wgt_valid) assert (!full);
      if (par_valid) assert (!par_full);
      if (take) assert (tile_ready);
      if (flying_q != 0) assert (par_full);
      // what makes it inductive: the loader is where the walk is, or one weight tile ahead
      assert (!over_q && tile_q <= tiles_n && pass_q <= passes_n && pass <= passes_n);
      assert ({tile, pass} == (full ? ahead : begun));
      assert (on == !(tile == tiles_n + 10'd1 && pass == 0 && (full || !fresh_q)));
      assert (flying_q <= 1 && {9'd0, par_full} == sets - issued + flying_q[9:0]);
      if (par && on) assert (pass == passes_n);
      if (par || full) assert (group == 0 && !high);
      if (!par || !on) assert (col == 0 && part == 0);
      if (pass_q == passes_n && tile_q == tiles_n && !fresh_q) assert (!full);
      assert (group < Groups);
    end
    // a layer leaves nothing to the next one, whatever became of it
    if (rst_ni && state != StRun) begin
      assert (!on && !full && col == 0 && part == 0);
      assert (flying_q <= 1 && par_full == flying_q[0]);
    end
  end

  always @(*) begin
    cover (rst_ni && state == StRun && !x_valid && flying_q != 0 && !ready);
    cover (rst_ni && state == StRun && x_valid && &last && tile_q == 1 && pass_q == 1);
  end

endmodule

`default_nettype wire
