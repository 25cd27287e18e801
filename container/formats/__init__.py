"""Bytes to rows and back, for training and serving alike; nothing here reads a file or compiles a kernel."""
