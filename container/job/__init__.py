"""A training job, from start to end."""
