"""Who is who from frame to frame, and joints that do not jitter."""
