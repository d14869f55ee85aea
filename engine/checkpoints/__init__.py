"""Weights in every form they are found in."""
