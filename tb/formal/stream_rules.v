// stream_rules.v - the accelerator's side of AXI, whatever its engine and its neighbours do: what is valid stays, unchanged, until it is
// taken; every write and every read is answered once, a write two cycles, a read one cycle after it is there.
`default_nettype none

module stream_rules (
  input wire        clk_i,
  input wire        rst_ni,
  input wire [15:0] awaddr_i,
  input wire        awvalid_i,
  input wire [31:0] wdata_i,
  input wire [3:0]  wstrb_i,
  input wire        wvalid_i,
  input wire        bready_i,
  input wire [15:0] araddr_i,
  input wire        arvalid_i,
  input wire        rready_i,
  input wire [7:0]  act_data_i,
  input wire        act_valid_i,
  input wire [7:0]  wgt_data_i,
  input wire        wgt_valid_i,
  input wire        wgt_last_i,
  input wire        result_ready_i
);

  wire        awready, wready, bvalid, arready, rvalid, act_ready, wgt_ready, result_valid, result_last;
  wire [1:0]  bresp, rresp;
  wire [31:0] rdata, result;

  accelerator #(
    .Rows        (2),
    .Cols        (2),
    .WgtLanes    (1),
    .ActDepth    (8),
    .PsumDepth   (4),
    .Layers      (2),
    .ResultDepth (2)
  ) u_dut (
    .clk_i                (clk_i),
    .rst_ni               (rst_ni),
    .s_axil_awaddr        (awaddr_i),
    .s_axil_awprot        (3'd0),
    .s_axil_awvalid       (awvalid_i),
    .s_axil_awready       (awready),
    .s_axil_wdata         (wdata_i),
    .s_axil_wstrb         (wstrb_i),
    .s_axil_wvalid        (wvalid_i),
    .s_axil_wready        (wready),
    .s_axil_bresp         (bresp),
    .s_axil_bvalid        (bvalid),
    .s_axil_bready        (bready_i),
    .s_axil_araddr        (araddr_i),
    .s_axil_arprot        (3'd0),
    .s_axil_arvalid       (arvalid_i),
    .s_axil_arready       (arready),
    .s_axil_rdata         (rdata),
    .s_axil_rresp         (rresp),
    .s_axil_rvalid        (rvalid),
    .s_axil_rready        (rready_i),
    .s_axis_act_tdata     (act_data_i),
    .s_axis_act_tvalid    (act_valid_i),
    .s_axis_act_tready    (act_ready),
    .s_axis_act_tlast     (1'b0),
    .s_axis_wgt_tdata     (wgt_data_i),
    .s_axis_wgt_tvalid    (wgt_valid_i),
    .s_axis_wgt_tready    (wgt_ready),
    .s_axis_wgt_tlast     (wgt_last_i),
    .m_axis_result_tdata  (result),
    .m_axis_result_tvalid (result_valid),
    .m_axis_result_tready (result_ready_i),
    .m_axis_result_tlast  (result_last)
  );

  initial assume (!rst_ni);

  // ---------------------------------------------------------------- what was, and was not taken
  reg        run_q;  // there was no reset in the cycle before
  reg        b_wait_q, r_wait_q, result_wait_q;
  reg [1:0]  b_was_q;
  reg [33:0] r_was_q;
  reg [32:0] result_was_q;

  always @(posedge clk_i) begin
    run_q         <= rst_ni;
    b_wait_q      <= rst_ni && bvalid && !bready_i;
    r_wait_q      <= rst_ni && rvalid && !rready_i;
    result_wait_q <= rst_ni && result_valid && !result_ready_i;
    b_was_q       <= bresp;
    r_was_q       <= {rresp, rdata};
    result_was_q  <= {result_last, result};
  end

  // ---------------------------------------------------------------- requests without an answer
  reg [2:0] writes_q, data_q, reads_q;
  reg       both_q, asked_q;  // an address and its data are there; a read was taken

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      {writes_q, data_q, reads_q} <= 9'd0;
      {both_q, asked_q}           <= 2'd0;
    end else begin
      writes_q <= writes_q + (awvalid_i && awready) - (bvalid && bready_i);
      data_q   <= data_q + (wvalid_i && wready) - (bvalid && bready_i);
      reads_q  <= reads_q + (arvalid_i && arready) - (rvalid && rready_i);
      both_q   <= writes_q != 0 && data_q != 0 && !bvalid;
      asked_q  <= arvalid_i && arready;
    end
  end

  (* inside = "u_dut.u_regs.aw_full_q" *)          wire aw_full;
  (* inside = "u_dut.u_regs.w_full_q" *)           wire w_full;
  (* inside = "u_dut.u_results.col_q" *)           wire col;
  (* inside = "u_dut.u_results.u_fifo.count_q" *)  wire [1:0] count;
  (* inside = "u_dut.u_results.u_fifo.read_q" *)   wire read;
  (* inside = "u_dut.u_results.u_fifo.write_q" *)  wire write;

  always @(*) begin
    if (rst_ni) begin
      if (!run_q) assert (!bvalid && !rvalid && !result_valid);
      if (b_wait_q) assert (bvalid && bresp == b_was_q);
      if (r_wait_q) assert (rvalid && {rresp, rdata} == r_was_q);
      if (result_wait_q) assert (result_valid && {result_last, result} == result_was_q);
      if (bvalid) assert (writes_q != 0 && data_q != 0);
      if (rvalid) assert (reads_q != 0);
      if (both_q) assert (bvalid);
      if (asked_q) assert (rvalid);
      // what makes it inductive
      assert (writes_q == aw_full + bvalid && data_q == w_full + bvalid && reads_q == rvalid);
      assert (awready == !aw_full && wready == !w_full && arready == !rvalid);
      assert (count <= 2 && write == (read ^ count[0]));
    end
  end

  always @(*) begin
    cover (rst_ni && b_wait_q && bvalid && bready_i && bresp == 2'b10);
    cover (rst_ni && r_wait_q && rvalid && rready_i && rdata != 0);
    cover (rst_ni && result_wait_q && result_last && result_ready_i);
    cover (rst_ni && writes_q == 2);
    cover (rst_ni && act_valid_i && act_ready && wgt_valid_i && wgt_ready);
  end

endmodule

`default_nettype wire
