"""Entry points behind `make`: they read arguments, call the model, print and write; the arithmetic lives elsewhere."""
