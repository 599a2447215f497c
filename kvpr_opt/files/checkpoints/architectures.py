"""Architectures that are known: what their ``config.json`` says of the KV cache.

One table. A model type that is not in it is refused, rather than guessed: what looks like
grouped-query attention may keep other things beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kvpr_opt.errors import InputError
from kvpr_opt.files.checkpoints.kv_cache import KVCache, grouped_query, latent
from kvpr_opt.files.fields import text, whole
from kvpr_opt.files.tree import Tree, shown
from kvpr_opt.files.values import as_list, as_mapping

Config = dict[str, Tree]

# What an engine loads as 16-bit numbers.
_TYPES = ("bfloat16", "float16", "float32")


@dataclass(frozen=True)
class Architecture:
    """What is known of a model from its configuration.

    Attributes
    ----------
    model_type
        Of its text part.
    config
        Of its text part.
    whole
        Whether that is all of it (no vision or audio beside it).
    """

    model_type: str
    config: Config
    whole: bool
    kv_cache: KVCache
    tied_embeddings: bool
    max_tokens: int | None


def architecture_of(config: Config) -> Architecture:
    """Read a configuration.

    Raises
    ------
    InputError
        If the architecture is not known, or a number that it needs is missing.
    """
    model_type = text(config, "model_type")
    part = config
    if "text_config" in config and model_type not in _ATTENTION:
        part = as_mapping(config["text_config"], "text_config")
        model_type = text(part, "model_type", "text_config")
    if model_type not in _ATTENTION:
        known = ", ".join(sorted(_ATTENTION))
        raise InputError(
            f"architecture {model_type!r} is not known; write the "
            "model into the fleet file by hand, with size, overhead, kv_floor and kv_heads "
            f"(known: {known})",
            place="model_type",
        )
    kind = part.get("torch_dtype", part.get("dtype", config.get("torch_dtype", "bfloat16")))
    if kind not in _TYPES:
        raise InputError(f"{shown(kind)} is none of {', '.join(_TYPES)}", place="torch_dtype")
    longest = part.get("max_position_embeddings")
    tied = part.get("tie_word_embeddings", config.get("tie_word_embeddings"))
    return Architecture(
        model_type=model_type,
        config=part,
        whole=part is config,
        kv_cache=_ATTENTION[model_type](part),
        tied_embeddings=model_type.startswith("gemma") if tied is None else tied is True,
        max_tokens=None if longest is None else whole(longest, "max_position_embeddings", least=1),
    )


def head_dim(config: Config) -> int:
    """Elements of one attention head."""
    if config.get("head_dim") is not None:
        return number(config, "head_dim")
    return number(config, "hidden_size") // number(config, "num_attention_heads")


def kv_heads(config: Config) -> int:
    """KV heads; as many as there are heads, where nothing else is said."""
    key = "num_key_value_heads"
    return number(config, key if config.get(key) is not None else "num_attention_heads")


def number(config: Config, key: str) -> int:
    """A whole number of at least 1 that the configuration has to have."""
    if config.get(key) is None:
        raise InputError("missing", place=key)
    return whole(config[key], key, least=1)


# -- attention -----------------------------------------------------------------------

#: From the configuration, how many layers slide.
Sliding = Callable[[Config], int]


def _attention(sliding: Sliding) -> Callable[[Config], KVCache]:
    def cache(config: Config) -> KVCache:
        layers = number(config, "num_hidden_layers")
        slide = 0
        if config.get("sliding_window") is not None:
            slide = _listed(config) if "layer_types" in config else sliding(config)
        return grouped_query(
            layers,
            kv_heads(config),
            head_dim(config),
            sliding_layers=slide,
            window=number(config, "sliding_window") if slide else 0,
        )

    return cache


def _listed(config: Config) -> int:
    types = as_list(config["layer_types"], "layer_types")
    layers = number(config, "num_hidden_layers")
    kinds = {"full_attention", "sliding_attention"}
    if len(types) != layers or any(not isinstance(t, str) or t not in kinds for t in types):
        raise InputError(
            f"not {layers} times one of {', '.join(sorted(kinds))}", place="layer_types"
        )
    return types.count("sliding_attention")


def _none(config: Config) -> int:
    return 0


def _all(config: Config) -> int:
    """All layers slide, unless the window is as long as any sequence."""
    longest = config.get("max_position_embeddings")
    if longest is not None and number(config, "sliding_window") >= whole(longest, "max_position"):
        return 0
    return number(config, "num_hidden_layers")


def _beyond_some(config: Config) -> int:
    """The layers from a number on slide, where the configuration switches that on."""
    if config.get("use_sliding_window") is not True:
        return 0
    return max(
        0,
        number(config, "num_hidden_layers")
        - whole(config.get("max_window_layers", "0"), "max_window_layers"),
    )


def _all_but_each(period: int) -> Sliding:
    def sliding(config: Config) -> int:
        given = config.get("sliding_window_pattern")
        each = period if given is None else whole(given, "sliding_window_pattern", least=1)
        layers = number(config, "num_hidden_layers")
        return layers - layers // each

    return sliding


def _latent(config: Config) -> KVCache:
    return latent(
        number(config, "num_hidden_layers"),
        number(config, "kv_lora_rank"),
        number(config, "qk_rope_head_dim"),
    )


_ATTENTION: dict[str, Callable[[Config], KVCache]] = {
    "deepseek_v2": _latent,
    "deepseek_v3": _latent,
    "gemma": _attention(_none),
    "gemma2": _attention(_all_but_each(2)),
    "gemma3_text": _attention(_all_but_each(6)),
    "gpt_oss": _attention(_all_but_each(2)),
    "kimi_k2": _latent,
    "llama": _attention(_none),
    "mistral": _attention(_all),
    "mixtral": _attention(_all),
    "phi3": _attention(_all),
    "qwen2": _attention(_beyond_some),
    "qwen2_moe": _attention(_beyond_some),
    "qwen3": _attention(_beyond_some),
    "qwen3_moe": _attention(_beyond_some),
}
