"""What `python -m engine` does."""
