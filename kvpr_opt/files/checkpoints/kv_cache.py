"""What the KV cache of a model takes: three formulas, exact in bytes.

* Grouped-query attention (and its ends, multi-head and multi-query attention) keeps a key
  and a value a KV head: ``2 * kv_heads * head_dim`` elements a token and layer
  (Ainslie et al. 2023, arXiv:2305.13245).
* Multi-head latent attention keeps one compressed vector for all heads:
  ``kv_lora_rank + qk_rope_head_dim`` elements a token and layer (DeepSeek-V2,
  arXiv:2405.04434).
* A layer with a sliding window keeps no more tokens than its window has.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

#: Engines allocate the cache in blocks of this many tokens (the default of vLLM).
BLOCK = 16

#: Tokens of the largest batch that is filled in at once (the most that vLLM chooses by itself);
#: a sliding layer keeps them beside its window.
BATCH = 8192


@dataclass(frozen=True)
class KVCache:
    """The KV cache of one model.

    Attributes
    ----------
    full
        Bytes a token in the layers that keep every token.
    sliding
        Bytes a token in the layers that keep the last `window` tokens only.
    window
        Tokens that the sliding layers keep; 0 where none slides.
    kv_heads
        KV heads that tensor parallelism can divide; ``None`` for latent attention, of
        which every shard keeps all.
    """

    full: int
    sliding: int = 0
    window: int = 0
    kv_heads: int | None = None

    def bytes_of(self, tokens: Fraction | int) -> Fraction:
        """Bytes of cache for one sequence of `tokens` tokens."""
        length = Fraction(tokens)
        return self.full * length + self.sliding * min(length, Fraction(self.window))

    def floor(self, max_tokens: int) -> int:
        """Bytes without which an engine refuses to start: one sequence of full length.

        In whole blocks. A sliding layer needs its window and a batch, and one block more,
        since a window need not begin where a block does.
        """
        kept = min(max_tokens, self.window - 1 + BATCH) if self.sliding else 0
        return self.full * _in_blocks(max_tokens) + self.sliding * (_in_blocks(kept) + BLOCK)

    def longest(self, size: Fraction | int) -> int:
        """The longest sequence, in tokens, whose :meth:`floor` is within a number of bytes."""
        low, high = 0, max(1, int(size) // max(1, self.full or self.sliding) + 1)
        if not self.full and self.floor(high) <= size:
            return high  # only sliding layers: any length fits
        while low < high:
            middle = (low + high + 1) // 2
            if self.floor(middle) <= size:
                low = middle
            else:
                high = middle - 1
        return low


def _in_blocks(tokens: int) -> int:
    return -(-tokens // BLOCK) * BLOCK


def grouped_query(
    layers: int, kv_heads: int, head_dim: int, *, sliding_layers: int = 0, window: int = 0
) -> KVCache:
    """The cache of grouped-query attention in 16 bits, `sliding_layers` of the layers sliding."""
    layer = 2 * kv_heads * head_dim * 2
    return KVCache(
        full=(layers - sliding_layers) * layer,
        sliding=sliding_layers * layer,
        window=window if sliding_layers else 0,
        kv_heads=kv_heads,
    )


def latent(layers: int, kv_lora_rank: int, rope_head_dim: int) -> KVCache:
    """The cache of multi-head latent attention in 16 bits."""
    return KVCache(full=layers * (kv_lora_rank + rope_head_dim) * 2)
