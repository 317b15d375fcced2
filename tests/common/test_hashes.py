"""Hashes of files and weights: computed independently, so that those in existing files stay valid."""

import hashlib
import struct

import pytest
import torch

from nnunet_dsd.common.hashes import file_hash, weights_hash

STATE = {
    "layer.weight": torch.tensor([[1.0, -2.0], [0.5, 3.0]]),
    "count": torch.tensor(7),
    "a": torch.tensor([1.5, -1.0], dtype=torch.bfloat16),
}
# What the bytes of these values are, little-endian, by name in their order.
BYTES = {
    "a": struct.pack("<2H", 0x3FC0, 0xBF80),
    "count": struct.pack("<q", 7),
    "layer.weight": struct.pack("<4f", 1.0, -2.0, 0.5, 3.0),
}
HEADERS = {
    "a": "a torch.bfloat16 (2,)",
    "count": "count torch.int64 ()",
    "layer.weight": "layer.weight torch.float32 (2, 2)",
}
# By hand from the two tables above; the first is also what the code said that wrote the model files of old.
PINNED = "a20883d4a43f0c75c6280a941cd960874d0a5e1e3a84413c2a9d617cfe2ee6cb"
PINNED_SHORT = "584d8dd95149e84c958733a3ea9f0b88"


def test_the_hash_of_weights_is_sha_256_of_names_types_shapes_and_bytes():
    content = b"".join(HEADERS[name].encode() + BYTES[name] for name in sorted(BYTES))
    assert weights_hash(STATE) == hashlib.sha256(content).hexdigest() == PINNED


def test_the_short_hash_of_weights_is_blake2b_of_names_and_bytes():
    content = b"".join(name.encode() + BYTES[name] for name in sorted(BYTES))
    assert weights_hash(STATE, short=True) == hashlib.blake2b(content, digest_size=16).hexdigest() == PINNED_SHORT


@pytest.mark.parametrize("short", [False, True])
def test_the_hash_of_weights_depends_on_each_value_and_name_and_not_on_their_order(short):
    assert weights_hash(STATE, short=short) == weights_hash(dict(reversed(STATE.items())), short=short)
    a, layer = STATE["a"], STATE["layer.weight"]
    changed = [{**STATE, "count": torch.tensor(8)}, {"b": a, "count": STATE["count"], "layer.weight": layer}]
    changed.append({**STATE, "a": a.to(torch.float16)})
    assert len({weights_hash(other, short=short) for other in [STATE, *changed]}) == 4


def test_the_hash_of_weights_does_not_depend_on_how_they_lie_in_memory():
    turned = {**STATE, "layer.weight": STATE["layer.weight"].t().contiguous().t().requires_grad_()}
    assert weights_hash(turned) == weights_hash(STATE)


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path):
    content = bytes(range(256)) * 10_000
    (tmp_path / "file").write_bytes(content)
    assert file_hash(tmp_path / "file") == hashlib.sha256(content).hexdigest()
    (tmp_path / "file").write_bytes(b"")
    assert file_hash(tmp_path / "file") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
