"""Compiled functions: numba kernels, and what they are built of."""
