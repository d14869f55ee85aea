"""One image learnt by heart: the whole chain from labels to people holds together."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from configs import load_keypoint_set
from configs.training import TrainingConfig, overlay
from engine import infer_maps
from grouping import Grouper
from tests.training.conftest import People
from training.processes import Processes
from training.run import open_run
from training.trainer import Trainer
