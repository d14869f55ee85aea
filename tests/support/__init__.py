"""What tests and benchmarks share: media, servers, engines that stand in for a network, the plain
decoder that grouping is held against. Nothing here is installed.
"""
