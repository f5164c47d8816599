"""Sources on small files of exactly the form that torchvision and the ImageNet family have on disk."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys

import numpy as np
import pytest

from benchmark.data.options import DataOptions
from benchmark.errors import MissingData, UsageError
from benchmark.registry import BUILTIN
from benchmark.sources.base import find_source, make_available
from benchmark.sources.imagenet import FORMS, class_names
from benchmark.sources.torchvision_sets import SETS
from tests.torchvision_files import MAKERS, make, picture, serving

SPLITS = ("train", "test")


@pytest.fixture
def data(tmp_path):
    return DataOptions(tmp_path / "data")


def named(source, split):
    """Class name of each image, by its id."""
    images = source.load(split)
    return {id_: source.classes[label] for id_, label in zip(images.ids, images.labels, strict=True)}


def test_every_registered_source_has_files_to_be_tested_on():
    assert set(MAKERS) == set(SETS)
    assert set(BUILTIN["sources"]) == {*SETS, *FORMS, "folder"}


@pytest.mark.parametrize("name", sorted(SETS))
def test_a_torchvision_set_is_read_from_files_of_its_form(name, data, monkeypatch):
    expected = make(name, data.root, monkeypatch)
    source = find_source(name, data)
    assert source.missing() is None
    found = {split: named(source, split) for split in SPLITS}
    assert {split: sorted(found[split].values()) for split in SPLITS} == {s: sorted(expected[s]) for s in SPLITS}
    assert not set(found["train"]) & set(found["test"])
    for split in SPLITS:
        images = source.load(split)
        assert images.name == name and images.split == split and images.labels.dtype == np.int64
        assert all(id_.startswith(f"{name}/") for id_ in images.ids)
        assert source.count(split) == len(expected[split])
        assert all(images.load(index).mode == "RGB" for index in range(len(images)))
        if images.path:
            assert [images.path(i) for i in range(len(images))] == [data.root / id_ for id_ in images.ids]
    assert "{}" in source.templates[0]


def test_labels_follow_the_files_where_torchvision_tells_them_in_another_order(data, monkeypatch):
    make("flowers", data.root, monkeypatch)
    assert named(find_source("flowers", data), "test") == {
        "flowers/flowers-102/jpg/image_00005.jpg": "pink-yellow dahlia",
        "flowers/flowers-102/jpg/image_00006.jpg": "pink primrose",
    }


def test_images_of_arrays_keep_their_pixels(data, monkeypatch):
    make("cifar10", data.root, monkeypatch)
    images = find_source("cifar10", data).load("test")
    assert images.ids == ("cifar10/test/0", "cifar10/test/1") and images.path is None
    # Value i of an image in the sixth file is i modulo 251, plus 5; its colours are three planes one after another.
    assert images.load(0).getpixel((2, 1)) == tuple((plane * 1024 + 32 + 2) % 251 + 5 for plane in range(3))
    make("stl10", data.root, monkeypatch)
    drawn = np.asarray(find_source("stl10", data).load("test").load(1))
    assert drawn.shape == (96, 96, 3) and np.argwhere(drawn[..., 0] == 200).tolist() == [[80, 5]]


def test_the_split_by_hash_is_stable_when_an_image_is_added(data, monkeypatch):
    make("eurosat", data.root, monkeypatch)
    before = find_source("eurosat", data)
    train, identity = set(before.load("train").ids), before.identity()
    assert find_source("eurosat", data).identity() == identity
    picture(data.root / "eurosat/eurosat/2750/SeaLake/SeaLake_99.jpg")
    after = find_source("eurosat", data)
    assert len(train - set(after.load("train").ids)) <= 1
    assert after.identity() != identity


def test_splits_with_different_classes_are_refused(data, monkeypatch):
    make("food101", data.root, monkeypatch)
    (data.root / "food101/food-101/meta/test.json").write_text('{"waffles": ["waffles/4"]}')
    with pytest.raises(UsageError, match="food101: its splits name different classes"):
        find_source("food101", data).load("test")


def test_broken_files_are_one_line_that_says_where(data, monkeypatch):
    make("cifar10", data.root, monkeypatch)
    (data.root / "cifar10/cifar-10-batches-py/test_batch").write_bytes(b"cut")
    with pytest.raises(
        UsageError, match=r"cifar10: the data in .*/cifar10 cannot be read .*remove the folder"
    ) as error:
        find_source("cifar10", data).load("train")
    assert "\n" not in str(error.value)


def test_missing_data_say_what_where_and_the_command(data):
    sources = [find_source(name, data) for name in ("cifar10", "cars")]
    with pytest.raises(MissingData) as error:
        make_available(sources, False, "--stream mine", data.root)
    message = str(error.value)
    assert "cifar10: 60,000 images, about 0.2 GB" in message and str(data.root / "cifar10") in message
    with pytest.raises(MissingData, match="missing data: caltech101: 8,677 images"):
        find_source("caltech101", data).load("test")
    assert "cars: 16,185 images" in message and "torchvision refuses to fetch it" in message
    assert f"`python run_suite.py --stream mine --download --data-root {data.root}`" in message
    assert not data.root.exists()


def test_what_cannot_be_fetched_offers_no_command(data):
    with pytest.raises(MissingData) as error:
        make_available([find_source("cars", data)], True, "--stream mine", data.root)
    assert "--download" not in str(error.value) and "put cars_train/" in str(error.value)


def test_download_goes_through_torchvision_for_each_split_and_only_if_needed(data, monkeypatch):
    from torchvision import datasets

    calls = []

    class Fetching(datasets.FGVCAircraft):
        def _download(self):
            calls.append(self._split)
            if not (data.root / "aircraft/fgvc-aircraft-2013b").exists():
                make("aircraft", data.root, monkeypatch)

    monkeypatch.setattr(datasets, "FGVCAircraft", Fetching)
    for _ in range(2):
        make_available([find_source("aircraft", data)], True, "", data.root)
    assert calls == ["trainval", "test"]


def test_a_download_from_a_server_is_checked_and_used(data, tmp_path, monkeypatch):
    """torchvision's own code fetches and unpacks; only the address and the sums of the small files are replaced."""
    from torchvision import datasets

    served = tmp_path / "served"
    MAKERS["mnist"](served)
    resources = []
    for path in sorted((served / "MNIST/raw").iterdir()):
        packed = gzip.compress(path.read_bytes())
        (served / f"{path.name}.gz").write_bytes(packed)
        resources.append((f"{path.name}.gz", hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(datasets.MNIST, "resources", resources)
    with serving(served) as address:
        monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{address}/"])
        make_available([find_source("mnist", data)], True, "", data.root)
        assert list(named(find_source("mnist", data), "train").values()) == ["7", "0", "3"]
        monkeypatch.setattr(datasets.MNIST, "resources", [(name, "0" * 32) for name, _ in resources])
        with pytest.raises(UsageError, match=r"mnist: the data in .* could not be fetched \(RuntimeError: "):
            make_available([find_source("mnist", DataOptions(tmp_path / "again"))], True, "", tmp_path / "again")


def test_a_failed_download_is_one_line(data, monkeypatch):
    from torchvision import datasets

    def refuse(self):
        raise OSError("no route\nto host")

    monkeypatch.setattr(datasets.FGVCAircraft, "_download", refuse)
    with pytest.raises(UsageError, match=r"aircraft: .* could not be fetched \(OSError: no route to host\)"):
        make_available([find_source("aircraft", data)], True, "", data.root)


def test_published_counts_serve_where_data_are_absent(data):
    assert (find_source("cifar100", data).count("train"), find_source("cifar100", data).count("test")) == (
        50_000,
        10_000,
    )
    assert (find_source("eurosat", data).count("train"), find_source("eurosat", data).count("test")) == (21_600, 5400)
    assert find_source("imagenet-a", data).count("test") == 7500 and find_source("imagenet-a", data).count("train") == 0


def test_class_names_of_imagenet_belong_to_their_wnids():
    names = class_names()
    assert len(names) == 1000
    # From WordNet, as timm describes the synsets: position and meaning of both lists agree.
    from timm.data import ImageNetInfo

    lemmas = dict(zip(ImageNetInfo().label_names(), ImageNetInfo().label_descriptions(), strict=True))
    agree = sum(name.lower() in lemmas[wnid].lower() for wnid, name in names.items())
    assert agree > 600  # the rest was renamed by open_clip; lists shifted by one agree in a handful
    shifted = zip(list(names)[1:], names.values(), strict=False)
    assert sum(name.lower() in lemmas[wnid].lower() for wnid, name in shifted) < 30
    assert names["n01440764"] == "tench" and names["n02085620"] == "Chihuahua"


def test_imagenet_subsets_are_classified_among_their_own_classes(data):
    for wnid in ("n02085620", "n01440764"):  # found in another order than on disk
        picture(data.root / "imagenet-a" / wnid / "0.1_tench.jpg")
        picture(data.root / "imagenet/train" / wnid / f"{wnid}_1.JPEG")
    picture(data.root / "imagenet/train/n01443537/n01443537_1.JPEG")
    source = find_source("imagenet-a", data)
    assert source.classes == ("tench", "Chihuahua")
    assert named(source, "test") == {
        "imagenet-a/n01440764/0.1_tench.jpg": "tench",
        "imagenet-a/n02085620/0.1_tench.jpg": "Chihuahua",
    }
    assert list(named(source, "train").values()) == ["tench", "Chihuahua"]


def test_numbered_folders_are_sorted_as_numbers_and_share_imagenets_gallery(data):
    for folder in ("10", "2", "0"):
        picture(data.root / "imagenet-v2" / folder / "a.jpeg")
    source = find_source("imagenet-v2", data)
    assert source.classes == tuple(list(class_names().values())[index] for index in (0, 2, 10))
    assert source.load("train").ids == ()  # ImageNet's training images are not there
    picture(data.root / "imagenet/train/n01440764/t.JPEG")
    gallery = find_source("imagenet-v2", data).load("train")
    assert gallery.ids == ("imagenet/train/n01440764/t.JPEG",) and gallery.labels.tolist() == [0]


@pytest.mark.parametrize("name", ["imagenet-val", "imagenet-r", "imagenet-sketch"])
def test_the_other_wnid_sets_and_strange_folders(name, data):
    with pytest.raises(
        MissingData, match=f"{FORMS[name].test:,} images.*put it there as {FORMS[name].folder}/WNID/IMAGE"
    ):
        make_available([find_source(name, data)], True, f"--ood {name}", data.root)
    picture(data.root / FORMS[name].folder / "n01440764/x.JPEG")
    assert find_source(name, data).classes == ("tench",)
    picture(data.root / FORMS[name].folder / "cats/x.jpg")
    with pytest.raises(UsageError, match=f"{FORMS[name].folder}/cats is no class folder"):
        find_source(name, data).load("test")


def test_a_folder_of_classes_is_split_by_hash(data, tmp_path):
    for animal in ("cat", "polar_bear"):
        for number in range(10):
            picture(tmp_path / "zoo" / animal / f"{number}.png")
    source = find_source(f"folder:{tmp_path / 'zoo'}", data)
    assert (source.name, source.classes) == ("zoo", ("cat", "polar bear"))
    assert sorted(named(source, "test").values()) == ["cat"] * 2 + ["polar bear"] * 2
    assert len(source.load("train")) == 16
    assert all(id_.startswith("zoo/") for id_ in source.load("test").ids)


@pytest.mark.parametrize("held", ["test", "val"])
def test_a_folder_of_splits_keeps_them(held, data, tmp_path):
    picture(tmp_path / "zoo" / held / "cat" / "1.png")
    source = find_source(f"folder:{tmp_path / 'zoo'}", data)
    assert source.load("train").ids == () and source.load("test").ids == (f"zoo/{held}/cat/1.png",)
    picture(tmp_path / "zoo/train/ant/1.png")
    source = find_source(f"folder:{tmp_path / 'zoo'}", data)
    assert source.classes == ("ant", "cat") and source.load("test").labels.tolist() == [1]
    assert source.load("train").ids == ("zoo/train/ant/1.png",)


def test_folders_that_cannot_be_are_refused(data, tmp_path):
    with pytest.raises(UsageError, match="there is no folder"):
        find_source(f"folder:{tmp_path / 'absent'}", data)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no test images found; expected .*/empty/CLASS/IMAGE"):
        find_source(f"folder:{tmp_path / 'empty'}", data)
    with pytest.raises(UsageError, match="unknown source 'cifar11'; did you mean 'cifar1"):
        find_source("cifar11", data)


def test_planning_with_sources_imports_nothing_heavy():
    modules = ["streams.with_ood", "streams.mtil", "streams.domain_sets", "sources.torchvision_sets"]
    code = "; ".join(["import sys", *(f"import benchmark.{module}" for module in modules)])
    heavy = ("torch", "torchvision", "timm", "open_clip", "avalanche", "pandas", "scipy")
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print([m for m in {heavy!r} if m in sys.modules])"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
