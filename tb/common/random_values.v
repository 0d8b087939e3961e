// random_values.v - where registers get their first values when a simulation in Icarus begins at random (tb.common.initial).
// A module without ports beside the one under test: word() is the next of 32 random bits, of the seed in +init_seed=<number>.
`default_nettype none

module random_values;
  integer state;
  reg     ready;

  function [31:0] word(input unused);
    begin
      if (ready !== 1'b1) begin
        if (!$value$plusargs("init_seed=%d", state)) $fatal(1, "%m: no +init_seed=<number>");
        ready = 1'b1;
      end
      word = $random(state);
    end
  endfunction
endmodule

`default_nettype wire
