"""What tests and benchmarks share: servers and containers to measure and test, and the generated documents."""
