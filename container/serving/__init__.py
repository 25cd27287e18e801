"""The inference server. It never imports numba: a worker must be ready at once."""
