"""The deployable graph and its file."""
