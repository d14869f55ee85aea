"""People drawn into the image."""
