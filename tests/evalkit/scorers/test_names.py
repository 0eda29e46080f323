"""Names of scores: different weights never share one, and listing scorers loads no network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from evalkit.errors import WeightsError
from evalkit.records import WeightsInfo
from evalkit.weights import expand, read_json, suffix

DIGEST = "sha256:0123456789abcdef"


@pytest.mark.parametrize(
    ("id_", "digest", "expected"),
    [
        ("THUDM/ImageReward", DIGEST, ""),
        ("ImageReward", DIGEST, ""),
        ("ImageReward.pt", DIGEST, ""),
        ("somebody/ImageReward", DIGEST, "-01234567"),
        ("miniature/image-reward", DIGEST, "-miniature"),
        ("my-weights", DIGEST, "-01234567"),
        ("ImageReward-finetuned", DIGEST, "-01234567"),
    ],
)
def test_a_suffix_tells_weights_apart(id_: str, digest: str, expected: str) -> None:
    assert suffix(WeightsInfo(id=id_, digest=digest), "THUDM/ImageReward") == expected


def test_without_a_digest_the_hubs_name_decides() -> None:
    one, other = (suffix(WeightsInfo(id=i), "THUDM/ImageReward") for i in ("a/b", "a/c"))
    assert len(one) == len(other) == 9
    assert one != other


def test_miniature_alone_is_the_packages_own_folder() -> None:
    assert expand("miniature", "clip") == "miniature/clip"
    assert expand("miniature/other", "clip") == "miniature/other"
    assert expand(Path("some/folder"), "clip") == "some/folder"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_json_that_is_no_object_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"config.json"):
        read_json(path)


def test_making_a_scorer_imports_no_network() -> None:
    script = (
        "import sys; from evalkit import registry;"
        "[registry.scorer(name) for name in registry.SCORERS];"
        "heavy = {'torch', 'transformers', 'open_clip', 'pandas', 'scipy'} & set(sys.modules);"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
