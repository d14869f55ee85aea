"""What `python -m engine` does, a module a command."""
