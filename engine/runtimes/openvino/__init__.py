"""OpenVINO: the graph rewritten for it, quantised, run."""
