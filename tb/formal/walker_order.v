// walker_order.v - a walk visits every tuple of indices within its counts exactly once, in order, and ends; and the address, y and x of a
// step are the start plus each level's step as often as that level has counted. All counts and steps, all levels, in full width.
// Any tuple may be the target: the steps taken there since the start are counted. Tuples are compared as one number, level 0 lowest.
`default_nettype none

module walker_order #(
  parameter integer Levels = 9
) (
  input wire clk_i,
  input wire rst_ni,
  input wire start_i,
  input wire take_i,
  input wire [Levels*10-1:0] count_n_i,
  input wire [Levels*14-1:0] addr_step_i,
  input wire [Levels*11-1:0] y_step_i,
  input wire [Levels*11-1:0] x_step_i,
  input wire [13:0]          addr_start_i,
  input wire [10:0]          y_start_i,
  input wire [10:0]          x_start_i
);

  localparam integer StepsY = 32'b000101010, StepsX = 32'b000010101;  // the sequencer's; all levels move the address

  wire [13:0]          addr;
  wire [10:0]          y, x;
  wire [Levels*10-1:0] index;
  wire [Levels-1:0]    first, last;

  walker #(
    .Levels (Levels),
    .StepsY (StepsY),
    .StepsX (StepsX)
  ) u_dut (
    .clk_i        (clk_i),
    .rst_ni       (rst_ni),
    .count_n_i    (count_n_i),
    .addr_step_i  (addr_step_i),
    .y_step_i     (y_step_i),
    .x_step_i     (x_step_i),
    .addr_start_i (addr_start_i),
    .y_start_i    (y_start_i),
    .x_start_i    (x_start_i),
    .start_i      (start_i),
    .take_i       (take_i),
    .addr_o       (addr),
    .y_o          (y),
    .x_o          (x),
    .index_o      (index),
    .first_o      (first),
    .last_o       (last)
  );

  (* anyconst *) wire [Levels*10-1:0] target;

  reg                 run_q;     // a walk is under way
  reg                 over_q;    // its last step was taken
  reg [1:0]           visits_q;  // of the target
  reg [Levels*10-1:0] was_q;     // the tuple of the cycle before
  reg                 took_q;
  reg                 ended_q;   // it was the last one
  reg [13:0]          addr_q;    // settings at the start
  reg [10:0]          y_q, x_q;
  reg [Levels*10-1:0] count_q;
  reg [Levels*14-1:0] addr_step_q;
  reg [Levels*11-1:0] y_step_q, x_step_q;

  always @(posedge clk_i) begin
    was_q   <= index;
    took_q  <= rst_ni && run_q && take_i && !start_i;
    ended_q <= &last;
    if (!rst_ni) run_q <= 1'b0;
    else if (start_i) begin
      {run_q, over_q, visits_q} <= 4'b1000;
      {addr_q, y_q, x_q}        <= {addr_start_i, y_start_i, x_start_i};
      {count_q, addr_step_q, y_step_q, x_step_q} <= {count_n_i, addr_step_i, y_step_i, x_step_i};
    end else if (run_q && take_i) begin
      over_q <= &last;
      if (index == target && visits_q != 2'd3) visits_q <= visits_q + 2'd1;
    end
  end

  initial assume (!rst_ni);

  wire [Levels-1:0] within;  // the target is one of the walk's tuples, level by level
  wire [Levels-1:0] inside;  // all levels inside this one are at their last step
  genvar l;
  generate
    for (l = 0; l < Levels; l = l + 1) begin : gen_level
      wire [9:0] at    = index[l*10 +: 10];
      wire [9:0] count = count_q[l*10 +: 10];
      reg [13:0] addr_sum_q;  // index * step, added up step by step
      reg [10:0] y_sum_q, x_sum_q;
      wire       counts = run_q && take_i && inside[l] && at != count;
      wire       again  = run_q && take_i && inside[l] && at == count && !over;  // an outer level counts

      assign within[l] = target[l*10 +: 10] <= count;
      if (l == 0) assign inside[l] = 1'b1;
      else        assign inside[l] = inside[l-1] && index[(l-1)*10 +: 10] == count_q[(l-1)*10 +: 10];

      always @(posedge clk_i) begin
        if (start_i || again) {addr_sum_q, y_sum_q, x_sum_q} <= 36'd0;
        else if (counts) begin
          addr_sum_q <= addr_sum_q + addr_step_q[l*14 +: 14];
          if (StepsY[l]) y_sum_q <= y_sum_q + y_step_q[l*11 +: 11];
          if (StepsX[l]) x_sum_q <= x_sum_q + x_step_q[l*11 +: 11];
        end
      end

      always @(*) begin
        if (rst_ni && run_q) begin
          assert (at <= count);
          assert (first[l] == (at == 0) && (start_i || last[l] == (at == count)));
          if (at == 0) assert ({addr_sum_q, y_sum_q, x_sum_q} == 36'd0);
        end
      end
    end
  endgenerate

  wire over = &{inside[Levels-1], index[(Levels-1)*10 +: 10] == count_q[(Levels-1)*10 +: 10]};

  always @(*) begin
    if (run_q && !start_i) begin  // still while a walk is under way; no step behind the last
      assume ({count_n_i, addr_step_i, y_step_i, x_step_i} == {count_q, addr_step_q, y_step_q, x_step_q});
      assume ({addr_start_i, y_start_i, x_start_i} == {addr_q, y_q, x_q});
      if (over_q) assume (!take_i);
    end
    if (rst_ni && run_q) begin
      // every step goes on, so the walk ends; and to the next tuple, with none between
      if (took_q && !ended_q) assert (index > was_q);
      if (took_q && !ended_q && &within) assert (!(was_q < target && target < index));
      // exactly once
      if (&within) assert (visits_q == (index > target || (over_q && index == target)));
      if (over_q) assert (over);
      if (over_q && &within) assert (visits_q == 2'd1);
    end
  end

  // ---------------------------------------------------------------- addresses; each level's stand makes the sum inductive
  (* inside = "u_dut.gen_level[*9].gen_addr.addr_q" *) wire [Levels*14-1:0] addr_of;
  (* inside = "u_dut.gen_level[1].gen_y.y_q" *) wire [10:0] y_1;
  (* inside = "u_dut.gen_level[3].gen_y.y_q" *) wire [10:0] y_3;
  (* inside = "u_dut.gen_level[5].gen_y.y_q" *) wire [10:0] y_5;
  (* inside = "u_dut.gen_level[0].gen_x.x_q" *) wire [10:0] x_0;
  (* inside = "u_dut.gen_level[2].gen_x.x_q" *) wire [10:0] x_2;
  (* inside = "u_dut.gen_level[4].gen_x.x_q" *) wire [10:0] x_4;

  generate
    for (l = 0; l < Levels; l = l + 1) begin : gen_sum
      wire [13:0] total;
      if (l == Levels - 1) assign total = addr_q + gen_level[l].addr_sum_q;
      else                 assign total = gen_sum[l+1].total + gen_level[l].addr_sum_q;
      always @(*) if (rst_ni && run_q) assert (addr_of[l*14 +: 14] == total);
    end
  endgenerate

  wire [10:0] y_5_sum = y_q + gen_level[5].y_sum_q;
  wire [10:0] y_3_sum = y_5_sum + gen_level[3].y_sum_q;
  wire [10:0] y_1_sum = y_3_sum + gen_level[1].y_sum_q;
  wire [10:0] x_4_sum = x_q + gen_level[4].x_sum_q;
  wire [10:0] x_2_sum = x_4_sum + gen_level[2].x_sum_q;
  wire [10:0] x_0_sum = x_2_sum + gen_level[0].x_sum_q;

  always @(*) begin
    if (rst_ni && run_q) begin
      assert (addr == gen_sum[0].total && y == y_1_sum && x == x_0_sum);
      assert (y_5 == y_5_sum && y_3 == y_3_sum && y_1 == y_1_sum);
      assert (x_4 == x_4_sum && x_2 == x_2_sum && x_0 == x_0_sum);
    end
  end

  always @(*) begin
    cover (rst_ni && run_q && over_q && &within && count_q[9:0] == 1 && count_q[Levels*10-1 -: 10] == 1 && target != 0);
    cover (rst_ni && run_q && took_q && addr == 14'h2aaa && addr_q == 0 && y[10]);
  end

endmodule

`default_nettype wire
