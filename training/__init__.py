"""Images and labels to weights: targets, losses, data and the trainer. `python -m training fit` is
the way in.
"""
