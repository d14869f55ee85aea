"""`python -m evaluation COMMAND`: a module for each command."""
