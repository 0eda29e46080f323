"""Inception with random weights in the layout of the real file."""

from __future__ import annotations

from pathlib import Path

import pytest


def random_inception(path: Path) -> Path:
    import torch
    from torch_fidelity import feature_extractor_inceptionv3 as layout

    torch.manual_seed(0)
    made = {}

    def unfilled(self, state, *_, **__):
        made.update(self.state_dict())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.Module, "load_state_dict", unfilled)
        patch.setattr(layout, "load_state_dict_from_url", lambda *_, **__: {})
        layout.FeatureExtractorInceptionV3("inception", ["2048"])
    for weight in made.values():
        if weight.ndim == 4:  # else the signal dies on its way through so many layers
            weight.normal_(std=(2 / weight[0].numel()) ** 0.5)
    torch.save(made, path)
    return path
