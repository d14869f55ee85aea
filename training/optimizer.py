"""The optimiser, its parameter groups, and the averaged weights."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from configs import ConfigError
from configs.training import OptimizerConfig

_HEAD = ("final_layers.", "deconv_layers.")


def backbone_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Parameters of the backbone: the submodule of that name, or (HRNet) all but the head's."""
    backbone = getattr(network, "backbone", None)
    if isinstance(backbone, nn.Module):
        return list(backbone.parameters())
    return [
        parameter for name, parameter in network.named_parameters() if not name.startswith(_HEAD)
    ]


def freeze_parameters(network: nn.Module, prefixes: Sequence[str]) -> None:
    """Stops the learning of some parameters.

    Nothing is propagated back through frozen first layers, which are the costliest: with the stem
    and the first four blocks frozen, `lite` trains on 1.47 times as many images per CPU second
    (bf16, 320 px).

    Args:
        network: Whose parameters.
        prefixes: How their names begin.

    Raises:
        ConfigError: No parameter begins with one of the prefixes.
    """
    for prefix in prefixes:
        found = [
            parameter for name, parameter in network.named_parameters() if name.startswith(prefix)
        ]
        if not found:
            first = next(name for name, _ in network.named_parameters())
            raise ConfigError(
                f"no parameter to freeze begins with {prefix!r}; the first parameter is {first!r}"
            )
        for parameter in found:
            parameter.requires_grad_(False)


def batch_norms(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Every batch normalisation of the network, of one or several processes."""
    kinds = nn.modules.batchnorm._BatchNorm  # noqa: SLF001 - torch has no public name for all kinds
    return [module for module in network.modules() if isinstance(module, kinds)]


def make_optimizer(network: nn.Module, config: OptimizerConfig) -> torch.optim.AdamW:
    """AdamW whose groups say by which `factor` of the scheduled learning rate they learn.

    Biases and batch norm are not decayed. Without weight decay this is Adam.
    """
    backbone = {id(parameter) for parameter in backbone_parameters(network)}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        groups.setdefault((id(parameter) in backbone, parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "factor": config.backbone_learning_rate_factor if in_backbone else 1.0,
                "weight_decay": config.weight_decay if decayed else 0.0,
            }
            for (in_backbone, decayed), parameters in groups.items()
        ],
        lr=1.0,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Sets the learning rate of every group to its `factor` of `learning_rate`."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group["factor"]


class AveragedWeights:
    """An exponential moving average of a network's parameters and running statistics; `network` is
    a network that has them.

    The first steps count more, so that the random start is soon forgotten: decay at step t is
    min(decay, (1 + t) / (10 + t)).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self._pairs = list(zip(_floats(self.network), _floats(network), strict=True))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Moves the average towards the network it was made of."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averaged, current = (list(column) for column in zip(*self._pairs, strict=True))
        torch._foreach_lerp_(averaged, current, 1 - decay)


def _floats(network: nn.Module) -> list[Tensor]:
    return [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]
