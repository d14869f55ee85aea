"""What is known of the exported graph without torch."""

INPUT_NAME = "image"
OUTPUT_NAMES = ("heatmaps", "tags", "x", "y", "score", "tag")

# raised whenever the same network would be exported as another graph, so that cached files are made
# anew
GRAPH_VERSION = 1
