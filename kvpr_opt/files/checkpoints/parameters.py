"""Bytes of a model's weights by formula, from its configuration alone.

Every matrix, bias and norm of a decoder is counted, so that the number is that of the
published files to the byte. Quantised weights:

* FP8 in blocks (DeepSeek-V3, arXiv:2412.19437): one byte a weight, one scale of 16 bits a
  block; embeddings, head and norms, and the gates of experts, stay at 16 bits.
* MXFP4 (Open Compute Project, Microscaling Formats 1.0): four bits a weight, one scale of
  eight bits for 32 of them; in the models that are known only the experts are stored so.
* AWQ and GPTQ: as many bits as said, and for each group of input weights one scale of 16 bits
  and one zero point; GPTQ keeps the group of each input as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from kvpr_opt.errors import InputError
from kvpr_opt.files.checkpoints.architectures import (
    Architecture,
    Config,
    head_dim,
    kv_heads,
    number,
)
from kvpr_opt.files.fields import whole
from kvpr_opt.files.tree import Tree, shown
from kvpr_opt.files.values import as_list, as_mapping

#: What is counted; the rest has parts of its own and needs its files.
COUNTED = (
    "gemma",
    "gemma2",
    "gpt_oss",
    "llama",
    "mistral",
    "mixtral",
    "phi3",
    "qwen2",
    "qwen3",
    "qwen3_moe",
)

_HALF = 2  # bytes of a 16-bit number


@dataclass(frozen=True)
class Matrix:
    """Equal matrices of the model.

    Attributes
    ----------
    rows, columns
        Outputs and inputs.
    copies
        How many there are.
    part
        ``attention``, ``mlp``, ``experts``, or ``plain`` for what is never quantised.
    """

    rows: int
    columns: int
    copies: int = 1
    part: str = "plain"


def weight_bytes(config: Config, architecture: Architecture) -> int:
    """Bytes of all weights that are loaded.

    Raises
    ------
    InputError
        If the model type or its quantisation is none that is counted.
    """
    if architecture.model_type not in COUNTED or not architecture.whole:
        raise InputError(
            f"the folder has no safetensors, and weights of {architecture.model_type!r} are not "
            "computed; download them, or write the model into the fleet file by hand, with size",
            place="model_type",
        )
    quantised = config.get("quantization_config")
    store = _plain if quantised is None else _storage(as_mapping(quantised, "quantization_config"))
    if architecture.model_type == "gpt_oss" and store is _plain:
        raise InputError("missing", place="quantization_config")
    total = sum((matrix.copies * store(matrix) for matrix in _matrices(architecture)), Fraction(0))
    return int(total)


def _matrices(architecture: Architecture) -> Iterator[Matrix]:
    config, kind = architecture.config, architecture.model_type
    hidden, layers = number(config, "hidden_size"), number(config, "num_hidden_layers")
    yield Matrix(number(config, "vocab_size"), hidden, 1 if architecture.tied_embeddings else 2)
    heads, width = number(config, "num_attention_heads"), head_dim(config)
    keys = kv_heads(config) * width
    yield Matrix(heads * width, hidden, layers, "attention")
    yield Matrix(keys, hidden, 2 * layers, "attention")
    yield Matrix(hidden, heads * width, layers, "attention")
    yield from _feed_forward(config, kind, hidden, layers)
    # Norms: before and after attention and feed-forward, and one at the end.
    yield Matrix(hidden, 1, layers * (4 if kind == "gemma2" else 2) + 1)
    if kind in ("qwen3", "qwen3_moe"):
        yield Matrix(width, 1, 2 * layers)  # norms of queries and keys
    if kind in ("qwen2", "gpt_oss") or config.get("attention_bias") is True:
        yield Matrix(heads * width + 2 * keys, 1, layers)
    if kind == "gpt_oss":
        yield Matrix(hidden + heads, 1, layers)  # bias of the output, one sink a head


def _feed_forward(config: Config, kind: str, hidden: int, layers: int) -> Iterator[Matrix]:
    if kind == "gpt_oss":
        inner, experts = number(config, "intermediate_size"), number(config, "num_local_experts")
        yield Matrix(2 * inner, hidden, layers * experts, "experts")
        yield Matrix(hidden, inner, layers * experts, "experts")
        yield Matrix(2 * inner + hidden, 1, layers * experts)  # their biases
        yield Matrix(experts, hidden + 1, layers)  # the router and its bias
    elif kind in ("mixtral", "qwen3_moe"):
        own = kind == "qwen3_moe"
        inner = number(config, "moe_intermediate_size" if own else "intermediate_size")
        experts = number(config, "num_experts" if own else "num_local_experts")
        if own and config.get("mlp_only_layers"):
            raise InputError("layers without experts are not counted", place="mlp_only_layers")
        yield Matrix(inner, hidden, 2 * layers * experts, "experts")
        yield Matrix(hidden, inner, layers * experts, "experts")
        yield Matrix(experts, hidden, layers)
    else:
        inner = number(config, "intermediate_size")
        yield Matrix(inner, hidden, 2 * layers, "mlp")
        yield Matrix(hidden, inner, layers, "mlp")


# -- how a matrix is stored ----------------------------------------------------------


class _Store:
    """Bytes of one matrix."""

    def __call__(self, matrix: Matrix) -> Fraction:
        return Fraction(matrix.rows * matrix.columns * _HALF)


_plain = _Store()


@dataclass(frozen=True)
class _Blocks(_Store):
    """One byte a weight, one scale a block."""

    block_rows: int
    block_columns: int

    def __call__(self, matrix: Matrix) -> Fraction:
        if matrix.part == "plain":
            return _plain(matrix)
        scales = -(-matrix.rows // self.block_rows) * -(-matrix.columns // self.block_columns)
        return Fraction(matrix.rows * matrix.columns + scales * _HALF)


class _Mxfp4(_Store):
    """Half a byte a weight and a byte for 32 of them, in the experts only."""

    def __call__(self, matrix: Matrix) -> Fraction:
        if matrix.part != "experts":
            return _plain(matrix)
        return matrix.rows * matrix.columns * Fraction(17, 32)


@dataclass(frozen=True)
class _Groups(_Store):
    """Some bits a weight, a scale and a zero point for each group of inputs of each output."""

    bits: int
    group: int
    order: bool

    def __call__(self, matrix: Matrix) -> Fraction:
        if matrix.part == "plain":
            return _plain(matrix)
        groups = -(-matrix.columns // self.group) if self.group > 0 else 1
        weights = Fraction(matrix.rows * matrix.columns * self.bits, 8)
        scales = matrix.rows * groups * (_HALF + Fraction(self.bits, 8))
        return weights + scales + (4 * matrix.columns if self.order else 0)


def _storage(config: dict[str, Tree]) -> _Store:
    method = config.get("quant_method")
    place = "quantization_config"
    if method == "fp8":
        block = as_list(config.get("weight_block_size", ""), f"{place}.weight_block_size")
        if len(block) != 2:
            raise InputError("not two numbers", place=f"{place}.weight_block_size")
        rows, columns = (whole(side, f"{place}.weight_block_size", least=1) for side in block)
        return _Blocks(rows, columns)
    if method == "mxfp4":
        return _Mxfp4()
    if method in ("awq", "gptq"):
        bits = whole(config.get("bits", config.get("w_bit", "")), f"{place}.bits", least=2)
        given = config.get("group_size", config.get("q_group_size", ""))
        group = 0 if given == "-1" else whole(given, f"{place}.group_size", least=1)
        return _Groups(bits, group, order=method == "gptq")
    raise InputError(
        f"the folder has no safetensors, and weights by {shown(method)} are not computed; "
        "known: awq, fp8 (in blocks), gptq, mxfp4",
        place=f"{place}.quant_method",
    )
