"""The one graph: log-likelihood, posterior probabilities and derived quantities of a model with data."""
