// lane_delay.v - l0 and ofifo keep every lane of every line, in order, each as late as its place demands; delay keeps every word.
// Any line may be watched: lane r must be at the output r cycles later (l0) or Lanes-1-r cycles later (ofifo), and until a lane had that
// time since the reset there is zero at its output.
`default_nettype none

module lane_delay #(
  parameter integer Deskew = 0,  // 0: l0, 1: ofifo
  parameter integer Lanes  = 4,
  parameter integer Width  = 3
) (
  input wire                   clk_i,
  input wire                   rst_ni,
  input wire [Lanes-1:0]       valid_i,  // of ofifo
  input wire [Lanes*Width-1:0] data_i,
  input wire                   watch_i   // watch the line that begins to enter now
);

  localparam integer Last = Lanes - 1;

  wire                   valid;
  wire [Lanes*Width-1:0] data;

  generate
    if (Deskew != 0) begin : gen_ofifo
      ofifo #(
        .Lanes (Lanes),
        .Width (Width)
      ) u_dut (
        .clk_i   (clk_i),
        .rst_ni  (rst_ni),
        .valid_i (valid_i),
        .data_i  (data_i),
        .valid_o (valid),
        .data_o  (data)
      );
    end else begin : gen_l0
      l0 #(
        .Lanes (Lanes),
        .Width (Width)
      ) u_dut (
        .clk_i  (clk_i),
        .rst_ni (rst_ni),
        .data_i (data_i),
        .data_o (data)
      );
      assign valid = 1'b0;
    end
  endgenerate

  // ofifo's line enters lane by lane: lane c in cycle c; it leaves as a whole in cycle Lanes-1. l0 does the opposite.
  reg                   watch_q;
  reg [7:0]             age_q;     // cycles since the watched line began to enter
  reg [7:0]             since_q;   // cycles since the reset, at most Lanes
  reg [Lanes*Width-1:0] line_q;
  reg [Lanes-1:0]       valid_q;   // of its lanes
  wire                  watch = watch_q || watch_i;
  wire [7:0]            age   = watch_q ? age_q : 8'd0;

  always @(posedge clk_i) begin
    if (!rst_ni) begin
      watch_q <= 1'b0;
      since_q <= 8'd0;
    end else begin
      watch_q <= watch && age != Last;
      age_q   <= age + 8'd1;
      since_q <= (since_q == Lanes) ? since_q : since_q + 8'd1;
    end
  end

  integer r;
  always @(posedge clk_i) begin
    for (r = 0; r < Lanes; r = r + 1) begin
      if (age == ((Deskew != 0) ? r : 0)) begin
        line_q[r*Width +: Width] <= data_i[r*Width +: Width];
        valid_q[r]               <= valid_i[r];
      end
    end
  end

  initial assume (!rst_ni);

  always @(*) begin
    if (rst_ni) begin
      assert (since_q <= Lanes);
      if (watch_q) assert (age_q != 0 && age_q <= Last);
    end
  end

  genvar l;
  generate
    for (l = 0; l < Lanes; l = l + 1) begin : gen_lane
      localparam integer Late  = (Deskew != 0) ? Last - l : l;
      localparam integer Leave = (Deskew != 0) ? Last : l;  // when the watched line's lane is at the output
      wire [Width-1:0] was = (Late == 0) ? data_i[l*Width +: Width] : line_q[l*Width +: Width];

      always @(*) begin
        if (rst_ni) begin
          if (watch && age == Leave) assert (data[l*Width +: Width] == was);
          if (since_q < Late) assert (data[l*Width +: Width] == 0);
        end
      end
    end

    if (Deskew != 0) begin : gen_valid
      wire [Lanes-1:0] seen = {valid_i[Lanes-1], valid_q[Lanes-2:0]};
      always @(*) begin
        if (rst_ni) begin
          if (watch && age == Last) assert (valid == &seen);
          if (since_q < Last) assert (!valid);
        end
        cover (rst_ni && watch && age == Last && valid);
        cover (rst_ni && watch && age == Last && |seen && !valid);
      end
    end
  endgenerate

  always @(*) begin
    cover (rst_ni && watch && age == Last && &data[Width-1:0] && &data[Lanes*Width-1 -: Width]);
  end

endmodule

`default_nettype wire
