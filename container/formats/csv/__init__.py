"""CSV: lines of numbers without a header."""
