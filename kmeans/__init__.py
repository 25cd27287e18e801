"""Streaming k-means: arrays in, arrays out. Nothing here knows of files, environment variables, HTTP or SageMaker."""
