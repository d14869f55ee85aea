"""What is measured, a module per question: `python -m benchmarks.NAME --help`."""
