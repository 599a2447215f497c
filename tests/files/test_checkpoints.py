"""Model folders: bytes on disk, bytes by formula, KV cache; published checkpoints exactly."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from checkpoints import CHECKPOINTS, Checkpoint, model_folder

from kvpr_opt.errors import InputError
from kvpr_opt.files.checkpoints.folder import folders, read_checkpoint

LLAMA = next(known.config for known in CHECKPOINTS if known.name == "Llama-3.1-8B")


@pytest.mark.parametrize("known", CHECKPOINTS, ids=lambda known: known.name)
def test_published_checkpoints_are_reproduced_from_their_configuration(
    known: Checkpoint, tmp_path: Path
) -> None:
    if known.weights is None:
        folder = model_folder(tmp_path, known.name, tensors={"model.embed_tokens.weight": 12})
    else:
        folder = model_folder(tmp_path, known.name)
    model = read_checkpoint(folder)
    assert (model.kv_cache.full, model.kv_cache.sliding) == (known.full, known.sliding)
    assert model.weights == (known.weights or 12)
    assert model.name == known.name


@pytest.mark.parametrize(
    "known", [known for known in CHECKPOINTS if known.weights], ids=lambda known: known.name
)
def test_bytes_on_disk_come_first(known: Checkpoint, tmp_path: Path) -> None:
    assert known.weights is not None
    thirds = [known.weights // 3, known.weights // 3, known.weights - 2 * (known.weights // 3)]
    tensors = dict(zip("abc", thirds, strict=True))
    folder = model_folder(tmp_path, known.name, tensors=tensors, files=2)
    model = read_checkpoint(folder)
    assert model.weights == known.weights
    assert model.origin == "bytes of the tensors on disk"
    # What the file says counts, also where the formula would say something else.
    other = model_folder(tmp_path / "other", known.name, tensors={"a": 5})
    assert read_checkpoint(other).weights == 5


def test_a_head_that_is_tied_to_the_embedding_is_stored_but_not_loaded(tmp_path: Path) -> None:
    # Qwen3-0.6B: its file holds 1,503,264,768 bytes, 1,192,099,840 are loaded.
    tensors = {"model.embed_tokens.weight": 311164928, "lm_head.weight": 311164928, "rest": 0}
    tensors["rest"] = 1503264768 - 2 * 311164928
    tied = {**LLAMA, "tie_word_embeddings": True}
    assert read_checkpoint(model_folder(tmp_path, "t", tied, tensors=tensors)).weights == 1192099840
    assert (
        read_checkpoint(model_folder(tmp_path, "u", LLAMA, tensors=tensors)).weights == 1503264768
    )


def test_the_kv_cache_of_a_sequence(tmp_path: Path) -> None:
    gemma = read_checkpoint(model_folder(tmp_path, "gemma-2-9b")).kv_cache
    assert gemma.bytes_of(100) == 344064 * 100
    assert gemma.bytes_of(8192) == 172032 * 8192 + 172032 * 4096
    llama = read_checkpoint(model_folder(tmp_path, "Llama-3.1-8B")).kv_cache
    assert llama.floor(8192) == 131072 * 8192
    assert llama.floor(8185) == 131072 * 8192  # whole blocks of 16
    for cache in (gemma, llama):
        for tokens in (1, 16, 5000, 8192, 40000):
            longest = cache.longest(cache.floor(tokens))
            assert longest >= tokens
            assert cache.floor(longest) <= cache.floor(tokens) < cache.floor(longest + 1)


def test_kv_heads_are_what_shards_can_divide(tmp_path: Path) -> None:
    assert read_checkpoint(model_folder(tmp_path, "Llama-3.1-8B")).kv_cache.kv_heads == 8
    deepseek = model_folder(tmp_path, "DeepSeek-V3", tensors={"a": 1})
    assert read_checkpoint(deepseek).kv_cache.kv_heads is None


@pytest.mark.parametrize(
    ("change", "sliding"),
    [
        ({"model_type": "mistral", "sliding_window": 4096}, 32),
        ({"model_type": "mistral", "sliding_window": 131072}, 0),
        ({"model_type": "mistral", "sliding_window": None}, 0),
        ({"model_type": "qwen2", "sliding_window": 4096, "use_sliding_window": False}, 0),
        (
            {
                "model_type": "qwen2",
                "sliding_window": 4096,
                "use_sliding_window": True,
                "max_window_layers": 20,
            },
            12,
        ),
        ({"model_type": "gemma2", "sliding_window": 4096}, 16),
    ],
)
def test_which_layers_slide(change: dict[str, object], sliding: int, tmp_path: Path) -> None:
    cache = read_checkpoint(model_folder(tmp_path, "m", {**LLAMA, **change})).kv_cache
    layer = 131072 // 32
    assert (cache.full, cache.sliding) == ((32 - sliding) * layer, sliding * layer)


def test_a_text_model_within_another_is_read_for_its_cache_only(tmp_path: Path) -> None:
    config = {"model_type": "gemma3", "text_config": {**LLAMA, "model_type": "gemma3_text"}}
    folder = model_folder(tmp_path, "m", config, tensors={"a": 7})
    assert read_checkpoint(folder).weights == 7
    with pytest.raises(InputError, match="no safetensors, and weights of 'gemma3_text'"):
        read_checkpoint(model_folder(tmp_path, "n", config))


def test_grouped_quantisation_by_hand(tmp_path: Path) -> None:
    # One matrix of attention, as a model of one layer: 4 bits, a scale and a zero a group of 128.
    config = {
        **LLAMA,
        "num_hidden_layers": 1,
        "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128},
    }
    plain = read_checkpoint(model_folder(tmp_path, "p", {**LLAMA, "num_hidden_layers": 1})).weights
    awq = read_checkpoint(model_folder(tmp_path, "q", config)).weights
    quantised = 4096 * 4096 * 2 + 2 * 1024 * 4096 + 3 * 4096 * 14336
    assert plain - awq == quantised * 2 - quantised // 2 - quantised // 128 * 5 // 2
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4, "group_size": 128}
    gptq = read_checkpoint(model_folder(tmp_path, "r", config)).weights
    assert gptq - awq == 4 * (6 * 4096 + 14336)  # the group of each input


def test_names_of_folders(tmp_path: Path) -> None:
    cached = tmp_path / "models--meta-llama--Llama-3.1-8B" / "snapshots"
    model_folder(cached, "0e9e39f2", LLAMA)
    assert read_checkpoint(cached / "0e9e39f2").name == "Llama-3.1-8B"
    model_folder(tmp_path / "all", "b", LLAMA)
    model_folder(tmp_path / "all", "a", LLAMA)
    (tmp_path / "all" / "notes").mkdir()
    assert [(name, path.name) for name, path in folders(str(tmp_path / "all"))] == [
        (None, "a"),
        (None, "b"),
    ]
    assert folders(f"x={tmp_path / 'all' / 'a'}") == [("x", tmp_path / "all" / "a")]


# -- bad input -----------------------------------------------------------------------


def refused(folder: Path) -> str:
    with pytest.raises(InputError) as error:
        read_checkpoint(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_folder_without_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    assert refused(tmp_path / "m") == f"{tmp_path / 'm'}: no config.json in it"
    for given, reason in (
        (str(tmp_path / "m"), "no config.json in it, nor in a folder in it"),
        (str(tmp_path / "gone"), "no such folder"),
        (f"x={tmp_path / 'm'}", "no config.json in it"),
    ):
        with pytest.raises(InputError, match=reason):
            folders(given)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model_type": "mamba2"}, r"model_type: architecture 'mamba2' is not known; .* by hand"),
        ({"model_type": None}, r"model_type: null is not a text"),
        ({"num_hidden_layers": None}, "num_hidden_layers: missing"),
        ({"num_hidden_layers": "many"}, "num_hidden_layers: 'many' is not a finite number"),
        ({"num_hidden_layers": 0}, "num_hidden_layers: 0 is not a whole number of at least 1"),
        ({"torch_dtype": "int3"}, "torch_dtype: 'int3' is none of"),
        (
            {"sliding_window": 128, "layer_types": ["full_attention"]},
            "layer_types: not 32 times one of",
        ),
        ({"quantization_config": {"quant_method": "magic"}}, "weights by 'magic' are not computed"),
        ({"quantization_config": {"quant_method": "fp8"}}, "weight_block_size: .* is not a list"),
    ],
)
def test_a_configuration_that_is_not_understood(
    change: dict[str, object], reason: str, tmp_path: Path
) -> None:
    message = refused(model_folder(tmp_path, "m", {**LLAMA, **change}))
    assert message.startswith(f"{tmp_path / 'm' / 'config.json'}: ")
    assert re.search(reason, message), message


def test_an_index_whose_files_are_missing(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "m", LLAMA, tensors={"a": 4, "b": 4}, files=2)
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "names 'model-00002-of-00002.safetensors', which is missing (1 of 2" in refused(folder)


def test_an_index_that_names_files_elsewhere(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "m", LLAMA, tensors={"a": 4, "b": 4}, files=2)
    index = {"weight_map": {"a": "../../secret"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "weight_map.a: '../../secret' is not the name of a file" in refused(folder)


@pytest.mark.parametrize("kept", [0, 4, 30, -1])
def test_files_that_are_cut_off(kept: int, tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "m", LLAMA, tensors={"a": 4})
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    message = refused(folder)
    assert message.startswith(str(file))
    assert "truncated" in message or "a download that has not finished" in message


def test_a_header_that_is_none(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "m", LLAMA, tensors={"a": 4})
    file = folder / "model.safetensors"
    for header in (b"[]", b"\xff\xff", b'{"a": 3}', b'{"a": {"data_offsets": [4, 0]}}'):
        file.write_bytes(len(header).to_bytes(8, "little") + header)
        assert refused(folder).startswith(str(file))
