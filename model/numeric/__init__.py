"""Integer formats and the arithmetic on them; beneath everything else, NumPy only."""
