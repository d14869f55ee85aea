"""TensorRT and TensorRT-RTX: built, kept, run."""
