// harness.v - mac_array between registers, behind seven pins: what nextpnr places and routes, for the array has more ports than chips pins.
// A shift register feeds every input, another takes every output in parallel and shifts it out: all paths begin and end in registers.
// Latency: none that matters; it is never simulated.
`default_nettype none

module harness #(
  parameter integer Rows       = 8,
  parameter integer Cols       = 8,
  parameter integer ActWidth   = 4,
  parameter integer WgtWidth   = 4,
  parameter integer WgtPower   = 0,
  parameter integer WgtZero    = 0,
  parameter integer WgtStep    = 1,
  parameter integer PsumWidth  = 16,
  parameter integer WgtLanes   = 2,
  parameter integer GroupWidth = 2,
  parameter integer Simd       = 0,
  parameter integer OutputStationary = 0
) (
  input  wire clk_i,
  input  wire rst_ni,
  input  wire shift_i,  // into the first input register
  input  wire load_i,   // the outputs go into their registers; otherwise these shift
  output wire shift_o   // out of the last output register
);

  localparam integer RowWidth = 3 + ActWidth + GroupWidth + WgtLanes * WgtWidth;
  localparam integer ModeAt   = Rows * RowWidth;
  localparam integer FromNorth = Cols * WgtWidth;
  localparam integer InWidth  = ModeAt + Simd + OutputStationary * (1 + FromNorth);  // each mode has a register of its own
  localparam integer OutWidth = Cols * (1 + PsumWidth);

  reg  [InWidth-1:0]  in_q;
  reg  [OutWidth-1:0] out_q;
  wire [OutWidth-1:0] out;

  always @(posedge clk_i) begin
    in_q  <= {in_q[InWidth-2:0], shift_i};
    out_q <= load_i ? out : {out_q[OutWidth-2:0], 1'b0};
  end

  wire [InWidth+FromNorth+1:0] from = {{(FromNorth+2){1'b0}}, in_q};  // zeros where a mode is not built in

  assign shift_o = out_q[OutWidth-1];

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
    .simd_i       (Simd != 0 && from[ModeAt]),
    .os_i         (OutputStationary != 0 && from[ModeAt+Simd]),
    .wgt_n_i      (from[ModeAt+Simd+1 +: FromNorth]),
    .valid_i      (in_q[0 +: Rows]),
    .swap_i       (in_q[Rows +: Rows]),
    .wgt_valid_i  (in_q[2*Rows +: Rows]),
    .act_i        (in_q[3*Rows +: Rows*ActWidth]),
    .wgt_group_i  (in_q[Rows*(3+ActWidth) +: Rows*GroupWidth]),
    .wgt_i        (in_q[Rows*(3+ActWidth+GroupWidth) +: Rows*WgtLanes*WgtWidth]),
    .psum_valid_o (out[0 +: Cols]),
    .psum_o       (out[Cols +: Cols*PsumWidth])
  );

endmodule

`default_nettype wire
