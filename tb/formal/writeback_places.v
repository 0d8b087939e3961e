// writeback_places.v - the n-th line of a layer is written to its place: tiles of map_n + 1 lines, part after part of the same lines, then on.
// Pairs fill all low halves of their lines first, then the high ones; a line clears the parts above its own.
`default_nettype none

module writeback_places #(
  parameter integer AddrWidth = 14,
  parameter integer Segs      = 1,
  parameter integer Halves    = 1
) (
  input wire                 clk_i,
  input wire                 rst_ni,
  input wire                 start_i,
  input wire [AddrWidth-1:0] base_i,
  input wire [13:0]          map_n_i,
  input wire                 pair_i,
  input wire                 valid_i
);

  localparam integer SegWidth = (Halves*Segs > 1) ? $clog2(Halves*Segs) : 1;

  wire [AddrWidth-1:0]   addr;
  wire [Halves*Segs-1:0] seg;

  writeback #(
    .AddrWidth (AddrWidth),
    .Segs      (Segs),
    .Halves    (Halves)
  ) u_dut (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .start_i (start_i),
    .base_i  (base_i),
    .map_n_i (map_n_i),
    .pair_i  (pair_i),
    .valid_i (valid_i),
    .addr_o  (addr),
    .seg_o   (seg)
  );

  reg                 run_q;    // a layer has begun
  reg [13:0]          map_q;    // its settings
  reg                 pair_q;
  reg [AddrWidth-1:0] group_q;  // first line of the tiles that share lines
  reg [13:0]          line_q;   // of the tile
  reg [7:0]           part_q;   // the tile's own
  wire [7:0]          parts = pair_q ? Halves * Segs : Segs;

  always @(posedge clk_i) begin
    if (!rst_ni) run_q <= 1'b0;
    else if (start_i) begin
      run_q   <= 1'b1;
      map_q   <= map_n_i;
      pair_q  <= pair_i;
      group_q <= base_i;
      line_q  <= 14'd0;
      part_q  <= 8'd0;
    end else if (run_q && valid_i) begin
      line_q <= (line_q == map_q) ? 14'd0 : line_q + 14'd1;
      if (line_q == map_q) part_q <= (part_q + 8'd1 == parts) ? 8'd0 : part_q + 8'd1;
      if (line_q == map_q && part_q + 8'd1 == parts) group_q <= group_q + map_q + 1'b1;
    end
  end

  initial assume (!rst_ni);
  always @(*) begin
    if (run_q && !start_i) assume (map_n_i == map_q && pair_i == pair_q);
    if (Halves == 1) assume (!pair_i);
  end

  (* inside = "u_dut.tile_q" *) wire [AddrWidth-1:0] tile;
  (* inside = "u_dut.left_q" *) wire [13:0] left;
  (* inside = "u_dut.seg_q" *)  wire [SegWidth-1:0] own;

  integer p;
  always @(*) begin
    if (rst_ni && run_q) begin
      assert (addr == group_q + line_q);
      for (p = 0; p < Halves * Segs; p = p + 1) if (!start_i) assert (seg[p] == ((pair_q ? p : p % Segs) >= part_q));
      // what makes it inductive
      assert (tile == group_q && left == map_q - line_q && line_q <= map_q);
      assert (own == part_q && part_q < parts);
    end
    cover (rst_ni && run_q && valid_i && map_q == 1 && line_q == 1 && group_q == 14'h3fff && part_q + 8'd1 == parts);
    if (Halves == 2) cover (rst_ni && run_q && pair_q && part_q == 2 * Segs - 1);
    if (Segs > 1) cover (rst_ni && run_q && !pair_q && part_q == Segs - 1);
  end

endmodule

`default_nettype wire
