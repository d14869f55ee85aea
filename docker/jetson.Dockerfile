# syntax=docker/dockerfile:1
# A Jetson. The default base is JetPack 6 (Orin); docs/jetson.md says what to give for JetPack 7. Build it on the device.
# TensorRT and its Python bindings come with the base image, because PyPI's are not made for JetPack.

ARG BASE_IMAGE=nvcr.io/nvidia/l4t-jetpack:r36.4.0

# hadolint ignore=DL3006
FROM ${BASE_IMAGE}
# Compiler and headers: pycuda has no wheels. GStreamer: decodes on NVDEC (--decoder auto).
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        g++ gstreamer1.0-plugins-bad gstreamer1.0-plugins-good gstreamer1.0-tools libgl1 libglib2.0-0 python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
# The environment sees the system's packages, where the base image has TensorRT.
RUN python3 -m venv --system-site-packages /opt/venv
ENV PATH=/opt/venv/bin:/usr/local/cuda/bin:$PATH
WORKDIR /app
COPY . .
# Looked for and not imported: libnvinfer needs libraries of the host (DLA) that only `--runtime nvidia` mounts, and a build has not.
RUN if [ -z "$(find /usr -path '*dist-packages*' -name 'tensorrt*' -print -quit)" ]; then \
        echo "the base image has no TensorRT for Python: install python3-libnvinfer in it, or take another" >&2; exit 1; \
    fi \
    && pip install --no-cache-dir --constraint constraints.txt . "onnx>=1.17" "pycuda>=2024.1"
# Engines take minutes to build and are good for this GPU and TensorRT only; mount a volume here to keep them.
ENV XDG_CACHE_HOME=/cache NUMBA_CACHE_DIR=/cache/kernels
WORKDIR /work
ENTRYPOINT ["run-stream"]
CMD ["--help"]
