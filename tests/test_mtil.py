"""MTIL on eleven small data sets of torchvision's forms: every task has its own classes and prompts."""

from __future__ import annotations

import pytest

from benchmark.data.options import DataOptions
from benchmark.errors import MissingData
from benchmark.registry import resolve
from benchmark.streams.label_space import DomainSpaces
from benchmark.streams.mtil import MTIL
from benchmark.streams.source_stream import SourceStream
from tests.torchvision_files import make


@pytest.fixture
def data(tmp_path):
    return DataOptions(tmp_path / "data")


def test_the_two_orders_hold_all_eleven_tasks():
    orders = MTIL().orders
    assert orders["default"] == orders["order-1"] == MTIL.domains and len(MTIL.domains) == 11
    assert sorted(orders["order-2"]) == sorted(MTIL.domains)
    assert orders["order-2"][:3] == ("cars", "food101", "mnist") and orders["order-2"][-1] == "cifar100"
    assert orders["reversed"] == MTIL.domains[::-1]


def test_every_task_has_its_own_classes_prompts_and_images(data, monkeypatch):
    made = {name: make(name, data.root, monkeypatch) for name in MTIL.domains}
    stream_class, argument = resolve("streams", "mtil")
    stream = stream_class.create(argument, data)
    stream.make_available(download=False)
    assert stream.classes("pets") == ("Abyssinian", "American Bulldog") and len(stream.classes("flowers")) == 102
    assert stream.prompts("pets") != stream.prompts("flowers")
    ids = []
    for domain in stream.domains:
        for split in ("train", "test"):
            images = stream.load(domain, split)
            assert len(images) == stream.count(domain, split) == len(made[domain][split])
            assert images.labels.max() < len(stream.classes(domain))
            ids += images.ids
    assert len(ids) == len(set(ids))
    spaces = DomainSpaces(stream, stream.domains)
    assert len(spaces.sizes) == 11 and spaces.sizes[0] == 2
    assert spaces.span("sun397").stop == sum(spaces.sizes) == sum(len(stream.classes(d)) for d in stream.domains)
    identity = stream.identity()
    assert [source["name"] for source in identity["sources"]] == list(MTIL.domains)
    (data.root / "cars/stanford_cars/devkit/cars_train_annos.mat").write_bytes(
        (data.root / "cars/stanford_cars/cars_test_annos_withlabels.mat").read_bytes()
    )
    assert stream_class.create(argument, data).identity() != identity


def test_all_missing_tasks_are_named_at_once_and_counted(data, monkeypatch):
    stream = MTIL(data)
    with pytest.raises(MissingData) as error:
        stream.make_available(download=False)
    message = str(error.value)
    assert all(f"{name}: " in message for name in MTIL.domains)
    assert f"`python run_suite.py --stream mtil --download --data-root {data.root}`" in message
    assert stream.count("mnist", "train") == 60_000 and stream.count("sun397", "test") == 21_751
    make("mnist", data.root, monkeypatch)
    assert MTIL(data).count("mnist", "train") == 3


def test_a_stream_of_ones_own_names_its_sources(data, monkeypatch):
    class Two(SourceStream):
        name = "two"
        domains = ("dtd", "mnist")

    for name in Two.domains:
        make(name, data.root, monkeypatch)
    stream = Two.create("", data)
    stream.make_available(download=False)
    assert stream.classes("dtd") == ("banded", "dotted") and len(stream.classes("mnist")) == 10
    assert set(stream.orders) == {"default", "reversed"}
