"""Streaming k-means: arrays in, arrays out.

It knows nothing about paths, settings from the environment, HTTP or SageMaker.
"""

# The release of both packages, kmeans and container. `make readme` copies it to where it can't be read from here.
__version__ = "0.1.0"
