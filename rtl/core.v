// core.v - the datapath: activation memory, l0, array, ofifo, two psum banks, sfp; driven by one instruction word a cycle.
// psum[c] = sum over r of wgt[r][c] * act[r]; sum = (psum << p_plane*ActWidth) (+ bank p_rbank[p_addr]); bank p_wbank[p_addr] <= sum;
// out = sum of bank lines.
// Latency: instruction to psum_valid_o Rows + Cols cycles; a_last to out_valid_o 2 cycles.
// Output stationary (os_i): x_swap begins a group of Rows pixels, x_last ends it; wgt_i holds the Cols weights of the term, lowest
// column lowest. Line i of a group, row Rows-1-i's pixel, goes to p_addr + i: Rows + Cols + 1 + i cycles after x_last.
// Golden: model.golden.blocks.run_program, model.golden.os_blocks.run_terms.
//
//   cycle of the instruction     n                act memory read; weights of the tile on the port by now
//                                n+1+r+c          the pixel is at PE(r,c)
//                                n+Rows+Cols-1    psum bank read (p_acc)
//                                n+Rows+Cols      psum_valid_o, sum_o; psum bank write
//                                n+Rows+Cols+1    an `a` instruction may read it
//   an `a` instruction           m                psum bank read;  m+1 at the sfp;  m+2 out_valid_o (a_last)
//
// A weight flit on the port in cycle u is at PE(r,c) in u+r+c. If the first pixels (x_swap) of tiles k-1 and k are issued in
// cycles s and t, the flits of tile k must be on the port in s+1 .. t: a tile of ceil(Cols/WgtLanes) pixels hides them.
`default_nettype none

module core #(
  parameter integer Rows      = 8,    // input channels of a tile
  parameter integer Cols      = 8,    // output channels of a tile
  parameter integer ActWidth  = 4,    // bits of an activation, unsigned
  parameter integer WgtWidth  = 4,    // bits of a weight
  parameter integer PsumWidth = 16,   // bits of a partial sum, two's complement
  parameter integer WgtLanes  = 2,    // columns of weights in one flit
  parameter integer ActDepth  = 128,  // activation lines
  parameter integer PsumDepth = 256,  // psum lines of each of the two banks
  parameter integer ActBanks  = 1,    // banks of the activation memory that one write fills
  parameter integer ActSegs   = 1,    // parts of an activation line with a write enable of their own
  parameter integer ActHalves = 1,    // 2: and of these the low and the high halves of the codes
  parameter integer Simd      = 0,    // 1: the array can multiply pairs
  parameter integer SideWidth = 1,    // bits of an instruction that come out beside its sum
  parameter integer WgtPower  = 0,    // the weight format, see mac_tile
  parameter integer WgtZero   = 0,
  parameter integer WgtStep   = 1,
  parameter integer OutputStationary = 0,  // 1: both dataflows, switched by os_i
  // derived, leave them
  parameter integer Groups        = (Cols + WgtLanes - 1) / WgtLanes,
  parameter integer ColBits       = (Groups > 1) ? $clog2(Groups) : 1,
  parameter integer GroupWidth    = ColBits + ((Simd != 0) ? 1 : 0),
  parameter integer ActAddrWidth  = (ActDepth > 1) ? $clog2(ActDepth) : 1,
  parameter integer PsumAddrWidth = (PsumDepth > 1) ? $clog2(PsumDepth) : 1,
  parameter integer LineAddrWidth = (ActDepth / ActBanks > 1) ? $clog2(ActDepth / ActBanks) : 1,
  parameter integer LastWidth     = (OutputStationary != 0) ? 1 : 0,
  parameter integer InstWidth     = 13 + SideWidth + ActAddrWidth + 2 * PsumAddrWidth + LastWidth
) (
  input  wire                              clk_i,
  input  wire                              rst_ni,
  // mode: output stationary; changes only while nothing is on the way
  input  wire                              os_i,
  // a layer of pairs, see mac_tile; still while its pixels are in the array
  input  wire                              simd_i,
  // activation memory write port, row r at [r*ActWidth +: ActWidth] of each bank's line; an enable a bank, half and segment
  input  wire [ActBanks*ActHalves*ActSegs-1:0] act_we_i,
  input  wire [LineAddrWidth-1:0]          act_waddr_i,
  input  wire [ActBanks*Rows*ActWidth-1:0] act_wdata_i,
  // weight stream: column wgt_group_i*WgtLanes + l, row r at [(l*Rows+r)*WgtWidth +: WgtWidth]; with Simd the highest bit of
  // wgt_group_i says for which half of the row's code
  input  wire                              wgt_valid_i,
  input  wire [GroupWidth-1:0]             wgt_group_i,
  input  wire [WgtLanes*Rows*WgtWidth-1:0] wgt_i,
  // instruction word, see the assignment of its fields below
  input  wire [InstWidth-1:0]              inst_i,
  // psum of this pass, before it is added to memory; column c at [c*PsumWidth +: PsumWidth]
  output wire                              psum_valid_o,
  output wire [Cols*PsumWidth-1:0]         psum_o,
  // beside it: what is written to memory, and the side bits of its instruction
  output wire [Cols*PsumWidth-1:0]         sum_o,
  output wire [SideWidth-1:0]              sum_side_o,
  // accumulated and rectified output
  output wire                              out_valid_o,
  output wire [Cols*PsumWidth-1:0]         out_o
);

  localparam integer LineWidth = Cols * PsumWidth;
  localparam integer FlitWidth = WgtLanes * WgtWidth;
  localparam integer WordWidth = 3 + GroupWidth + FlitWidth + ActWidth;  // one row's share of the wave
  localparam integer DestWidth = 6 + SideWidth + PsumAddrWidth;          // where a psum goes

  // ---------------------------------------------------------------- instruction fields, MSB to LSB
  wire                     x_valid, x_swap;           // stream a pixel; it is the first of its tile
  wire [ActAddrWidth-1:0]  x_addr;
  wire                     p_acc, p_rbank, p_wbank;   // its psum: add to memory, from bank, into bank
  wire [PsumAddrWidth-1:0] p_addr;
  wire                     a_valid, a_first, a_last, a_relu, a_bank;  // accumulate a psum line
  wire [PsumAddrWidth-1:0] a_addr;
  wire                     x_zero;   // the pixel is padding: code 0, nothing is read
  wire [1:0]               p_plane;  // the pixel is this plane of a wide activation: the psum counts 2^(p_plane*ActWidth)
  wire [SideWidth-1:0]     p_side;   // comes out beside the sum

  assign {x_valid, x_swap, x_addr, p_acc, p_rbank, p_wbank, p_addr,
          a_valid, a_first, a_last, a_relu, a_bank, a_addr, x_zero, p_plane, p_side} = inst_i[InstWidth-1:LastWidth];

  wire os     = OutputStationary != 0 && os_i;
  wire x_last = os && inst_i[0];  // output stationary: the last term of a group, with where its sums go

  // ---------------------------------------------------------------- activations and weights become one skewed wave
  wire [Rows*ActWidth-1:0]  act_line, act;
  wire                      valid, swap, zero, last;
  reg  [Rows*WordWidth-1:0] line;
  wire [Rows*WordWidth-1:0] wave;

  act_mem #(
    .Width (Rows * ActWidth),
    .Depth (ActDepth),
    .Banks (ActBanks),
    .Segs  (ActSegs),
    .Halves    (ActHalves),
    .LaneWidth (ActWidth)
  ) u_act_mem (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .we_i    (act_we_i),
    .waddr_i (act_waddr_i),
    .wdata_i (act_wdata_i),
    .re_i    (x_valid && !x_zero),
    .raddr_i (x_addr),
    .rdata_o (act_line)
  );

  assign act = zero ? {(Rows*ActWidth){1'b0}} : act_line;

  delay #(
    .Width  (4),
    .Cycles (1)
  ) u_x_delay (
    .clk_i  (clk_i),
    .rst_ni (rst_ni),
    .data_i ({x_valid, x_valid && x_swap, x_zero, x_valid && x_last}),
    .data_o ({valid, swap, zero, last})
  );

  // ---------------------------------------------------------------- output stationary: weights come from the north, skewed as well
  wire [Cols*WgtWidth-1:0] col_wgt;
  generate
    if (OutputStationary != 0) begin : gen_os_wgt
      wire [Cols*WgtWidth-1:0] term_wgt;
      delay #(
        .Width  (Cols * WgtWidth),
        .Cycles (1)
      ) u_delay (
        .clk_i  (clk_i),
        .rst_ni (rst_ni),
        .data_i (wgt_i[Cols*WgtWidth-1:0]),
        .data_o (term_wgt)
      );

      l0 #(
        .Lanes (Cols),
        .Width (WgtWidth)
      ) u_l0 (
        .clk_i  (clk_i),
        .rst_ni (rst_ni),
        .data_i (term_wgt),
        .data_o (col_wgt)
      );
    end else begin : gen_ws_wgt
      assign col_wgt = {(Cols*WgtWidth){1'b0}};
    end
  endgenerate

  l0 #(
    .Lanes (Rows),
    .Width (WordWidth)
  ) u_l0 (
    .clk_i  (clk_i),
    .rst_ni (rst_ni),
    .data_i (line),
    .data_o (wave)
  );

  // ---------------------------------------------------------------- array
  reg  [Rows-1:0]            row_valid, row_swap, row_wgt_valid;
  reg  [Rows*ActWidth-1:0]   row_act;
  reg  [Rows*GroupWidth-1:0] row_wgt_group;
  reg  [Rows*FlitWidth-1:0]  row_wgt;
  wire [Cols-1:0]            col_valid;
  wire [LineWidth-1:0]       col_psum;

  // Buses with a part a row are put together procedurally, here and elsewhere: nets with several partial drivers are
  // resolved bit by bit in simulation, which takes longer than all the arithmetic.
  genvar r, l;
  generate
    for (r = 0; r < Rows; r = r + 1) begin : gen_row
      reg [FlitWidth-1:0] flit;
      for (l = 0; l < WgtLanes; l = l + 1) begin : gen_lane
        always @(*) flit[l*WgtWidth +: WgtWidth] = wgt_i[(l*Rows+r)*WgtWidth +: WgtWidth];
      end
      wire [ActWidth-1:0]  code = act[r*ActWidth +: ActWidth];
      wire [WordWidth-1:0] word = wave[r*WordWidth +: WordWidth];
      always @(*) line[r*WordWidth +: WordWidth] = {os ? last : wgt_valid_i, wgt_group_i, flit, valid, swap, code};
      always @(*) {row_wgt_valid[r], row_wgt_group[r*GroupWidth +: GroupWidth], row_wgt[r*FlitWidth +: FlitWidth],
                   row_valid[r], row_swap[r], row_act[r*ActWidth +: ActWidth]} = word;
    end
  endgenerate

  mac_array #(
    .Rows       (Rows),
    .Cols       (Cols),
    .ActWidth   (ActWidth),
    .WgtWidth   (WgtWidth),
    .WgtPower   (WgtPower),
    .WgtZero    (WgtZero),
    .WgtStep    (WgtStep),
    .PsumWidth  (PsumWidth),
    .WgtLanes   (WgtLanes),
    .GroupWidth (GroupWidth),
    .Simd       (Simd),
    .OutputStationary (OutputStationary)
  ) u_array (
    .clk_i        (clk_i),
    .rst_ni       (rst_ni),
    .simd_i       (simd_i),
    .os_i         (os),
    .valid_i      (row_valid),
    .swap_i       (row_swap),
    .act_i        (row_act),
    .wgt_valid_i  (row_wgt_valid),
    .wgt_group_i  (row_wgt_group),
    .wgt_i        (row_wgt),
    .wgt_n_i      (col_wgt),
    .psum_valid_o (col_valid),
    .psum_o       (col_psum)
  );

  ofifo #(
    .Lanes (Cols),
    .Width (PsumWidth)
  ) u_ofifo (
    .clk_i   (clk_i),
    .rst_ni  (rst_ni),
    .valid_i (col_valid),
    .data_i  (col_psum),
    .valid_o (psum_valid_o),
    .data_o  (psum_o)
  );

  // ---------------------------------------------------------------- where each psum goes, timed to meet it
  wire                     d_valid, d_acc, d_rbank, d_wbank;  // output stationary: of a whole group, a cycle earlier
  wire [PsumAddrWidth-1:0] d_addr;
  wire [1:0]               d_plane;
  wire [SideWidth-1:0]     d_side;
  wire                     r_valid, r_acc, r_rbank, r_wbank;  // one cycle before the psum: bank read
  wire [PsumAddrWidth-1:0] r_addr;
  wire [1:0]               r_plane;
  wire [SideWidth-1:0]     r_side;
  wire                     w_valid, w_acc, w_rbank, w_wbank;  // with the psum: bank write
  wire [PsumAddrWidth-1:0] w_addr;
  wire [1:0]               w_plane;

  delay #(
    .Width  (DestWidth),
    .Cycles (Rows + Cols - 1)
  ) u_dest_delay (
    .clk_i  (clk_i),
    .rst_ni (rst_ni),
    .data_i ({x_valid && (!os || x_last), p_acc, p_rbank, p_wbank, p_addr, p_plane, p_side}),
    .data_o ({d_valid, d_acc, d_rbank, d_wbank, d_addr, d_plane, d_side})
  );

  generate
    if (OutputStationary != 0) begin : gen_os_dest
      wire                           valid_g, acc_g, rbank_g, wbank_g;
      wire [PsumAddrWidth-1:0]       addr_g;
      wire [1:0]                     plane_g;
      wire [SideWidth-1:0]           side_g;

      os_dest #(
        .Rows      (Rows),
        .AddrWidth (PsumAddrWidth),
        .FlagWidth (5 + SideWidth)
      ) u_dest (
        .clk_i   (clk_i),
        .rst_ni  (rst_ni),
        .start_i (os && d_valid),
        .addr_i  (d_addr),
        .flags_i ({d_acc, d_rbank, d_wbank, d_plane, d_side}),
        .valid_o (valid_g),
        .addr_o  (addr_g),
        .flags_o ({acc_g, rbank_g, wbank_g, plane_g, side_g})
      );

      assign {r_valid, r_acc, r_rbank, r_wbank, r_addr, r_plane, r_side} =
        os ? {valid_g, acc_g, rbank_g, wbank_g, addr_g, plane_g, side_g}
           : {d_valid, d_acc, d_rbank, d_wbank, d_addr, d_plane, d_side};
    end else begin : gen_ws_dest
      assign {r_valid, r_acc, r_rbank, r_wbank, r_addr, r_plane, r_side} =
        {d_valid, d_acc, d_rbank, d_wbank, d_addr, d_plane, d_side};
    end
  endgenerate

  delay #(
    .Width  (DestWidth),
    .Cycles (1)
  ) u_write_delay (
    .clk_i  (clk_i),
    .rst_ni (rst_ni),
    .data_i ({r_valid, r_acc, r_rbank, r_wbank, r_addr, r_plane, r_side}),
    .data_o ({w_valid, w_acc, w_rbank, w_wbank, w_addr, w_plane, sum_side_o})
  );

  // ---------------------------------------------------------------- psum banks
  wire                 p_read = r_valid && r_acc;
  wire                 fwd_d  = p_read && w_valid && w_wbank == r_rbank && w_addr == r_addr;
  reg                  fwd_q;
  reg  [LineWidth-1:0] fwd_line_q;
  wire [LineWidth-1:0] bank_line [0:1];
  wire [LineWidth-1:0] old_line = fwd_q ? fwd_line_q : bank_line[w_rbank];
  reg  [LineWidth-1:0] w_line;

  // The bank still holds the old word when a line is read while it is written: take it from the write port.
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      fwd_q      <= 1'b0;
      fwd_line_q <= {LineWidth{1'b0}};
    end else begin
      fwd_q <= fwd_d;
      if (fwd_d) fwd_line_q <= w_line;
    end
  end

  genvar b, c;
  generate
    for (b = 0; b < 2; b = b + 1) begin : gen_bank
      wire p_here = p_read && r_rbank == b[0];
      wire a_here = a_valid && a_bank == b[0];

      sram #(
        .Width (LineWidth),
        .Depth (PsumDepth)
      ) u_psum_mem (
        .clk_i   (clk_i),
        .rst_ni  (rst_ni),
        .we_i    (w_valid && w_wbank == b[0]),
        .waddr_i (w_addr),
        .wdata_i (w_line),
        .re_i    (p_here || a_here),
        .raddr_i (p_here ? r_addr : a_addr),
        .rdata_o (bank_line[b])
      );

`ifdef SIM_CHECKS
      always @(posedge clk_i) begin
        if (rst_ni && p_here && a_here) $fatal(1, "%m: psum and accumulation read bank %0d in one cycle", b);
        if (rst_ni && a_here && w_valid && w_wbank == b[0] && w_addr == a_addr)
          $fatal(1, "%m: accumulation reads address %0d while it is written", a_addr);
      end
`endif
    end

    for (c = 0; c < Cols; c = c + 1) begin : gen_col
      wire [PsumWidth-1:0] base = w_acc ? old_line[c*PsumWidth +: PsumWidth] : {PsumWidth{1'b0}};
      wire [PsumWidth-1:0] part = psum_o[c*PsumWidth +: PsumWidth];
      wire [PsumWidth-1:0] psum = part << (w_plane * ActWidth);
      always @(*) w_line[c*PsumWidth +: PsumWidth] = base + psum;

`ifdef SIM_CHECKS
      always @(posedge clk_i) begin
        if (rst_ni && w_valid) begin
          if ($signed(psum) >>> (w_plane * ActWidth) != $signed(part))
            $fatal(1, "%m: overflow, %0d of plane %0d does not fit %0d bits", $signed(part), w_plane, PsumWidth);
          if ((^base) === 1'bx) $fatal(1, "%m: added to address %0d, never written", w_addr);
          if (base[PsumWidth-1] == psum[PsumWidth-1] && w_line[(c+1)*PsumWidth-1] != base[PsumWidth-1])
            $fatal(1, "%m: overflow, %0d + %0d does not fit %0d bits", $signed(base), $signed(psum), PsumWidth);
        end
      end
`endif
    end
  endgenerate

  assign sum_o = w_line;

  // ---------------------------------------------------------------- accumulation
  wire s_valid, s_first, s_last, s_relu, s_bank;

  delay #(
    .Width  (5),
    .Cycles (1)
  ) u_a_delay (
    .clk_i  (clk_i),
    .rst_ni (rst_ni),
    .data_i ({a_valid, a_first, a_last, a_relu, a_bank}),
    .data_o ({s_valid, s_first, s_last, s_relu, s_bank})
  );

  sfp #(
    .Cols      (Cols),
    .PsumWidth (PsumWidth)
  ) u_sfp (
    .clk_i       (clk_i),
    .rst_ni      (rst_ni),
    .valid_i     (s_valid),
    .first_i     (s_first),
    .last_i      (s_last),
    .relu_i      (s_relu),
    .data_i      (s_valid ? bank_line[s_bank] : {LineWidth{1'b0}}),  // still while nothing is accumulated
    .out_valid_o (out_valid_o),
    .out_o       (out_o)
  );

`ifndef SYNTHESIS
  initial begin
    if (OutputStationary != 0 && Cols > WgtLanes * Rows)
      $fatal(1, "%m: WgtLanes %0d of Rows %0d; expected a word that holds the weights of Cols %0d", WgtLanes, Rows, Cols);
    if (OutputStationary != 0 && PsumDepth < Rows)
      $fatal(1, "%m: PsumDepth %0d; expected the lines of a group of pixels, Rows %0d", PsumDepth, Rows);
  end
`endif

`ifdef SIM_CHECKS
  localparam integer BankParts = ActHalves * ActSegs;
  wire [ActBanks*BankParts-1:0] x_bank;  // enables of the bank that a pixel reads
  genvar e;
  generate
    for (e = 0; e < ActBanks; e = e + 1) begin : gen_x_bank
      assign x_bank[e*BankParts +: BankParts] = {BankParts{(x_addr >> LineAddrWidth) == e || ActBanks == 1}};
    end
  endgenerate

  always @(posedge clk_i) begin
    if (rst_ni) begin
      if ((^{x_valid, a_valid, act_we_i, wgt_valid_i}) === 1'bx) $fatal(1, "%m: X on a valid or an enable");
      if (OutputStationary != 0 && os_i === 1'bx) $fatal(1, "%m: X on os");
      if (os && (^{x_valid && x_last, wgt_valid_i}) === 1'bx) $fatal(1, "%m: X on last or a flit");
      if (os && wgt_valid_i) $fatal(1, "%m: a weight flit, but outputs are stationary");
      if (x_valid && (^{x_zero, p_plane, p_side}) === 1'bx) $fatal(1, "%m: X in the fields of a pixel");
      if (x_valid && !x_zero && |(act_we_i & x_bank) && x_addr[LineAddrWidth-1:0] == act_waddr_i)
        $fatal(1, "%m: activation line %0d is read while it is written", x_addr);
      if (psum_valid_o != w_valid) $fatal(1, "%m: the psum and its destination did not meet");
    end
  end
`endif

endmodule

`default_nettype wire
