// act_mem.v - the activation memory: lines of Rows codes in Banks banks, each line writable in Segs segments.
// rdata_o <= line raddr_i, where raddr_i = {bank, line}; every (bank, segment) whose bit in we_i is set is written at waddr_i.
// With two Halves the low and the high half of every code of a segment have an enable each.
// Latency: read 1 cycle; a word read in the cycle it is written is the old one.
// Golden: model.golden.blocks.Memory (one for each bank and segment).
`default_nettype none

module act_mem #(
  parameter integer Width = 32,  // bits of a line
  parameter integer Depth = 64,  // lines of all banks together
  parameter integer Banks = 1,   // banks written at once; above 1, Depth / Banks is a power of two
  parameter integer Segs  = 1,   // parts of a line with a write enable of their own
  parameter integer Halves    = 1,  // 2: of each of them, the low halves of its codes and the high ones by themselves
  parameter integer LaneWidth = 4,  // bits of a code; looked at with two Halves
  // derived, leave them
  parameter integer AddrWidth     = (Depth > 1) ? $clog2(Depth) : 1,
  parameter integer LineAddrWidth = (Depth / Banks > 1) ? $clog2(Depth / Banks) : 1
) (
  input  wire                     clk_i,
  input  wire                     rst_ni,
  // write port; enable of bank b, half h, segment s at [(b*Halves + h)*Segs + s]
  input  wire [Banks*Halves*Segs-1:0] we_i,
  input  wire [LineAddrWidth-1:0] waddr_i,
  input  wire [Banks*Width-1:0]   wdata_i,
  // read port
  input  wire                     re_i,
  input  wire [AddrWidth-1:0]     raddr_i,
  output wire [Width-1:0]         rdata_o
);

  localparam integer Parts     = Halves * Segs;
  localparam integer PartWidth = Width / Parts;
  localparam integer BankDepth = Depth / Banks;
  localparam integer Lanes     = Width / LaneWidth;  // this and the next: with two Halves
  localparam integer HalfWidth = LaneWidth / 2;

  wire [Width-1:0] shown;
  wire [Width-1:0] line [0:Banks-1];  // as they are stored: with two Halves all low ones, then all high ones

  genvar b, p;
  generate
    for (b = 0; b < Banks; b = b + 1) begin : gen_bank
      wire here;
      if (Banks == 1) begin : gen_only
        assign here = 1'b1;
      end else begin : gen_select
        assign here = raddr_i[AddrWidth-1:LineAddrWidth] == b[AddrWidth-LineAddrWidth-1:0];
      end

      wire [Width-1:0] wdata = wdata_i[b*Width +: Width];
      reg  [Width-1:0] stored;
      if (Halves == 1) begin : gen_whole
        always @(*) stored = wdata;
      end else begin : gen_halves
        integer i;
        always @(*) begin
          for (i = 0; i < Lanes; i = i + 1) begin
            stored[i*HalfWidth +: HalfWidth]           = wdata[i*LaneWidth +: HalfWidth];
            stored[(Lanes+i)*HalfWidth +: HalfWidth] = wdata[i*LaneWidth + HalfWidth +: HalfWidth];
          end
        end
      end

      for (p = 0; p < Parts; p = p + 1) begin : gen_part
        sram #(
          .Width (PartWidth),
          .Depth (BankDepth)
        ) u_sram (
          .clk_i   (clk_i),
          .rst_ni  (rst_ni),
          .we_i    (we_i[b*Parts + p]),
          .waddr_i (waddr_i),
          .wdata_i (stored[p*PartWidth +: PartWidth]),
          .re_i    (re_i && here),
          .raddr_i (raddr_i[LineAddrWidth-1:0]),
          .rdata_o (line[b][p*PartWidth +: PartWidth])
        );
      end
    end

    if (Banks == 1) begin : gen_one
      assign shown = line[0];
    end else begin : gen_mux
      localparam integer BankWidth = AddrWidth - LineAddrWidth;
      reg [BankWidth-1:0] bank_q;
      always @(posedge clk_i) begin
        if (!rst_ni)   bank_q <= {BankWidth{1'b0}};
        else if (re_i) bank_q <= raddr_i[AddrWidth-1:LineAddrWidth];
      end
      assign shown = line[bank_q];
    end

    if (Halves == 1) begin : gen_plain
      assign rdata_o = shown;
    end else begin : gen_joined
      reg [Width-1:0] joined;
      integer i;
      always @(*) begin
        for (i = 0; i < Lanes; i = i + 1)
          joined[i*LaneWidth +: LaneWidth] = {shown[(Lanes+i)*HalfWidth +: HalfWidth], shown[i*HalfWidth +: HalfWidth]};
      end
      assign rdata_o = joined;
    end
  endgenerate

`ifndef SYNTHESIS
  initial begin
    if (Banks < 1 || Segs < 1)            $fatal(1, "%m: Banks %0d, Segs %0d; expected 1 or more", Banks, Segs);
    if (Width % Segs != 0)                $fatal(1, "%m: Width %0d; expected a multiple of Segs %0d", Width, Segs);
    if (Halves < 1 || Halves > 2)         $fatal(1, "%m: Halves %0d; expected 1 or 2", Halves);
    if (Halves == 2 && (LaneWidth % 2 != 0 || Width % (Segs * LaneWidth) != 0))
      $fatal(1, "%m: LaneWidth %0d, Width %0d; expected even codes, as many in each of %0d segments", LaneWidth, Width, Segs);
    if (Banks > 1 && Depth != (Banks << LineAddrWidth))
      $fatal(1, "%m: Depth %0d in %0d banks; expected a power of two in each", Depth, Banks);
  end
`endif

endmodule

`default_nettype wire
