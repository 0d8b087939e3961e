// act_mem.v - the activation memory: lines of Rows codes in Banks banks, each line writable in Segs segments.
// rdata_o <= line raddr_i, where raddr_i = {bank, line}; every (bank, segment) whose bit in we_i is set is written at waddr_i.
// Latency: read 1 cycle; a word read in the cycle it is written is the old one.
// Golden: model.golden.blocks.Memory (one for each bank and segment).
`default_nettype none

module act_mem #(
  parameter integer Width = 32,  // bits of a line
  parameter integer Depth = 64,  // lines of all banks together
  parameter integer Banks = 1,   // banks written at once; above 1, Depth / Banks is a power of two
  parameter integer Segs  = 1,   // parts of a line with a write enable of their own
  // derived, leave them
  parameter integer AddrWidth     = (Depth > 1) ? $clog2(Depth) : 1,
  parameter integer LineAddrWidth = (Depth / Banks > 1) ? $clog2(Depth / Banks) : 1
) (
  input  wire                     clk_i,
  input  wire                     rst_ni,
  // write port; enable of bank b, segment s at [b*Segs + s]
  input  wire [Banks*Segs-1:0]    we_i,
  input  wire [LineAddrWidth-1:0] waddr_i,
  input  wire [Banks*Width-1:0]   wdata_i,
  // read port
  input  wire                     re_i,
  input  wire [AddrWidth-1:0]     raddr_i,
  output wire [Width-1:0]         rdata_o
);

  localparam integer SegWidth  = Width / Segs;
  localparam integer BankDepth = Depth / Banks;

  wire [Width-1:0] line [0:Banks-1];

  genvar b, s;
  generate
    for (b = 0; b < Banks; b = b + 1) begin : gen_bank
      wire here;
      if (Banks == 1) begin : gen_only
        assign here = 1'b1;
      end else begin : gen_select
        assign here = raddr_i[AddrWidth-1:LineAddrWidth] == b[AddrWidth-LineAddrWidth-1:0];
      end

      for (s = 0; s < Segs; s = s + 1) begin : gen_seg
        sram #(
          .Width (SegWidth),
          .Depth (BankDepth)
        ) u_sram (
          .clk_i   (clk_i),
          .rst_ni  (rst_ni),
          .we_i    (we_i[b*Segs + s]),
          .waddr_i (waddr_i),
          .wdata_i (wdata_i[b*Width + s*SegWidth +: SegWidth]),
          .re_i    (re_i && here),
          .raddr_i (raddr_i[LineAddrWidth-1:0]),
          .rdata_o (line[b][s*SegWidth +: SegWidth])
        );
      end
    end

    if (Banks == 1) begin : gen_one
      assign rdata_o = line[0];
    end else begin : gen_mux
      localparam integer BankWidth = AddrWidth - LineAddrWidth;
      reg [BankWidth-1:0] bank_q;
      always @(posedge clk_i) begin
        if (!rst_ni)   bank_q <= {BankWidth{1'b0}};
        else if (re_i) bank_q <= raddr_i[AddrWidth-1:LineAddrWidth];
      end
      assign rdata_o = line[bank_q];
    end
  endgenerate

`ifndef SYNTHESIS
  initial begin
    if (Banks < 1 || Segs < 1)            $fatal(1, "%m: Banks %0d, Segs %0d; expected 1 or more", Banks, Segs);
    if (Width % Segs != 0)                $fatal(1, "%m: Width %0d; expected a multiple of Segs %0d", Width, Segs);
    if (Banks > 1 && Depth != (Banks << LineAddrWidth))
      $fatal(1, "%m: Depth %0d in %0d banks; expected a power of two in each", Depth, Banks);
  end
`endif

endmodule

`default_nettype wire
