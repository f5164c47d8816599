"""Streams of domains with one label space: the published ones' code paths, on files made here and on PACS_mini."""

from __future__ import annotations

import dataclasses
import json
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from benchmark.data import terra_incognita
from benchmark.data.options import DataOptions
from benchmark.errors import MissingData, UsageError
from benchmark.registry import resolve
from benchmark.streams.folder import FolderStream
from tests.torchvision_files import picture, serving

FILES = os.environ.get("SELORA_BENCH_TEST_FILES")
needs_files = pytest.mark.skipif(not FILES, reason="SELORA_BENCH_TEST_FILES is not set")
DRIVE = {
    "pacs": ("1JFr8f805nMUelQWWmfnJR3y4_SYoN5Pd", "kfold"),
    "officehome": ("1uY0pj7oFsjMxRwaD3Sxy0jgel0fsYXLC", "OfficeHomeDataset_10072016"),
    "vlcs": ("1skwblH1_okBwxWxmRsp9_qi15hyPpxg8", "VLCS"),
}


@pytest.fixture
def data(tmp_path):
    return DataOptions(tmp_path / "data")


def build(name, data):
    stream_class, argument = resolve("streams", name)
    return stream_class.create(argument, data)


def fill(root, domains, classes=("dog", "polar_bear"), images=10):
    for domain in domains:
        for label in classes:
            for number in range(images):
                picture(root / domain / label / f"{number}.png")


@pytest.mark.parametrize(
    ("name", "domains"),
    [
        ("pacs", ("art_painting", "cartoon", "photo", "sketch")),
        ("officehome", ("Art", "Clipart", "Product", "Real World")),
        ("vlcs", ("Caltech101", "LabelMe", "SUN09", "VOC2007")),
        ("terra-incognita", ("location_100", "location_38", "location_43", "location_46")),
    ],
)
def test_a_published_stream_is_its_folders_below_the_data_root(name, domains, data, capsys):
    stream = build(name, data)
    assert stream.name == name and stream.domains == domains
    assert stream.orders["default"] == domains and stream.orders["reversed"] == domains[::-1]
    fill(data.root / name, (*domains, "notes"))
    stream = build(name, data)
    stream.make_available(download=True)  # the data are there: nothing is fetched
    assert f"80 images in {data.root / name}, {stream.images:,} published" in capsys.readouterr().err
    assert stream.classes(domains[0]) == ("dog", "polar bear")
    for domain in domains:
        train, test = stream.load(domain, "train"), stream.load(domain, "test")
        assert (len(train), len(test)) == (16, 4) and not set(train.ids) & set(test.ids)
        assert {id_.split("/")[0] for id_ in (*train.ids, *test.ids)} == {domain}
        assert test.path(0) == data.root / name / test.ids[0]


def test_an_incomplete_data_set_says_which_domain_is_missing(data):
    fill(data.root / "pacs", ("photo", "sketch"))
    with pytest.raises(MissingData) as error:
        build("pacs", data).make_available(download=True)
    message = str(error.value)
    assert "9,991 images" in message and f"no images of art_painting, cartoon in {data.root / 'pacs'}" in message
    assert f"remove {data.root / 'pacs'} and fetch" in message
    assert f"`python run_suite.py --stream pacs --download --data-root {data.root}`" in message


def test_published_numbers_serve_where_data_are_absent(data):
    stream = build("pacs", data)
    assert (stream.count("photo", "train"), stream.count("photo", "test")) == (1998, 500)
    with pytest.raises(MissingData, match="no images of photo in"):
        stream.load("photo", "train")
    fill(data.root / "pacs", stream.domains)
    assert build("pacs", data).count("photo", "test") == 4


@pytest.mark.parametrize("name", sorted(DRIVE))
def test_download_unpacks_the_drive_archive_in_place(name, data, monkeypatch, tmp_path, capsys):
    """The archive of the real form, from a stand-in for Google Drive alone."""
    drive_id, inside = DRIVE[name]
    stream = build(name, data)
    fill(tmp_path / "packed" / inside, stream.domains, images=5)

    def fetch_drive(file_id, target):
        assert file_id == drive_id
        target.parent.mkdir(parents=True, exist_ok=True)
        if name == "vlcs":
            with tarfile.open(target, "w:gz") as archive:
                archive.add(tmp_path / "packed" / inside, inside)
        else:
            with zipfile.ZipFile(target, "w") as archive:
                for path in sorted((tmp_path / "packed").rglob("*.png")):
                    archive.write(path, path.relative_to(tmp_path / "packed"))

    monkeypatch.setattr("benchmark.data.download.fetch_drive", fetch_drive)
    with pytest.raises(MissingData):
        stream.make_available(download=False)
    stream.make_available(download=True)
    assert [len(stream.load(domain, "test")) for domain in stream.domains] == [2, 2, 2, 2]
    assert sorted(path.name for path in data.root.iterdir()) == [name]
    assert "40 images" in capsys.readouterr().err


def test_nothing_is_said_of_a_data_set_of_the_published_size(data, monkeypatch, capsys):
    stream = build("pacs", data)
    monkeypatch.setattr(type(stream), "images", 80)
    monkeypatch.setattr(type(stream), "class_count", 2)
    fill(data.root / "pacs", stream.domains)
    stream.make_available(download=False)
    assert capsys.readouterr().err == ""
    fill(data.root / "pacs", ["photo"], classes=["cat"], images=1)
    build("pacs", data).make_available(download=False)
    assert capsys.readouterr().err.splitlines() == [
        f"stream pacs: 81 images in {data.root / 'pacs'}, 80 published",
        f"stream pacs: 3 classes in {data.root / 'pacs'}, 2 published",
    ]


def test_another_content_is_another_identity(data):
    fill(data.root / "vlcs", ("Caltech101", "LabelMe", "SUN09", "VOC2007"))
    before = build("vlcs", data).identity()
    assert set(before) == {"name", "version", "listing"} and before == build("vlcs", data).identity()
    (data.root / "vlcs/SUN09/dog/3.png").unlink()
    assert build("vlcs", data).identity() != before


def test_imagenet_r_is_divided_by_the_style_in_the_file_names(data):
    assert len(build("imagenet-r-styles", data).domains) == 15
    with pytest.raises(MissingData, match=r"put them there as imagenet-r/WNID/STYLE_NUMBER\.jpg"):
        build("imagenet-r-styles", data).make_available(download=True)
    for wnid in ("n02085620", "n01440764"):
        for style, count in (("videogame", 5), ("art", 10)):
            for number in range(count):
                picture(data.root / "imagenet-r" / wnid / f"{style}_{number}.jpg")
    stream = build("imagenet-r-styles", data)
    stream.make_available(download=False)
    assert stream.domains == ("art", "videogame") and stream.classes("art") == ("tench", "Chihuahua")
    assert len(stream.load("art", "train")) == 16 and len(stream.load("videogame", "test")) == 2
    images = stream.load("videogame", "test")
    assert [id_.split("/")[0] for id_ in images.ids] == ["n01440764", "n02085620"] and images.labels.tolist() == [0, 1]
    assert all("videogame_" in id_ for id_ in images.ids)


def annotations(path, images, labelled):
    categories = ["dog", "car", "empty"]
    content = {
        "categories": [{"id": number, "name": name} for number, name in enumerate(categories)],
        "images": [{"id": name, "file_name": f"{name}.jpg", "location": place} for name, place in images],
        "annotations": [{"image_id": name, "category_id": categories.index(label)} for name, label in labelled],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_camera_traps_are_sorted_by_place_and_animal(tmp_path, capsys):
    raw, folder = tmp_path / "raw", tmp_path / "sorted"
    for name in ("a", "b", "c", "d"):
        picture(raw / "sm" / f"{name}.jpg")
    images = [("a", 38), ("b", "38"), ("c", 7), ("d", "43"), ("gone", "43")]
    labels = [("a", "dog"), ("a", "dog"), ("a", "empty"), ("b", "car"), ("c", "dog"), ("d", "empty"), ("gone", "dog")]
    annotations(tmp_path / "labels.json", images, labels)
    assert terra_incognita.sort_images(tmp_path / "labels.json", raw, folder, ("38", "43")) == 3
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg")) == [
        "location_38/dog/a.jpg", "location_38/empty/a.jpg", "location_43/empty/d.jpg",
    ]  # fmt: skip
    assert "1 annotated images are not in the archive" in capsys.readouterr().err
    with pytest.raises(UsageError, match="none of its images of places 99"):
        terra_incognita.sort_images(tmp_path / "labels.json", raw, folder, ("99",))


def test_terra_incognita_is_built_from_the_two_archives_of_a_server(data, tmp_path):
    stream = build("terra-incognita", data)
    places = [domain.removeprefix("location_") for domain in stream.domains]
    images = [(f"{place}-{number}", place) for place in places for number in range(5)]
    for name, _ in images:
        picture(tmp_path / "packed/eccv_18_all_images_sm" / f"{name}.jpg")
    annotations(tmp_path / "packed/caltech_images_20210113.json", images, [(name, "dog") for name, _ in images])
    served = tmp_path / "served"
    (served / "labels").mkdir(parents=True)
    with tarfile.open(served / "eccv_18_all_images_sm.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "packed/eccv_18_all_images_sm", "eccv_18_all_images_sm")
    with zipfile.ZipFile(served / "labels/caltech_camera_traps.json.zip", "w") as archive:
        archive.write(tmp_path / "packed/caltech_images_20210113.json", "caltech_images_20210113.json")
    with serving(served) as mirror:
        stream = build("terra-incognita", dataclasses.replace(data, mirror=mirror))
        stream.make_available(download=True)
    assert [len(stream.load(domain, "train")) for domain in stream.domains] == [4, 4, 4, 4]
    assert sorted(path.name for path in data.root.iterdir()) == ["terra-incognita"]


MINE = """
from benchmark.streams.domain_folders import DomainFolders

class Rooms(DomainFolders):
    name = "rooms"
    domains = ("day", "night")
    templates = ("a photo of a {} in a house.",)
"""


def test_a_data_set_of_ones_own_is_five_declarative_lines(data, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    assert len([line for line in MINE.splitlines() if line]) == 5
    stream = build(f"{file}:Rooms", data)
    with pytest.raises(MissingData, match=f"no images of day, night in {data.root / 'rooms'}"):
        stream.make_available(download=True)
    fill(data.root / "rooms", ("day", "night"))
    stream = build(f"{file}:Rooms", data)
    stream.make_available(download=False)
    assert len(stream.load("night", "test")) == 4 and stream.prompts("day") == ("a photo of a {} in a house.",)
    identity = stream.identity()
    file.write_text(MINE.replace("house", "flat"))  # other prompts, other results
    assert build(f"{file}:Rooms", data).identity()["source"] != identity["source"]


def test_files_that_bring_no_stream_are_told(tmp_path, data):
    (tmp_path / "mine.py").write_text(MINE)
    with pytest.raises(UsageError, match=r"unknown class in .*mine.py 'Roms'; did you mean 'Rooms'"):
        resolve("streams", f"{tmp_path / 'mine.py'}:Roms")
    with pytest.raises(UsageError, match="there is no file"):
        resolve("backbones", f"{tmp_path / 'yours.py'}:Net")
    with pytest.raises(UsageError, match=r"expected FILE\.py:CLASS"):
        resolve("streams", str(tmp_path / "mine.py"))
    with pytest.raises(UsageError, match="unknown stream 'pcas'; did you mean 'pacs'"):
        resolve("streams", "pcas")


def test_a_backbone_may_come_from_a_file_too(tmp_path):
    (tmp_path / "net.py").write_text("class Net:\n    pass\n")
    found, argument = resolve("backbones", f"{tmp_path / 'net.py'}:Net")
    assert found.__name__ == "Net" and argument == "" and len(found.source) == 12


def test_the_folder_streams_identity_and_split_stay_what_they_were(tmp_path):
    """Recorded before the split was shared with other streams: results of then are still results of now."""
    for domain in ("ink", "photo"):
        for label in ("cat", "polar_bear"):
            place = tmp_path / "zoo" / domain / label
            place.mkdir(parents=True)
            for number in range(7):
                (place / f"{number}.png").write_bytes(b"x" * (number + 1))
    (tmp_path / "zoo/ink/cat/.hidden.png").write_bytes(b"x")
    (tmp_path / "zoo/ink/cat/notes.txt").write_bytes(b"x")
    stream = FolderStream(str(tmp_path / "zoo"))
    assert stream.identity() == {"name": "zoo", "version": 1, "listing": "32706e879374"}
    assert stream.load("ink", "test").ids == ("ink/cat/3.png", "ink/polar_bear/4.png")
    assert stream.load("photo", "test").ids == ("photo/cat/4.png", "photo/polar_bear/6.png")


@needs_files
def test_pacs_mini_goes_through_the_code_of_pacs(tmp_path, capsys):
    (tmp_path / "pacs").symlink_to(Path(FILES) / "data" / "PACS_mini", target_is_directory=True)
    stream = build("pacs", DataOptions(tmp_path))
    stream.make_available(download=False)
    classes = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
    assert all(stream.classes(domain) == classes for domain in stream.domains)
    for domain in stream.domains:
        train, test = stream.load(domain, "train"), stream.load(domain, "test")
        found = {images.path(index).resolve() for images in (train, test) for index in range(len(images))}
        assert found == set((Path(FILES) / "data" / "PACS_mini" / domain).resolve().glob("*/*.*"))
        assert len(train) + len(test) == 420 and set(train.labels) == set(test.labels) == set(range(7))
        assert test.load(0).mode == "RGB"
    assert capsys.readouterr().err == f"stream pacs: 1,680 images in {tmp_path / 'pacs'}, 9,991 published\n"
