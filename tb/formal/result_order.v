// result_order.v - lines of results leave as words, in order, column by column, each once; tlast with the last word of a run's last line.
// A line is lost only when Depth + 1 lines wait, and then lost_o says so. Any line may be watched.
`default_nettype none

module result_order #(
  parameter integer Cols  = 3,
  parameter integer Width = 3,
  parameter integer Depth = 2
) (
  input wire                  clk_i,
  input wire                  rst_ni,
  input wire                  valid_i,
  input wire [Cols*Width-1:0] line_i,
  input wire                  end_i,
  input wire                  tready_i,
  input wire                  watch_i
);

  wire             lost, tvalid, tlast;
  wire [Width-1:0] tdata;

  result_stream #(
    .Cols  (Cols),
    .Width (Width),
    .Depth (Depth)
  ) u_dut (
    .clk_i    (clk_i),
    .rst_ni   (rst_ni),
    .valid_i  (valid_i),
    .line_i   (line_i),
    .end_i    (end_i),
    .lost_o   (lost),
    .tvalid_o (tvalid),
    .tready_i (tready_i),
    .tdata_o  (tdata),
    .tlast_o  (tlast)
  );

  initial assume (!rst_ni);
  always @(*) assume (!(valid_i && end_i));  // the run ends after its last line

  wire took = valid_i && !lost;
  wire word = tvalid && tready_i;
  wire gave = word && col_q == Cols - 1;

  reg [7:0]            col_q;    // the word at the output is of this column
  reg [7:0]            lines_q;  // lines inside
  reg                  watch_q;
  reg [7:0]            ahead_q;  // lines in front of the watched one
  reg [Cols*Width-1:0] line_q;
  reg                  newest_q; // no line came after it
  reg                  last_q;   // the run ended with it
  reg [1:0]            quiet_q;  // cycles since a run's end, without a line

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      col_q   <= 8'd0;
      lines_q <= 8'd0;
      watch_q <= 1'b0;
      quiet_q <= 2'd0;
    end else begin
      if (word) col_q <= (col_q == Cols - 1) ? 8'd0 : col_q + 8'd1;
      lines_q <= lines_q + took - gave;
      if (!watch_q) begin
        watch_q  <= took && watch_i;
        ahead_q  <= lines_q - gave;
        line_q   <= line_i;
        newest_q <= 1'b1;
        last_q   <= 1'b0;
      end else begin
        watch_q <= !(gave && ahead_q == 0);
        if (gave) ahead_q <= ahead_q - 8'd1;
        if (took) newest_q <= 1'b0;
        if (end_i && newest_q) last_q <= 1'b1;
      end
      if (took) quiet_q <= 2'd0;
      else if (end_i) quiet_q <= 2'd1;
      else if (quiet_q == 2'd1) quiet_q <= 2'd2;
    end
  end

  (* inside = "u_dut.held_q" *)              wire held;
  (* inside = "u_dut.held_last_q" *)         wire held_last;
  (* inside = "u_dut.line_q" *)              wire [Cols*Width-1:0] newest;
  (* inside = "u_dut.col_q" *)               wire [1:0] col;
  (* inside = "u_dut.u_fifo.count_q" *)      wire [1:0] count;
  (* inside = "u_dut.u_fifo.read_q" *)       wire read;
  (* inside = "u_dut.u_fifo.write_q" *)      wire write;
  (* inside = "u_dut.u_fifo.mem[*Depth]" *)  wire [Depth*(Cols*Width+1)-1:0] mem;

  wire [Cols*Width:0] stored = mem[((read + ahead_q) % Depth)*(Cols*Width+1) +: Cols*Width+1];

  always @(*) begin
    if (rst_ni) begin
      assert (lines_q <= Depth + 1);
      if (lost) assert (valid_i && lines_q == Depth + 1);
      if (valid_i && lines_q <= Depth) assert (took);
      if (tvalid) assert (lines_q != 0);
      if (lines_q >= 2) assert (tvalid);
      if (quiet_q == 2'd2 && lines_q != 0) assert (tvalid);  // nothing stays inside once its run is over
      if (watch_q) begin
        assert (ahead_q < lines_q && newest_q == (ahead_q == lines_q - 1));
        if (ahead_q == 0 && tvalid) begin
          assert (tdata == line_q[col_q*Width +: Width]);
          assert (tlast == (last_q && col_q == Cols - 1));
        end
      end
      // what makes it inductive: where the lines stand
      assert (col == col_q && col_q < Cols);
      assert (count <= Depth && lines_q == count + held);
      assert (write == ((read + count) % Depth));
      if (!held) assert (!held_last);
      if (count == 0) assert (col_q == 0);
      if (quiet_q == 2'd1 && held) assert (held_last);
      if (quiet_q == 2'd2 && held) assert (held_last && count >= Depth - 1);
      assert (quiet_q != 2'd3);
      if (watch_q) begin
        if (newest_q) assert (held || last_q);
        if (held && ahead_q == count) assert (newest == line_q && held_last == last_q);
        else assert (stored == {last_q, line_q});
      end
    end
  end

  always @(*) begin
    cover (rst_ni && lost);
    cover (rst_ni && watch_q && ahead_q == 0 && word && tlast);
    cover (rst_ni && watch_q && ahead_q == 0 && gave && !tlast && &line_q);
    cover (rst_ni && watch_q && ahead_q == Depth);
  end

endmodule

`default_nettype wire
