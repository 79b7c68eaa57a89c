"""Bayes: the graph in a PyMC model, sampled with NUTS."""
