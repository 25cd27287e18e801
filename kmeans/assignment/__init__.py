"""The nearest center of each row, and sums of rows by center."""
