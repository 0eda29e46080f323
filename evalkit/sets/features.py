"""The two networks that whole sets are seen with: FID's Inception and CMMD's CLIP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np
from PIL import Image

from evalkit.errors import SpecError, WeightsError
from evalkit.records import WeightsInfo
from evalkit.scorers.batches import needs_models, pick_device
from evalkit.scorers.pictures import normalised
from evalkit.weights import Weights, expand, resolve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evalkit.scorers.clip_models import TransformersClip

Resize = Literal["clean", "tensorflow"]
"""How Inception's 299 pixels are made: clean-fid's way, or inside the network as TensorFlow's 2015
graph does. They give different figures."""

INCEPTION = "weights-inception-2015-12-05-6726825d.pth"
INCEPTION_URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{INCEPTION}"
CLIP = "openai/clip-vit-large-patch14-336"
_SIDE = 299
_FILES = ("*.json", "*.txt", "model.safetensors")


class Network(Protocol):
    """Turn pictures into vectors, each on its own."""

    @property
    def info(self) -> WeightsInfo:
        """Which checkpoint it is; resolves the weights."""
        ...

    def see(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Return a vector per picture; loads the weights."""
        ...


class Inception:
    """TensorFlow's InceptionV3 of 2015, through torch-fidelity: 2048 numbers a picture."""

    def __init__(self, file: Path, resize: str = "clean", device: str | None = None) -> None:
        if resize not in get_args(Resize):
            raise SpecError(f"Unknown resize {resize!r}. Known: {', '.join(get_args(Resize))}.")
        self._file, self._device, self.resize = file, device, resize

    @cached_property
    def _files(self) -> Weights:
        if not self._file.is_file():
            raise WeightsError(
                f"No Inception weights at {self._file}. Download {INCEPTION_URL} and give its path."
            )
        return resolve(self._file)

    @property
    def info(self) -> WeightsInfo:
        """Which checkpoint it is."""
        return self._files.info

    @cached_property
    def _net(self) -> Any:
        with needs_models("Inception"):
            import torch
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        try:
            # The library reads the file as a pickle that may run code: refuse one that holds any.
            torch.load(self._files.path, weights_only=True)
            path = str(self._files.path)
            net = FeatureExtractorInceptionV3(
                "inception", ["2048"], feature_extractor_weights_path=path
            )
        except Exception as error:  # a corrupt file raises anything
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise WeightsError(
                f"{self._file} is not the Inception of FID ({reason}). It is at {INCEPTION_URL}."
            ) from error
        return net.to(pick_device(self._device))

    def see(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Return 2048 numbers per picture."""
        import torch

        pick = self._clean if self.resize == "clean" else self._inside
        with torch.inference_mode():
            return np.asarray(pick(images), dtype=np.float32)

    def _clean(self, images: Sequence[Image.Image]) -> Any:
        import torch

        device = pick_device(self._device)
        x = (torch.from_numpy(np.stack([clean(i) for i in images])).to(device) - 128) / 128
        for name, layer in self._net.named_children():
            if name != "fc":  # the layers stand in the order in which they run
                x = layer(x)
        return x.flatten(1).cpu().numpy()

    def _inside(self, images: Sequence[Image.Image]) -> Any:
        import torch

        arrays = (np.asarray(i.convert("RGB")).transpose(2, 0, 1)[None] for i in images)
        device = pick_device(self._device)
        seen = [self._net(torch.from_numpy(a.copy()).to(device))[0] for a in arrays]
        return torch.cat(seen).cpu().numpy()


class Clip:
    """CMMD's embedding: CLIP's unit vector of the picture's central square."""

    def __init__(self, weights: str = CLIP, device: str | None = None) -> None:
        self._weights, self._device = expand(weights, "clip"), device

    @cached_property
    def _files(self) -> Weights:
        return resolve(self._weights, files=_FILES)

    @property
    def info(self) -> WeightsInfo:
        """Which checkpoint it is."""
        return self._files.info

    @cached_property
    def _clip(self) -> TransformersClip:
        with needs_models("CLIP"):
            from evalkit.scorers.clip_models import TransformersClip
        return TransformersClip(self._files.path, pick_device(self._device))

    def see(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Return a unit vector per picture."""
        clip = self._clip
        prepared = [normalised(central(i, clip.size), clip.mean, clip.std) for i in images]
        return clip.see(np.stack(prepared))


def clean(image: Image.Image) -> NDArray[np.float32]:
    """Resize to 299 x 299 as clean-fid does: Pillow's bicubic on floats, a channel at a time.

    Parmar et al. 2022 (arXiv 2104.11222), section 3: antialiased, and not rounded back to bytes.
    """
    channels = [
        np.asarray(band.convert("F").resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))
        for band in image.convert("RGB").split()
    ]
    return np.stack(channels).clip(0, 255)


def central(image: Image.Image, size: int) -> Image.Image:
    """Cut out the central square, then resize it (bicubic): the order of CMMD's own code."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.convert("RGB").crop((left, top, left + side, top + side))
    return square.resize((size, size), Image.Resampling.BICUBIC)


def networks(
    inception: Path | None, clip: str | None, resize: str = "clean"
) -> Mapping[str, Network]:
    """Return the networks that were asked for, by the names that references know them under."""
    found: dict[str, Network] = {}
    if inception is not None:
        found["inception"] = Inception(inception, resize)
    if clip is not None:
        found["clip"] = Clip(clip)
    return found
