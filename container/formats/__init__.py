"""Bytes to rows and back, for training and serving alike. Nothing here opens a file; only `*_kernel` need numba."""
