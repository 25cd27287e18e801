"""The files that a job writes, and how they are read: models, states, checkpoints."""
