"""What the command shows on a terminal and hears from it."""
