"""What a run came to, for people: a page with plots, tables, and what they say in sentences."""
