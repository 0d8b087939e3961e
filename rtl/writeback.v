// writeback.v - where codes go: line after line from a base address, output tile after output tile.
// With Segs > 1 an output tile fills one segment of its lines; the next tiles come back for the others. Where the reader wants
// pairs, it fills the low halves of one; when all low halves of the lines are filled, the next tiles come back for the high ones.
// Latency: the address belongs to the line of the same cycle.
// Golden: model.golden.blocks.places.
`default_nettype none

module writeback #(
  parameter integer AddrWidth = 14,  // bits of a line's address
  parameter integer Segs      = 1,   // segments of a line
  parameter integer Halves    = 1    // 2: lines can be filled half by half
) (
  input  wire                 clk_i,
  input  wire                 rst_ni,
  input  wire                 start_i,  // a layer begins: the next line goes to base_i
  input  wire [AddrWidth-1:0] base_i,
  input  wire [13:0]          map_n_i,  // lines of an output tile - 1
  input  wire                 pair_i,   // fill them half by half; stable while a layer runs, and 0 with one of Halves
  input  wire                 valid_i,  // a line is written
  output wire [AddrWidth-1:0] addr_o,
  output wire [Halves*Segs-1:0] seg_o   // the parts to write, half h of segment s at [h*Segs + s]: the tile's own, and with
                                        // zeros those above it
);

  localparam integer SegWidth = (Halves*Segs > 1) ? $clog2(Halves*Segs) : 1;
  localparam integer LastSeg  = Segs - 1;
  localparam integer LastPart = Halves * Segs - 1;

  reg  [AddrWidth-1:0] addr_q, tile_q;  // of the line, of the tile's first line
  reg  [13:0]          left_q;          // lines of the tile after this one
  reg  [SegWidth-1:0]  seg_q;

  wire tile_end = left_q == 14'd0;
  wire seg_end  = seg_q == (pair_i ? LastPart[SegWidth-1:0] : LastSeg[SegWidth-1:0]);

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      addr_q <= {AddrWidth{1'b0}};
      tile_q <= {AddrWidth{1'b0}};
      left_q <= 14'd0;
      seg_q  <= {SegWidth{1'b0}};
    end else if (start_i) begin
      addr_q <= base_i;
      tile_q <= base_i;
      left_q <= map_n_i;
      seg_q  <= {SegWidth{1'b0}};
    end else if (valid_i) begin
      left_q <= tile_end ? map_n_i : left_q - 14'd1;
      addr_q <= (tile_end && !seg_end) ? tile_q : addr_q + 1'b1;
      if (tile_end) begin
        seg_q <= seg_end ? {SegWidth{1'b0}} : seg_q + 1'b1;
        if (seg_end) tile_q <= addr_q + 1'b1;
      end
    end
  end

  assign addr_o = addr_q;

  genvar p;
  generate
    for (p = 0; p < Halves * Segs; p = p + 1) begin : gen_part
      localparam integer Segment = p % Segs;
      assign seg_o[p] = (pair_i ? p[SegWidth:0] : Segment[SegWidth:0]) >= {1'b0, seg_q};
    end
  endgenerate

`ifndef SYNTHESIS
  initial begin
    if (Segs < 1)                 $fatal(1, "%m: Segs %0d; expected 1 or more", Segs);
    if (Halves < 1 || Halves > 2) $fatal(1, "%m: Halves %0d; expected 1 or 2", Halves);
  end
`endif

`ifdef SIM_CHECKS
  always @(posedge clk_i) begin
    if (rst_ni && (^{start_i, valid_i}) === 1'bx) $fatal(1, "%m: X on start or valid");
    if (rst_ni && valid_i && pair_i && Halves == 1) $fatal(1, "%m: pairs, but lines are not filled half by half");
  end
`endif

endmodule

`default_nettype wire
