"""Fleets of published checkpoints: sizes in bytes, rates with two decimals.

"Drawn from a to b" means integers, both ends included, all equally likely.
"""

from __future__ import annotations

from fractions import Fraction

from numpy.random import RandomState

from kvpr_opt.errors import InputError
from kvpr_opt.generate.draws import MAX_REDRAWS, whole
from kvpr_opt.problem.instance import GPU, LLM, Instance

#: Bytes of the weights of published checkpoints, as their safetensors files have them
#: (huggingface.co, November 2026), smallest first. Those that fit one GPU of 81,559 MiB.
CHECKPOINTS: tuple[tuple[str, int], ...] = (
    ("Llama-3.2-3B", 6_425_499_648),
    ("Phi-3.5-mini", 7_642_159_104),
    ("gpt-oss-20b", 13_761_264_768),
    ("Mistral-7B-v0.3", 14_496_047_104),
    ("Qwen2.5-7B", 15_231_233_024),
    ("Llama-3.1-8B", 16_060_522_496),
    ("Qwen3-8B", 16_381_470_720),
    ("gemma-2-9b", 18_483_411_968),
    ("phi-4", 29_319_014_400),
    ("Qwen2.5-14B", 29_540_067_328),
    ("Qwen3-32B-FP8", 34_322_434_048),
    ("Qwen3-30B-A3B", 61_064_245_248),
    ("gpt-oss-120b", 65_248_815_744),
    ("Qwen3-32B", 65_524_246_528),
    ("Qwen2.5-32B", 65_527_752_704),
)

#: Memory of a GPU of 80 GB as its driver reports it.
_MEMORY = 81_559 * 2**20

#: Objectives in seconds.
_OBJECTIVES = tuple(map(Fraction, ("1/20", "1/10", "1/5", "1/2", "1", "2")))

#: How full the GPUs are at most, in per cent, and how many of the checkpoints count as small.
_FULL, _SMALL = 75, 8


def real(rng: RandomState, gpus: int, models: int) -> Instance:
    """Published checkpoints in bytes on GPUs of 81,559 MiB, at most 75 % full.

    Each model is one of :data:`CHECKPOINTS`, all equally likely. While they fill more than
    75 % of the memory, the first of the largest is drawn anew from the eight smallest.
    Request rates are drawn from 0.01 to 20.00 in steps of 0.01, objectives from 0.05, 0.1,
    0.2, 0.5, 1 and 2 seconds. Models are called by checkpoint and number.

    Raises
    ------
    InputError
        If so many models do not fit.
    """
    drawn = whole(rng, 0, len(CHECKPOINTS) - 1, models)
    total = sum(CHECKPOINTS[kind][1] for kind in drawn)
    redraws = 0
    while 100 * total > _FULL * _MEMORY * gpus:
        redraws += 1
        if redraws > 10 * models + MAX_REDRAWS or max(drawn) < 1:
            raise InputError(
                f"{models} checkpoints do not fit {gpus} GPUs; 2 to 4 a GPU do", place="models"
            )
        place = drawn.index(max(drawn))
        (kind,) = whole(rng, 0, _SMALL - 1, 1)
        total += CHECKPOINTS[kind][1] - CHECKPOINTS[drawn[place]][1]
        drawn[place] = kind
    rates = whole(rng, 1, 2000, models)
    objectives = whole(rng, 0, len(_OBJECTIVES) - 1, models)
    return Instance(
        [GPU(f"gpu{index}", _MEMORY) for index in range(gpus)],
        [
            LLM(
                f"{CHECKPOINTS[kind][0]}-{index}",
                CHECKPOINTS[kind][1],
                req_rate=Fraction(rate, 100),
                slo=_OBJECTIVES[objective],
            )
            for index, (kind, rate, objective) in enumerate(
                zip(drawn, rates, objectives, strict=True)
            )
        ],
        unit="bytes",
    )
