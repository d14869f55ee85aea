"""What is measured, over which settings, and how it is kept."""
