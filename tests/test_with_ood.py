"""Sources beside a stream, as out-of-domain sets."""

from __future__ import annotations

import pytest

from benchmark.data.options import DataOptions
from benchmark.errors import MissingData, UsageError
from benchmark.streams.with_ood import WithOOD
from tests.conftest import TinyStream
from tests.torchvision_files import make, picture


@pytest.fixture
def data(tmp_path):
    return DataOptions(tmp_path / "data")


def test_sources_become_out_of_domain_sets_with_their_own_classes(data, monkeypatch):
    make("pets", data.root, monkeypatch)
    make("mnist", data.root, monkeypatch)
    stream = WithOOD(TinyStream(), ("pets", "mnist"), data)
    stream.make_available(download=False)
    assert stream.domains == TinyStream().domains and stream.ood == ("unseen", "pets", "mnist")
    assert stream.classes("pets") == ("Abyssinian", "American Bulldog") and len(stream.classes("south")) == 3
    assert (
        stream.prompts("pets") == ("a photo of a {}, a type of pet.",) and stream.prompts("south") == stream.templates
    )
    assert len(stream.load("mnist", "test")) == stream.count("mnist", "test") == 2
    assert len(stream.load("unseen", "test")) == stream.count("unseen", "test") == 15
    identity = stream.identity()
    assert [entry["name"] for entry in identity.pop("ood")] == ["pets", "mnist"]
    assert identity == TinyStream().identity()


def test_missing_out_of_domain_sets_and_clashes_are_told(data, tmp_path):
    stream = WithOOD(TinyStream(), ("pets", "dtd"), data)
    with pytest.raises(
        MissingData, match=r"pets: .*; dtd: .*`python run_suite.py check-data --ood pets dtd --download"
    ):
        stream.make_available(download=False)
    for name in ("south/cat/1.png", "south/cat/2.png"):
        picture(tmp_path / name)
    with pytest.raises(UsageError, match="the stream tiny has a set 'south' already"):
        WithOOD(TinyStream(), (f"folder:{tmp_path / 'south'}",), data)
    for name in ("other/pets/cat/1.png", "other/pets/cat/2.png"):
        picture(tmp_path / name)
    with pytest.raises(UsageError, match="two sets are called 'pets'"):
        WithOOD(TinyStream(), ("pets", f"folder:{tmp_path / 'other/pets'}"), data)
