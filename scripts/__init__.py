"""Entry points behind `make`: they read arguments, call the model, print and write; no rule of the arithmetic lives here."""
