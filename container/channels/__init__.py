"""What SageMaker mounts: files and FIFOs of a channel, as mini-batches."""
