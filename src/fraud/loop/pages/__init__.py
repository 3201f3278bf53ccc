"""Pages that open offline: what they read, what they draw, and the style that they share."""
