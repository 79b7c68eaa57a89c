"""What a model is: its declaration, parameters, families, quadrature and formulas, and what is symmetric in it."""
