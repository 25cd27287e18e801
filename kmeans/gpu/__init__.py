"""Assignment and sums on one NVIDIA GPU, with numba's CUDA target; nothing else imports it, or CUDA, unasked."""
