"""Published checkpoints: what their configurations say, and what their files and caches take.

The configurations are those facts of the published ``config.json`` that matter here. Bytes are
those of the tensors in the published files; KV bytes a token are those in 16 bits, of all layers
(``full`` and ``sliding`` together) where nothing else is said.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Checkpoint:
    name: str
    weights: int | None
    full: int
    sliding: int
    config: dict[str, Any]


_QWEN2: dict[str, Any] = {
    "use_sliding_window": False,
    "max_position_embeddings": 32768,
    "sliding_window": 131072,
}
_QWEN3: dict[str, Any] = {
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "sliding_window": None,
    "use_sliding_window": False,
}

CHECKPOINTS = [
    Checkpoint(
        "Llama-3.1-8B",
        16060522496,
        131072,
        0,
        {
            "model_type": "llama",
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 128256,
            "max_position_embeddings": 131072,
            "tie_word_embeddings": False,
        },
    ),
    Checkpoint(
        "Llama-3.1-70B",
        141107412992,
        327680,
        0,
        {
            "model_type": "llama",
            "hidden_size": 8192,
            "intermediate_size": 28672,
            "num_hidden_layers": 80,
            "num_attention_heads": 64,
            "num_key_value_heads": 8,
            "vocab_size": 128256,
            "max_position_embeddings": 131072,
        },
    ),
    Checkpoint(
        "Llama-3.2-3B",
        6425499648,
        114688,
        0,
        {
            "model_type": "llama",
            "hidden_size": 3072,
            "intermediate_size": 8192,
            "num_hidden_layers": 28,
            "num_attention_heads": 24,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "vocab_size": 128256,
            "max_position_embeddings": 131072,
            "tie_word_embeddings": True,
        },
    ),
    Checkpoint(
        "Mistral-7B-v0.3",
        14496047104,
        131072,
        0,
        {
            "model_type": "mistral",
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 32768,
            "max_position_embeddings": 32768,
            "sliding_window": None,
        },
    ),
    Checkpoint(
        "Mixtral-8x7B",
        93405585408,
        131072,
        0,
        {
            "model_type": "mixtral",
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "vocab_size": 32000,
            "num_local_experts": 8,
            "max_position_embeddings": 32768,
            "sliding_window": None,
        },
    ),
    Checkpoint(
        "Qwen2.5-7B",
        15231233024,
        57344,
        0,
        {
            **_QWEN2,
            "model_type": "qwen2",
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "vocab_size": 152064,
        },
    ),
    Checkpoint(
        "Qwen2.5-14B",
        29540067328,
        196608,
        0,
        {
            **_QWEN2,
            "model_type": "qwen2",
            "hidden_size": 5120,
            "intermediate_size": 13824,
            "num_hidden_layers": 48,
            "num_attention_heads": 40,
            "num_key_value_heads": 8,
            "vocab_size": 152064,
        },
    ),
    Checkpoint(
        "Qwen2.5-32B",
        65527752704,
        262144,
        0,
        {
            **_QWEN2,
            "model_type": "qwen2",
            "hidden_size": 5120,
            "intermediate_size": 27648,
            "num_hidden_layers": 64,
            "num_attention_heads": 40,
            "num_key_value_heads": 8,
            "vocab_size": 152064,
        },
    ),
    Checkpoint(
        "Qwen3-8B",
        16381470720,
        147456,
        0,
        {
            **_QWEN3,
            "model_type": "qwen3",
            "hidden_size": 4096,
            "intermediate_size": 12288,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
        },
    ),
    Checkpoint(
        "Qwen3-32B",
        65524246528,
        262144,
        0,
        {
            **_QWEN3,
            "model_type": "qwen3",
            "hidden_size": 5120,
            "intermediate_size": 25600,
            "num_hidden_layers": 64,
            "num_attention_heads": 64,
            "num_key_value_heads": 8,
        },
    ),
    Checkpoint(
        "Qwen3-30B-A3B",
        61064245248,
        98304,
        0,
        {
            **_QWEN3,
            "model_type": "qwen3_moe",
            "hidden_size": 2048,
            "moe_intermediate_size": 768,
            "num_experts": 128,
            "num_hidden_layers": 48,
            "num_attention_heads": 32,
            "num_key_value_heads": 4,
        },
    ),
    Checkpoint(
        "Qwen3-235B-A22B",
        470187269120,
        192512,
        0,
        {
            **_QWEN3,
            "model_type": "qwen3_moe",
            "hidden_size": 4096,
            "moe_intermediate_size": 1536,
            "num_experts": 128,
            "num_hidden_layers": 94,
            "num_attention_heads": 64,
            "num_key_value_heads": 4,
        },
    ),
    Checkpoint(
        "gemma-2-9b",
        18483411968,
        172032,
        172032,
        {
            "model_type": "gemma2",
            "hidden_size": 3584,
            "intermediate_size": 14336,
            "num_hidden_layers": 42,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
            "head_dim": 256,
            "vocab_size": 256000,
            "max_position_embeddings": 8192,
            "sliding_window": 4096,
        },
    ),
    Checkpoint(
        "Phi-3.5-mini",
        7642159104,
        393216,
        0,
        {
            "model_type": "phi3",
            "hidden_size": 3072,
            "intermediate_size": 8192,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "vocab_size": 32064,
            "max_position_embeddings": 131072,
            "sliding_window": 262144,
        },
    ),
    Checkpoint(
        "phi-4",
        29319014400,
        204800,
        0,
        {
            "model_type": "phi3",
            "hidden_size": 5120,
            "intermediate_size": 17920,
            "num_hidden_layers": 40,
            "num_attention_heads": 40,
            "num_key_value_heads": 10,
            "vocab_size": 100352,
            "max_position_embeddings": 16384,
            "sliding_window": None,
        },
    ),
    Checkpoint(
        "gpt-oss-20b",
        13761264768,
        24576,
        24576,
        {
            "model_type": "gpt_oss",
            "hidden_size": 2880,
            "intermediate_size": 2880,
            "num_hidden_layers": 24,
            "num_local_experts": 32,
            "num_attention_heads": 64,
            "num_key_value_heads": 8,
            "head_dim": 64,
            "vocab_size": 201088,
            "max_position_embeddings": 131072,
            "sliding_window": 128,
            "quantization_config": {"quant_method": "mxfp4"},
            "layer_types": ["sliding_attention", "full_attention"] * 12,
        },
    ),
    Checkpoint(
        "gpt-oss-120b",
        65248815744,
        36864,
        36864,
        {
            "model_type": "gpt_oss",
            "hidden_size": 2880,
            "intermediate_size": 2880,
            "num_hidden_layers": 36,
            "num_local_experts": 128,
            "num_attention_heads": 64,
            "num_key_value_heads": 8,
            "head_dim": 64,
            "vocab_size": 201088,
            "max_position_embeddings": 131072,
            "sliding_window": 128,
            "quantization_config": {"quant_method": "mxfp4"},
            "layer_types": ["sliding_attention", "full_attention"] * 18,
        },
    ),
    Checkpoint(
        "Qwen3-32B-FP8",
        34322434048,
        262144,
        0,
        {
            **_QWEN3,
            "model_type": "qwen3",
            "hidden_size": 5120,
            "intermediate_size": 25600,
            "num_hidden_layers": 64,
            "num_attention_heads": 64,
            "num_key_value_heads": 8,
            "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
        },
    ),
    Checkpoint(
        "DeepSeek-V3",
        None,
        70272,
        0,
        {
            "model_type": "deepseek_v3",
            "num_hidden_layers": 61,
            "hidden_size": 7168,
            "num_attention_heads": 128,
            "kv_lora_rank": 512,
            "qk_rope_head_dim": 64,
            "max_position_embeddings": 163840,
        },
    ),
]


def model_folder(
    parent: Path,
    name: str,
    config: dict[str, Any] | None = None,
    *,
    tensors: dict[str, int] | None = None,
    files: int = 1,
) -> Path:
    """A folder with a configuration and, if tensors are given, safetensors of so many bytes.

    The files are as long as they claim, and empty: sparse where the file system can do that.
    """
    folder = parent / name
    folder.mkdir(parents=True)
    if config is None:
        config = next(known.config for known in CHECKPOINTS if known.name == name)
    (folder / "config.json").write_text(json.dumps(config))
    if tensors is None:
        return folder
    names = list(tensors)
    parts = [names[start::files] for start in range(files)]
    weight_map = {}
    for number, part in enumerate(parts):
        file = "model.safetensors"
        if files > 1:
            file = f"model-{number + 1:05}-of-{files:05}.safetensors"
        weight_map.update(dict.fromkeys(part, file))
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        end = 0
        for tensor in part:
            size = tensors[tensor]
            header[tensor] = {"dtype": "U8", "shape": [size], "data_offsets": [end, end + size]}
            end += size
        text = json.dumps(header).encode()
        with open(folder / file, "wb") as stream:
            stream.write(len(text).to_bytes(8, "little") + text)
            stream.truncate(8 + len(text) + end)
    if files > 1:
        index = {"metadata": {"total_size": sum(tensors.values())}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder
