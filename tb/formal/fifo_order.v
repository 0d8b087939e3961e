// fifo_order.v - a fifo loses, invents and reorders nothing, and never holds more than Depth words.
// Any word may be watched: it must be at the output when, and not before, all words pushed before it were taken. Words pushed into
// a full fifo and pops from an empty one have no effect.
`default_nettype none

module fifo_order #(
  parameter integer Width = 8,
  parameter integer Depth = 4
) (
  input wire             clk_i,
  input wire             rst_ni,
  input wire             push_i,
  input wire [Width-1:0] data_i,
  input wire             pop_i,
  input wire             watch_i  // watch the word pushed now
);

  localparam integer CountWidth = $clog2(Depth + 1) + 1;  // one more than needed, so that too much is seen
  localparam integer AddrWidth  = (Depth > 1) ? $clog2(Depth) : 1;
  localparam [CountWidth:0] Size = Depth;

  wire             full, valid;
  wire [Width-1:0] data;

  fifo #(
    .Width (Width),
    .Depth (Depth)
  ) u_dut (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .push_i  (push_i),
    .data_i  (data_i),
    .full_o  (full),
    .valid_o (valid),
    .data_o  (data),
    .pop_i   (pop_i)
  );

  wire took = push_i && !full;
  wire gave = pop_i && valid;

  reg [CountWidth-1:0] held_q;   // words inside
  reg                  watch_q;  // one of them is watched
  reg [CountWidth-1:0] ahead_q;  // words in front of it
  reg [Width-1:0]      word_q;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      held_q  <= {CountWidth{1'b0}};
      watch_q <= 1'b0;
    end else begin
      held_q <= held_q + took - gave;
      if (!watch_q) begin
        watch_q <= took && watch_i;
        ahead_q <= held_q - gave;
        word_q  <= data_i;
      end else if (gave) begin
        watch_q <= ahead_q != 0;
        ahead_q <= ahead_q - 1'b1;
      end
    end
  end

  initial assume (!rst_ni);

  always @(*) begin
    if (rst_ni) begin
      assert (held_q <= Size);
      assert (full == (held_q == Size));
      assert (valid == (held_q != 0));
      if (watch_q) begin
        assert (ahead_q < held_q);
        if (ahead_q == 0) assert (data == word_q);
      end
    end
  end

  // What makes this inductive: where the words stand.
  (* inside = "u_dut.count_q" *)     wire [CountWidth-2:0] count;
  (* inside = "u_dut.read_q" *)      wire [AddrWidth-1:0] read;
  (* inside = "u_dut.write_q" *)     wire [AddrWidth-1:0] write;
  (* inside = "u_dut.mem[*Depth]" *) wire [Depth*Width-1:0] mem;

  wire [CountWidth:0] behind  = read + held_q;
  wire [CountWidth:0] place   = read + ahead_q;
  wire [CountWidth:0] written = (behind >= Size) ? behind - Size : behind;
  wire [CountWidth:0] watched = (place >= Size) ? place - Size : place;

  always @(*) begin
    if (rst_ni) begin
      assert (count == held_q);
      assert (read < Size);
      assert (write == written);
      if (watch_q) assert (mem[watched*Width +: Width] == word_q);
    end
  end

  always @(*) begin
    cover (rst_ni && full && push_i);
    cover (rst_ni && watch_q && gave && ahead_q == 0 && (&word_q));
    cover (rst_ni && watch_q && held_q == Size && ahead_q == Size - 1);
  end

endmodule

`default_nettype wire
