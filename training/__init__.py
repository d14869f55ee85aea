"""Images and labels to weights: targets, losses, data and the trainer. `python -m training fit` is
the way in.
"""

from basics.quiet_start import leave_quietly

leave_quietly(__name__)
