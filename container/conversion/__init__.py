"""Rows from one file format to another: sources of rows, encoders of records, and what rows are written to."""
