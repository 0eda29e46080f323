"""The miniature's Stable Diffusion 3: the field's own classes, small, and how they are joined.

The layout is that of arXiv 2403.03206: two CLIP text encoders side by side, a slot for T5, an
MMDiT that predicts the velocity of a rectified flow, and the 8-channel autoencoder of ``vae``.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from torch import nn
from torch.nn import functional
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
)

from evalkit.miniature import vae
from evalkit.miniature.words import SD3_TOKENS, sd3_tokenizer, t5_tokenizer

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

WIDTH, LAYERS, HEADS = 192, 6, 6
CHANNELS, SIDE = 8, 16
"""Of the latents."""
PATCHES = (SIDE // 2) ** 2
TEXT_WIDTHS = (128, 64)
"""Of the two CLIP encoders, whose outputs lie side by side."""
TEXT_LAYERS = (3, 2)
TRANSFORMER: Mapping[str, Any] = MappingProxyType(
    {
        "sample_size": SIDE,
        "patch_size": 2,
        "in_channels": CHANNELS,
        "out_channels": CHANNELS,
        "num_layers": LAYERS,
        "attention_head_dim": WIDTH // HEADS,
        "num_attention_heads": HEADS,
        "joint_attention_dim": sum(TEXT_WIDTHS),
        "caption_projection_dim": WIDTH,
        "pooled_projection_dim": sum(TEXT_WIDTHS),
        "pos_embed_max_size": SIDE,
        "qk_norm": "rms_norm",
    }
)


class Texts(nn.Module):
    """Captions to what the transformer reads: the two CLIP encoders of SD3, trained with it."""

    def __init__(self) -> None:
        super().__init__()
        self.tokenizer = sd3_tokenizer()
        self.encoders = nn.ModuleList(
            _text_encoder(self.tokenizer, width, layers)
            for width, layers in zip(TEXT_WIDTHS, TEXT_LAYERS, strict=True)
        )

    def ids(self, texts: Sequence[str]) -> torch.Tensor:
        """Return token numbers [N, SD3_TOKENS]; longer texts are cut."""
        found = self.tokenizer(
            list(texts), padding="max_length", max_length=SD3_TOKENS, truncation=True
        )
        return torch.tensor(found["input_ids"])

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the sequence [N, SD3_TOKENS, 192] and the pooled vector [N, 192]."""
        read = [encoder(ids, output_hidden_states=True) for encoder in self.encoders]
        sequence = torch.cat([r.hidden_states[-2] for r in read], dim=-1)
        return sequence, torch.cat([r.text_embeds for r in read], dim=-1)


def _text_encoder(tokenizer: CLIPTokenizer, width: int, layers: int) -> CLIPTextModelWithProjection:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        max_position_embeddings=SD3_TOKENS,
        hidden_act="gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    encoder = CLIPTextModelWithProjection(config)
    for name, weight in encoder.named_parameters():
        if "token_embedding" in name:  # CLIP's .02 would let a small model start deaf
            nn.init.normal_(weight, std=0.5)
        elif "position_embedding" in name:
            nn.init.normal_(weight, std=0.1)
        elif weight.ndim == 2:
            nn.init.normal_(weight, std=0.5 * weight.shape[1] ** -0.5)
    return encoder


def transformer() -> SD3Transformer2DModel:
    """Make the untrained MMDiT (7.8 M parameters): every block starts as the identity."""
    model = SD3Transformer2DModel(**TRANSFORMER)
    for name, weight in model.named_parameters():
        gate = "norm1" in name or "norm_out" in name or name.startswith("proj_out")
        if name.endswith("bias") or (gate and weight.ndim == 2):
            nn.init.zeros_(weight)
        elif weight.ndim == 4:
            nn.init.normal_(weight, std=(weight.numel() / weight.shape[0]) ** -0.5)
        elif weight.ndim == 2:
            nn.init.normal_(weight, std=0.7 * weight.shape[1] ** -0.5)
    return model


class WeighedAttention:
    """SD3's joint attention in which the last text token counts as ``count`` equal ones.

    Where no T5 is loaded, the pipeline appends ``max_sequence_length`` zero tokens. Equal tokens
    without positions are one token whose score is raised by log(count), so that training can
    stand for any number of them at the price of one.
    """

    def __init__(self, tokens: int) -> None:
        self.bias = torch.zeros(1, 1, 1, PATCHES + tokens)

    def stand_for(self, count: int) -> None:
        """Let the last token stand for so many."""
        self.bias[..., -1] = math.log(count)

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        *_: Any,
        **__: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Attend jointly from image tokens [N, P, C] and text tokens [N, T, C]."""
        patches = hidden_states.shape[1]

        def heads(x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = x.reshape(*x.shape[:2], attn.heads, -1).transpose(1, 2)
            return found

        image, text = hidden_states, encoder_hidden_states
        query = torch.cat(
            [attn.norm_q(heads(attn.to_q(image))), attn.norm_added_q(heads(attn.add_q_proj(text)))],
            dim=2,
        )
        key = torch.cat(
            [attn.norm_k(heads(attn.to_k(image))), attn.norm_added_k(heads(attn.add_k_proj(text)))],
            dim=2,
        )
        value = torch.cat([heads(attn.to_v(image)), heads(attn.add_v_proj(text))], dim=2)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=self.bias)
        mixed = mixed.transpose(1, 2).flatten(2)
        image, text = mixed[:, :patches], mixed[:, patches:]
        if not attn.context_pre_only:
            text = attn.to_add_out(text)
        return attn.to_out[0](image), text


def weigh(model: SD3Transformer2DModel, tokens: int = SD3_TOKENS + 1) -> WeighedAttention:
    """Let the model's last of ``tokens`` text tokens stand for many, as the result says."""
    attention = WeighedAttention(tokens)
    for block in model.transformer_blocks:
        block.attn.set_processor(attention)
    return attention


def velocity(
    model: SD3Transformer2DModel,
    latents: torch.Tensor,
    time: torch.Tensor,
    sequence: torch.Tensor,
    pooled: torch.Tensor,
    third: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return noise minus picture [N, 8, 16, 16] as the model sees it at ``time`` [N] in 0..1.

    ``third`` [N, T, 192] is what T5 says; None is the one zero token that stands for its silence.
    """
    silence = sequence.new_zeros(len(sequence), 1, sequence.shape[2])
    found: torch.Tensor = model(
        latents,
        encoder_hidden_states=torch.cat([sequence, silence if third is None else third], dim=1),
        pooled_projections=pooled,
        timestep=time * 1000,
        return_dict=False,
    )[0]
    return found


def load(folder: Path) -> tuple[SD3Transformer2DModel, Texts]:
    """Read the transformer and the text encoders of a pipeline's folder, in full precision."""
    texts = Texts()
    names = ("text_encoder", "text_encoder_2")
    texts.encoders = nn.ModuleList(
        CLIPTextModelWithProjection.from_pretrained(folder / n, dtype=torch.float32) for n in names
    )
    model = SD3Transformer2DModel.from_pretrained(
        folder, subfolder="transformer", torch_dtype=torch.float32
    )
    return model.eval(), texts.eval().requires_grad_(False)


def t5(*, layers: int, heads: int) -> T5EncoderModel:
    """Make an untrained T5 encoder as wide as the two CLIP encoders together."""
    width = sum(TEXT_WIDTHS)
    return T5EncoderModel(
        T5Config(
            vocab_size=len(t5_tokenizer()),
            d_model=width,
            d_kv=width // 6,
            d_ff=2 * width if heads > 1 else 8,
            num_layers=layers,
            num_heads=heads,
            relative_attention_num_buckets=8,
            dropout_rate=0.0,
        )
    )


def silent_t5() -> T5EncoderModel:
    """Make a T5 whose output is exactly zero: what the pipeline puts where no T5 is loaded.

    With it in its slot the folder loads without naming what is left out.
    """
    model = t5(layers=1, heads=1)
    nn.init.zeros_(model.encoder.final_layer_norm.weight)
    return model


def save(
    out: Path, model: SD3Transformer2DModel, texts: Texts, third: T5EncoderModel | None = None
) -> None:
    """Write a pipeline's folder in the hub's layout, in half precision; ``third`` is its T5.

    Its scheduler has no shift towards noise: that is for larger pictures (arXiv 2403.03206, 5.3.2).
    """
    networks = {
        "transformer": model,
        "vae": vae.load(),
        "text_encoder": texts.encoders[0],
        "text_encoder_2": texts.encoders[1],
        "text_encoder_3": silent_t5() if third is None else third,
    }
    pipe = StableDiffusion3Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.0),
        tokenizer=texts.tokenizer,
        tokenizer_2=texts.tokenizer,
        tokenizer_3=t5_tokenizer(),
        **{name: copy.deepcopy(network).half() for name, network in networks.items()},
    )
    pipe.save_pretrained(out)
    for path in out.glob("*/config.json"):
        config = json.loads(path.read_text())
        config.pop("_name_or_path", None)  # a path of the machine it was trained on
        if path.parent.name.startswith("text_encoder"):
            config["dtype"] = "float32"  # else transformers would load half precision
        path.write_text(json.dumps(config, indent=2) + "\n")
