"""The SageMaker edge: files, formats, hyperparameters, serving. It imports `kmeans`, never the reverse."""
