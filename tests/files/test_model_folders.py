"""The key ``hf``: size, KV heads and KV bytes a token come from a folder, unless given by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkpoints import model_folder

from kvpr_opt import read_instance
from kvpr_opt.errors import InputError

FLEET = """unit: GB
gpus: [{count: 4, memory: 80, node: n}]
models:
  - {name: llama, hf: models/Llama-3.1-8B, req_rate: 3, slo: 1, shards: 2}
  - {name: deepseek, hf: models/DeepSeek-V3, pressure: 0, shards: 4}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    model_folder(tmp_path / "models", "Llama-3.1-8B")
    model_folder(tmp_path / "models", "DeepSeek-V3", tensors={"a": 4 * 10**9})
    path = tmp_path / "fleet.yaml"
    path.write_text(FLEET)
    return path


def test_what_a_folder_says(path: Path) -> None:
    llama, deepseek = read_instance(path).declared
    assert llama.size * 10**9 == 16060522496
    assert llama.kv_heads == 8
    # Every shard of latent attention carries all of the demand.
    assert (deepseek.size, deepseek.kv_heads) == (4, 1)


def test_what_is_given_by_hand_wins(path: Path) -> None:
    path.write_text(FLEET.replace("req_rate: 3", "size: 17, kv_heads: 4, req_rate: 3"))
    llama, _ = read_instance(path).declared
    assert (llama.size, llama.kv_heads) == (17, 4)
    path.write_text(FLEET.replace("req_rate: 3", "kv_share: 1, req_rate: 3"))
    llama, _ = read_instance(path).declared
    assert (llama.kv_share, llama.kv_heads) == (1, None)


def test_a_rate_of_tokens_needs_no_bytes_a_token(path: Path) -> None:
    path.write_text(FLEET.replace("req_rate: 3, slo: 1", "token_rate: 50, tpot_slo: 0.1"))
    llama, _ = read_instance(path).declared
    assert llama.kv_bytes_per_token == 131072
    assert llama.pressure == 500 * 131072


def test_a_table_has_no_unit_for_the_memory_beside_it(path: Path) -> None:
    table = path.with_name("models.csv")
    table.write_text("name,hf,pressure\nllama,models/Llama-3.1-8B,1\n")
    with pytest.raises(InputError, match="memory, as given beside the file, has no unit"):
        read_instance(table, gpus=1, memory=80)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("models/DeepSeek-V3", "models/none", r"models\[1\].hf: .*models/none: no such folder"),
        ("models/DeepSeek-V3", "3", r"models\[1\].hf: .*3: no such folder"),
        ("models/DeepSeek-V3", "[a]", r"models\[1\].hf: hf: hf a list is not a non-empty text"),
        ("unit: GB\n", "", "memory '80' has no unit, size '.*bytes' of .* has one"),
    ],
)
def test_folders_that_cannot_be_read(path: Path, old: str, new: str, reason: str) -> None:
    assert old in FLEET
    path.write_text(FLEET.replace(old, new))
    with pytest.raises(InputError, match=reason):
        read_instance(path)
