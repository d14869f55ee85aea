"""When everything happened, for trace viewers."""
