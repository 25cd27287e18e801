"""Log lines, metrics and progress."""
