# syntax=docker/dockerfile:1
# A PC: target `cpu` (OpenVINO, ONNX Runtime) or target `gpu` (NVIDIA GPU with TensorRT). How to build and run: docs/desktop.md.

ARG PYTHON_IMAGE=python:3.12-slim-bookworm
ARG CUDA_VERSION=13.0.1

FROM ${PYTHON_IMAGE} AS cpu
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY . .
RUN pip install --no-cache-dir --constraint constraints.txt ".[openvino,metrics,mqtt]"
# What is compiled at the first start, and downloaded models; mount a volume here, or every container compiles anew.
ENV XDG_CACHE_HOME=/cache NUMBA_CACHE_DIR=/cache/kernels
WORKDIR /work
ENTRYPOINT ["run-stream"]
CMD ["--help"]

# pycuda has no wheels: it is compiled here, so that the compiler stays out of the image that is used.
FROM nvidia/cuda:${CUDA_VERSION}-devel-ubuntu24.04 AS wheels
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ python3-dev python3-pip \
    && rm -rf /var/lib/apt/lists/*
# Without cuRAND, which nothing here uses, what was compiled needs the driver alone and no CUDA libraries of the image.
RUN echo "CUDA_ENABLE_CURAND = False" > "$HOME/.aksetup-defaults.py" \
    && pip wheel --no-cache-dir --no-deps --wheel-dir /wheels "pycuda>=2024.1"

FROM nvidia/cuda:${CUDA_VERSION}-base-ubuntu24.04 AS gpu
# 10.x and 11.x both do; 10.x for GPUs older than those that 11 supports.
ARG TENSORRT="tensorrt>=10"
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libglib2.0-0 libgl1 python3-venv \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /app
COPY --from=wheels /wheels /wheels
COPY . .
RUN pip install --no-cache-dir --find-links /wheels --constraint constraints.txt ".[tensorrt,metrics,mqtt]" "${TENSORRT}"
# Engines, exported models and compiled kernels; mount a volume here to keep them.
ENV XDG_CACHE_HOME=/cache NUMBA_CACHE_DIR=/cache/kernels
# Decoding and encoding on the GPU need `video` besides what CUDA needs.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
WORKDIR /work
ENTRYPOINT ["run-stream"]
CMD ["--help"]
