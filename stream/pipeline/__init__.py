"""One frame's way: decode, infer, group, render and write, joined by ring buffers."""
