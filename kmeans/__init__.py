"""Streaming k-means: arrays in, arrays out. Nothing here knows of files, environment variables, HTTP or SageMaker."""

# The release of both packages, kmeans and container. `make readme` copies it to where it can't be read from here.
__version__ = "0.1.0"
