"""People drawn into the picture."""
