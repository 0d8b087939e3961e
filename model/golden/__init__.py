"""Exact execution of the integer graph, and of one layer tiled on the array. NumPy only."""
