"""HigherHRNet, `lite`, and what is made of their outputs."""
