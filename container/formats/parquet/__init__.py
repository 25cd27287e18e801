"""Parquet: which columns of a table are features, and their numbers as rows, in training and conversion alike."""
