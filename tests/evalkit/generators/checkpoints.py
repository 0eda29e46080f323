"""Random checkpoints of three families, a few hundred kB each, in the hub's own layout.

They are made in a second, drawn with in a tenth of one, and loaded by the same classes as the
real weights. Their pictures are coloured noise: what is tested is everything but the weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from diffusers import (
    AutoencoderDC,
    AutoencoderKL,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SanaSprintPipeline,
    SanaTransformer2DModel,
    SCMScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    Gemma2Config,
    Gemma2Model,
    GemmaTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

CHARACTERS = [chr(c) for c in range(ord("!"), ord("~") + 1)]
CLIP_END = "<|endoftext|>"
WORDS = 24
"""Tokens that a text encoder reads; longer prompts are cut, as CLIP cuts them at 77."""

SDXL_FOR_OTHERS = {"clip_sample": False, "set_alpha_to_one": False, "skip_prk_steps": True}
"""What SDXL's scheduler configuration holds for schedulers other than its own, such as DDIM."""


def clip_tokenizer() -> CLIPTokenizer:
    """One token a character, and one for the character that ends a word."""
    pieces = [*CHARACTERS, *(f"{c}</w>" for c in CHARACTERS), "<|startoftext|>", CLIP_END]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=WORDS)


def _clip_config(tokenizer: CLIPTokenizer, width: int, activation: str) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=width,
        projection_dim=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=WORDS,
        hidden_act=activation,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _t5_tokenizer() -> T5Tokenizer:
    pieces = ["<pad>", "</s>", "<unk>", "\u2581", *CHARACTERS]
    return T5Tokenizer(vocab=[(piece, -float(i)) for i, piece in enumerate(pieces)], extra_ids=0)


def _t5(vocabulary: int, width: int) -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(
            vocab_size=vocabulary, d_model=width, d_kv=8, d_ff=width, num_layers=1, num_heads=2
        )
    )


def _gemma_tokenizer() -> GemmaTokenizer:
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "\u2581", *CHARACTERS]
    return GemmaTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[])


def _gemma(vocabulary: int, width: int) -> Gemma2Model:
    return Gemma2Model(
        Gemma2Config(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=width,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
        )
    )


def _vae(channels: int) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=channels,
        norm_num_groups=4,
        sample_size=32,
        shift_factor=0.0,
    )


def _lively(module: torch.nn.Module) -> torch.nn.Module:
    """Give every matrix a spread that lets the prompt and the noise reach the picture."""
    for parameter in module.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=(parameter[0].numel()) ** -0.5)
    return module.eval()


def stable_diffusion_3() -> StableDiffusion3Pipeline:
    """Make SD3: two CLIP encoders, a T5, a joint transformer, flow matching with shift 3."""
    tokenizer, t5_tokenizer = clip_tokenizer(), _t5_tokenizer()
    encoders = [
        CLIPTextModelWithProjection(_clip_config(tokenizer, 16, a)) for a in ("quick_gelu", "gelu")
    ]
    transformer = SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=32,
        caption_projection_dim=32,
        pooled_projection_dim=32,
        pos_embed_max_size=64,
        qk_norm="rms_norm",
    )
    return StableDiffusion3Pipeline(
        transformer=_lively(transformer),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_lively(_vae(4)),
        text_encoder=_lively(encoders[0]),
        text_encoder_2=_lively(encoders[1]),
        text_encoder_3=_lively(_t5(len(t5_tokenizer), 32)),
        tokenizer=tokenizer,
        tokenizer_2=clip_tokenizer(),
        tokenizer_3=t5_tokenizer,
    )


def stable_diffusion_xl() -> StableDiffusionXLPipeline:
    """Make SDXL: two CLIP encoders, a UNet, and the scheduler settings of the base repository."""
    tokenizer = clip_tokenizer()
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(1, 2),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=64,
        cross_attention_dim=32,
        norm_num_groups=4,
    )
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        timestep_spacing="leading",
        steps_offset=1,
    )
    return StableDiffusionXLPipeline(
        unet=_lively(unet),
        scheduler=scheduler,
        vae=_lively(_vae(4)),
        text_encoder=_lively(CLIPTextModel(_clip_config(tokenizer, 16, "quick_gelu"))),
        text_encoder_2=_lively(CLIPTextModelWithProjection(_clip_config(tokenizer, 16, "gelu"))),
        tokenizer=tokenizer,
        tokenizer_2=clip_tokenizer(),
        add_watermarker=False,
    )


def sana_sprint() -> SanaSprintPipeline:
    """Make SANA-Sprint: a Gemma, a transformer with embedded guidance, a deep autoencoder."""
    tokenizer = _gemma_tokenizer()
    transformer = SanaTransformer2DModel(
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=4,
        num_cross_attention_heads=2,
        cross_attention_head_dim=4,
        cross_attention_dim=8,
        caption_channels=16,
        sample_size=32,
        qk_norm="rms_norm_across_heads",
        guidance_embeds=True,
    )
    vae = AutoencoderDC(
        in_channels=3,
        latent_channels=4,
        attention_head_dim=2,
        encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        encoder_qkv_multiscales=((), (5,)),
        decoder_qkv_multiscales=((), (5,)),
        encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        decoder_norm_types="rms_norm",
        decoder_act_fns="silu",
    )
    return SanaSprintPipeline(
        transformer=_lively(transformer),
        scheduler=SCMScheduler(),
        vae=_lively(vae),
        text_encoder=_lively(_gemma(len(tokenizer), 16)),
        tokenizer=tokenizer,
    )


def flux(*, dev: bool) -> FluxPipeline:
    """Make FLUX: a CLIP, a T5, a transformer; an autoencoder that changes no size.

    So 128 pixels are as many tokens as 1024 of the real one, on which dev's schedule depends.
    """
    tokenizer, t5_tokenizer = clip_tokenizer(), _t5_tokenizer()
    transformer = FluxTransformer2DModel(
        in_channels=8,
        num_layers=1,
        num_single_layers=0,
        attention_head_dim=8,
        num_attention_heads=1,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        guidance_embeds=dev,
        axes_dims_rope=(2, 2, 4),
    )
    vae = AutoencoderKL(
        block_out_channels=(4,),
        down_block_types=("DownEncoderBlock2D",),
        up_block_types=("UpDecoderBlock2D",),
        latent_channels=2,
        norm_num_groups=2,
        sample_size=32,
        shift_factor=0.0,
        mid_block_add_attention=False,
    )
    return FluxPipeline(
        transformer=_lively(transformer),
        scheduler=FlowMatchEulerDiscreteScheduler(
            shift=3.0 if dev else 1.0, use_dynamic_shifting=dev
        ),
        vae=_lively(vae),
        text_encoder=_lively(CLIPTextModel(_clip_config(tokenizer, 16, "quick_gelu"))),
        text_encoder_2=_lively(_t5(len(t5_tokenizer), 16)),
        tokenizer=tokenizer,
        tokenizer_2=t5_tokenizer,
    )


BUILDERS: dict[str, Callable[[], DiffusionPipeline]] = {
    "sd3": stable_diffusion_3,
    "sdxl": stable_diffusion_xl,
    "sana": sana_sprint,
    "flux-dev": partial(flux, dev=True),
    "flux-schnell": partial(flux, dev=False),
}


def build(family: str, folder: Path) -> Path:
    """Save a checkpoint of one family; always the same one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BUILDERS[family]().save_pretrained(folder)
    if family == "sdxl":
        path = folder / "scheduler" / "scheduler_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **SDXL_FOR_OTHERS}))
    return folder
