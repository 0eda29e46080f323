"""Schedulers that published students need and diffusers has not, made from their descriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import LCMScheduler, TCDScheduler
from diffusers.configuration_utils import register_to_config
from diffusers.schedulers.scheduling_lcm import LCMSchedulerOutput
from diffusers.schedulers.scheduling_tcd import TCDSchedulerOutput
from diffusers.utils.torch_utils import randn_tensor


class _RenoisingScheduler(LCMScheduler):  # type: ignore[misc]
    """Predict the clean latent, then bring noise back to the level of the next step, as LCM does.

    The levels of noise and the timesteps that the model is told need not be the same here, nor
    need the latent keep its size.
    """

    levels: torch.Tensor

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Any = None,
        timesteps: list[int] | None = None,
    ) -> None:
        """Make LCM's schedule; ``timesteps`` are what the model is told."""
        super().set_timesteps(num_inference_steps, device, timesteps=timesteps)
        self.levels = self.timesteps

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Any,
        sample: torch.Tensor,
        generator: Any = None,
        return_dict: bool = True,
    ) -> Any:
        """Take one step; the last one ends with the clean latent."""
        if self.step_index is None:
            self._init_step_index(timestep)
        index = self.step_index
        clean = self._clean(model_output, timestep, sample)
        latent = clean
        if index + 1 < len(self.levels):
            latent = self._noisy(self._grown(clean, index), self.levels[index + 1], generator)
        self._step_index += 1
        if not return_dict:
            return (latent, clean)
        return LCMSchedulerOutput(prev_sample=latent, denoised=clean)

    def _clean(self, noise: torch.Tensor, timestep: Any, sample: torch.Tensor) -> torch.Tensor:
        alpha = self.alphas_cumprod[timestep]
        clean = (sample - (1 - alpha).sqrt() * noise) / alpha.sqrt()
        skip, out = self.get_scalings_for_boundary_condition_discrete(timestep)
        found: torch.Tensor = out * clean + skip * sample
        return found

    def _noisy(self, clean: torch.Tensor, level: Any, generator: Any) -> torch.Tensor:
        alpha = self.alphas_cumprod[level]
        noise = randn_tensor(
            clean.shape, generator=generator, device=clean.device, dtype=clean.dtype
        )
        found: torch.Tensor = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
        return found

    def _grown(self, clean: torch.Tensor, _index: int) -> torch.Tensor:
        return clean


class TimestepShiftLCMScheduler(_RenoisingScheduler):
    """NitroFusion's: noise stays at LCM's levels, and the model is told smaller timesteps.

    A level t is told as t * shifted_timestep / 1000, rounded down, and the clean latent is
    predicted with the noise of what was told. Chen et al. 2024, arXiv 2412.02030; the numbers are
    those of https://github.com/ChenDarYen/NitroFusion.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.00085,
        beta_end: float = 0.012,
        beta_schedule: str = "scaled_linear",
        original_inference_steps: int = 4,
        timestep_scaling: float = 10.0,
        shifted_timestep: int = 250,  # noqa: ARG002 - read from the config
    ) -> None:
        super().__init__(
            num_train_timesteps=num_train_timesteps,
            beta_start=beta_start,
            beta_end=beta_end,
            beta_schedule=beta_schedule,
            original_inference_steps=original_inference_steps,
            timestep_scaling=timestep_scaling,
        )

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Any = None,
        timesteps: list[int] | None = None,
    ) -> None:
        """Make LCM's schedule of levels, and what the model is told of each."""
        super().set_timesteps(num_inference_steps, device, timesteps=timesteps)
        share = self.config.shifted_timestep / self.config.num_train_timesteps
        self.timesteps = (self.levels * share).long()


class GrowingLCMScheduler(_RenoisingScheduler):
    """SwD's on a model that predicts noise: the clean latent grows before noise comes back.

    Starodubcev et al. 2025, arXiv 2503.16397, section 3. For flow matching, diffusers has it as
    FlowMatchLCMScheduler; ``scale_factors`` are its own: the size after each step but the last, in
    sizes of the first.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.00085,
        beta_end: float = 0.012,
        beta_schedule: str = "scaled_linear",
        original_inference_steps: int = 50,
        timestep_scaling: float = 10.0,
        scale_factors: Sequence[float] = (),  # noqa: ARG002 - read from the config
        upscale_mode: str = "bicubic",  # noqa: ARG002
    ) -> None:
        super().__init__(
            num_train_timesteps=num_train_timesteps,
            beta_start=beta_start,
            beta_end=beta_end,
            beta_schedule=beta_schedule,
            original_inference_steps=original_inference_steps,
            timestep_scaling=timestep_scaling,
        )
        self._first_size: Sequence[int] = ()

    def _grown(self, clean: torch.Tensor, index: int) -> torch.Tensor:
        if index == 0:
            self._first_size = clean.shape[2:]
        factor = self.config.scale_factors[index]
        size = [round(factor * side) for side in self._first_size]
        grown = torch.nn.functional.interpolate(
            clean.float(), size=size, mode=self.config.upscale_mode
        )
        return grown.to(clean.dtype)

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Any = None,
        timesteps: list[int] | None = None,
    ) -> None:
        """Make the schedule, one step longer than there are factors."""
        super().set_timesteps(num_inference_steps, device, timesteps=timesteps)
        if len(self.levels) != len(self.config.scale_factors) + 1:
            raise ValueError(
                f"{len(self.levels)} steps need {len(self.levels) - 1} scale_factors, found "
                f"{list(self.config.scale_factors)}"
            )


class TDDScheduler(TCDScheduler):  # type: ignore[misc]
    """TDD's of first order: TCD's gamma-sampling on 250 training steps, ending with no noise.

    Wang et al. 2024, arXiv 2409.01347; steps as https://github.com/RedAIGC/Target-Driven-Distillation
    has them: 999, 751, 499, 251 in four, where TCD's own are 999, 759, 499, 259.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.00085,
        beta_end: float = 0.012,
        beta_schedule: str = "scaled_linear",
        original_inference_steps: int = 250,
    ) -> None:
        super().__init__(
            num_train_timesteps=num_train_timesteps,
            beta_start=beta_start,
            beta_end=beta_end,
            beta_schedule=beta_schedule,
            original_inference_steps=original_inference_steps,
        )

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Any,
        sample: torch.Tensor,
        eta: float = 0.3,
        generator: Any = None,
        return_dict: bool = True,
    ) -> Any:
        """Take one step of TCD; the last one ends with the clean latent, not with timestep 0."""
        found = super().step(model_output, timestep, sample, eta=eta, generator=generator)
        latent = found.prev_sample
        if self.step_index == self.num_inference_steps:
            alpha = self.alphas_cumprod[timestep]
            latent = (sample - (1 - alpha).sqrt() * model_output) / alpha.sqrt()
        if not return_dict:
            return (latent,)
        return TCDSchedulerOutput(prev_sample=latent)
