"""Simulation studies: replications, their files and their averages."""
