"""The integer graph: the contract that every executor (golden, RTL, C) must match bit by bit."""
