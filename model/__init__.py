"""Lockstep's Python side: from a quantized network to the vectors that a systolic array must reproduce bit by bit."""
