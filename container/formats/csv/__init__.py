"""Rows as lines of comma-separated numbers."""
