"""What every package above needs and none should make again: whole files, progress bars, signals,
hardware facts, statistics, compiled kernels, the cache folder.
"""
