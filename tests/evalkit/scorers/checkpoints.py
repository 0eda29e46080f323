"""Small random checkpoints in the layouts of the real ones."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] a an photo of and red orange yellow green blue purple pink "
    "brown black white cat dog car bus two three ##s ##a ##b left right above below object"
).split()
CLASSES = ("cat", "dog", "mouse", "car")


def make_detector(folder: Path) -> Path:
    import torch
    from transformers import (
        Mask2FormerConfig,
        Mask2FormerForUniversalSegmentation,
        ResNetConfig,
    )

    torch.manual_seed(1)
    backbone = ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 8, 8, 8],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = Mask2FormerConfig(
        backbone_config=backbone,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        dim_feedforward=32,
        num_queries=6,
        dropout=0.0,
        id2label=dict(enumerate(CLASSES)),
        label2id={name: i for i, name in enumerate(CLASSES)},
    )
    model = Mask2FormerForUniversalSegmentation(config)
    with torch.no_grad():
        # Decisive guesses, so that something passes the thresholds.
        model.class_predictor.weight.normal_(std=2.0)
    model.save_pretrained(folder)
    preparation = {
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.25, 0.25, 0.25],
        "size": {"shortest_edge": 64, "longest_edge": 96},
        "size_divisor": 32,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preparation))
    return folder


def make_clip(
    folder: Path, *, width: int = 32, layers: int = 2, image: int = 32, patch: int = 8
) -> Path:
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

    words = [w for w in WORDS if not w.startswith("##")]
    words = [*words, "<start>", "<end>"]
    ids = {word: i for i, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>",
        special_tokens=[(t, ids[t]) for t in ("<start>", "<end>")],
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        bos_token="<start>",
        eos_token="<end>",
        pad_token="[PAD]",
        model_max_length=16,
    )
    wrapped.save_pretrained(folder)
    torch.manual_seed(2)
    text = {
        "vocab_size": len(words),
        "max_position_embeddings": 16,
        "eos_token_id": ids["<end>"],
        "bos_token_id": ids["<start>"],
        "pad_token_id": ids["[PAD]"],
    }
    sizes = {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "hidden_act": "quick_gelu",
    }
    config = CLIPConfig(
        text_config={**text, **sizes},
        vision_config={"image_size": image, "patch_size": patch, **sizes},
        projection_dim=16,
    )
    model = CLIPModel(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(folder)
    preparation = {
        "size": {"shortest_edge": image},
        "crop_size": {"height": image, "width": image},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preparation))
    return folder


MED_CONFIG = {
    "vocab_size": len(WORDS) + 2,
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "max_position_embeddings": 48,
    "vision_num_attention_heads": 2,
}


def make_reward(folder: Path) -> Path:
    import torch

    from evalkit.scorers.reward_net import Geometry, RewardNet, to_official

    folder.mkdir()
    torch.manual_seed(3)
    net = RewardNet(Geometry(32, 2, 2, 64, 8, 32, (16, 8, 8, 4, 1)), MED_CONFIG)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(std=0.3)
    state = to_official(net)
    torch.save({k: v.clone() for k, v in state.items()}, folder / "ImageReward.pt")
    (folder / "med_config.json").write_text(json.dumps(MED_CONFIG))
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return folder


TINY_OPEN_CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def make_hps(folder: Path) -> Path:
    """Write an open_clip state under the key that HPSv2's files have, for both versions."""
    import open_clip
    import torch

    folder.mkdir()
    (folder / "tiny-hps.json").write_text(json.dumps(TINY_OPEN_CLIP))
    open_clip.add_model_config(folder)
    for seed, name in enumerate(("HPS_v2_compressed.pt", "HPS_v2.1_compressed.pt")):
        torch.manual_seed(seed)
        model = open_clip.create_model("tiny-hps")
        torch.save({"state_dict": model.state_dict()}, folder / name)
    return folder


def make_head(path: Path) -> Path:
    """Write a head of the authors' layers over the small CLIP's vectors."""
    import torch
    from torch import nn

    torch.manual_seed(4)
    sizes = (16, 12, 8, 6, 4, 1)
    linear = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    state = {}
    for place, layer in zip((0, 2, 4, 6, 7), linear, strict=True):
        state |= {f"layers.{place}.{k}": v.detach() for k, v in layer.state_dict().items()}
    torch.save(state, path)
    return path


ANSWERS = (
    "Yes yes No no one One 1 two Two 2 Does this figure show Is there Are How many Please "
    'answer Answer in word or ? . , " user assistant : {'
).split()
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }} : {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% else %} {{ part['text'] }}{% endif %}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %} assistant :{% endif %}"
)


def judge_tokenizer(marks: list[str]) -> Any:
    """Make a tokenizer of whole words, with marks that the tokenizer takes out first."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    plain = [w for w in WORDS if not w.startswith("##") and w not in ANSWERS]
    words = [*plain, *ANSWERS, "<end>"]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens([AddedToken(m, normalized=False) for m in marks])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", eos_token="<end>", pad_token="[PAD]"
    )


def _shaken(model: Any) -> Any:
    """Make random weights decisive: fresh ones say the same of every picture."""
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def make_judge(folder: Path) -> Path:
    """Write a LLaVA of random weights: CLIP's pictures, Llama's text."""
    import torch
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    tokenizer = judge_tokenizer(["<image>"])
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    size["num_attention_heads"] = 2
    torch.manual_seed(5)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(image_size=32, patch_size=8, **size),
        text_config=LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=160, **size),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    _shaken(LlavaForConditionalGeneration(config)).save_pretrained(folder)
    LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE.replace("IMAGE", "<image>"),
    ).save_pretrained(folder)
    return folder


QWEN_MARKS = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]


def make_qwen_judge(folder: Path) -> Path:
    """Write a Qwen3-VL of random weights, whose pictures keep their shapes."""
    import torch
    from transformers import (
        Qwen2VLImageProcessor,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
        Qwen3VLProcessor,
        Qwen3VLVideoProcessor,
    )

    tokenizer = judge_tokenizer(QWEN_MARKS)
    start, end, image, video = tokenizer.convert_tokens_to_ids(QWEN_MARKS)
    text = {
        "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "head_dim": 16,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "rope_parameters": {
            "rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2],
            "mrope_interleaved": True,
        },
    }  # fmt: skip
    vision = {
        "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "patch_size": 8,
        "out_hidden_size": 32, "num_position_embeddings": 64, "deepstack_visual_indexes": [0],
    }  # fmt: skip
    torch.manual_seed(6)
    config = Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        vision_start_token_id=start,
        vision_end_token_id=end,
        image_token_id=image,
        video_token_id=video,
    )
    _shaken(Qwen3VLForConditionalGeneration(config)).save_pretrained(folder)
    pixels = {"shortest_edge": 32 * 32, "longest_edge": 96 * 96}
    Qwen3VLProcessor(
        Qwen2VLImageProcessor(patch_size=8, size=pixels),
        tokenizer,
        Qwen3VLVideoProcessor(patch_size=8),
        chat_template=TEMPLATE.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>"),
    ).save_pretrained(folder)
    return folder
