"""DomainNet and DN4IL: the official lists where they are at hand, and a miniature of exactly their form."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.options import DataOptions
from benchmark.errors import MissingData, UsageError
from benchmark.streams.base import fingerprint
from benchmark.streams.domainnet import DN4ILStream, DomainNetStream
from benchmark.streams.domainnet.class_names import DN4IL_FOLDERS, DOMAINNET_FOLDERS, ODD_NAMES
from benchmark.streams.listed import Names, read_list
from tests.miniature import MiniatureDN4IL, MiniatureDomainNet, build_miniature, serve, use_miniature

FILES = os.environ.get("SELORA_BENCH_TEST_FILES")
needs_files = pytest.mark.skipif(not FILES, reason="SELORA_BENCH_TEST_FILES is not set")
TRAIN = {"clipart": 33_525, "infograph": 36_023, "painting": 50_416, "quickdraw": 120_750, "real": 120_906,
         "sketch": 48_212}  # fmt: skip
TEST = {"clipart": 14_604, "infograph": 15_582, "painting": 21_850, "quickdraw": 51_750, "real": 52_041,
        "sketch": 20_916}  # fmt: skip


def official_lists(root):
    """The ten official lists at hand, and the two others synthesised to their number of lines."""
    folder = root / "domainnet" / "txt"
    shutil.copytree(Path(FILES) / "data" / "domainnet_lists", folder)
    for domain in ("quickdraw", "real"):
        lines = [f"{domain}/{name}/{domain}_{label:03}_{number:06}.jpg {label}\n"
                 for label, name in enumerate(DOMAINNET_FOLDERS) for number in range(351)]  # fmt: skip
        (folder / f"{domain}_train.txt").write_text("".join(lines[: TRAIN[domain]]))


def test_published_numbers_need_no_data(tmp_path):
    stream = DomainNetStream(DataOptions(tmp_path))
    assert {domain: stream.count(domain, "train") for domain in stream.domains} == TRAIN
    assert {domain: stream.count(domain, "test") for domain in stream.domains} == TEST
    assert sum(TRAIN.values()) + sum(TEST.values()) == 586_575
    small = DN4ILStream(DataOptions(tmp_path))
    assert [small.count(domain, "train") for domain in small.domains] == [9205, 9970, 11495, 12500, 12494, 11416]
    assert [small.count(domain, "test") for domain in small.domains] == [3016, 2930, 3276, 3500, 3473, 3269]
    assert sum(file.size for file in stream.archives.values()) == 17_539_000_000


def test_class_names_are_words():
    names = DomainNetStream(DataOptions(Path())).classes("real")
    assert len(names) == len(set(names)) == 345
    by_folder = dict(zip(DOMAINNET_FOLDERS, names, strict=True))
    expected = {"aircraft_carrier": "aircraft carrier", "The_Eiffel_Tower": "Eiffel Tower", "see_saw": "seesaw",
                "The_Great_Wall_of_China": "Great Wall of China", "t-shirt": "t-shirt", "teddy-bear": "teddy bear",
                "hot_air_balloon": "hot air balloon", "zigzag": "zigzag"}  # fmt: skip
    assert {folder: by_folder[folder] for folder in expected} == expected
    assert not any("_" in name or name != name.strip() for name in names)
    assert set(ODD_NAMES) <= set(DOMAINNET_FOLDERS)
    assert list(DOMAINNET_FOLDERS) == sorted(
        DOMAINNET_FOLDERS, key=lambda f: f.lower().replace("_", "").replace("-", "")
    )
    assert DOMAINNET_FOLDERS[327] == "t-shirt" and DOMAINNET_FOLDERS[300] == "syringe"
    assert len(DN4IL_FOLDERS) == 100 and set(DN4IL_FOLDERS) < set(DOMAINNET_FOLDERS)
    assert DN4ILStream(DataOptions(Path())).classes("real")[12] == "birthday cake"


def test_orders():
    orders = DomainNetStream(DataOptions(Path())).orders
    alphabet = ("clipart", "infograph", "painting", "quickdraw", "real", "sketch")
    assert orders["default"] == orders["alphabetical"] == alphabet and orders["reversed"] == alphabet[::-1]
    assert "".join(domain[0] for domain in orders["rqpsic"]) == "rqpsic"
    assert [orders[f"rotation-{k}"][0] for k in range(1, 6)] == list(alphabet[1:])
    assert all(sorted(order) == list(alphabet) for order in orders.values())
    assert len({orders[f"rotation-{k}"] for k in range(1, 6)}) == 5


@needs_files
def test_the_official_lists(tmp_path):
    official_lists(tmp_path)
    stream = DomainNetStream(DataOptions(tmp_path))
    absent = {}
    for name, split in stream.lists:
        images = stream.load(name, split)
        assert len(images) == {"train": TRAIN, "test": TEST}[split][name]
        absent[name, split] = sorted(set(range(345)) - set(images.labels.tolist()))
    assert absent.pop(("painting", "train")) == [327] and absent.pop(("painting", "test")) == [300]
    assert set(map(tuple, absent.values())) == {()}
    first = stream.load("clipart", "train")
    assert (first.ids[0], first.labels[0]) == ("clipart/aircraft_carrier/clipart_001_000018.jpg", 0)
    assert first.path(0) == tmp_path / "domainnet" / "clipart" / "aircraft_carrier" / "clipart_001_000018.jpg"


@needs_files
def test_the_checksums_of_the_lists_are_those_of_the_files(tmp_path):
    """Verification passes over all ten official lists, and stops at the first that is not the official one."""
    official_lists(tmp_path)
    stream = DomainNetStream(DataOptions(tmp_path))
    with pytest.raises(UsageError, match=r"quickdraw_train.txt: sha512 \w{16}..., expected 7410e8a1debd769e..."):
        stream.verify_lists()
    stream.lists = {key: published for key, published in stream.lists.items()
                    if key not in {("quickdraw", "train"), ("real", "train")}}  # fmt: skip
    stream.verify_lists()
    small = DN4ILStream(DataOptions(tmp_path))
    shutil.copytree(Path(FILES) / "data" / "dn4il_lists", tmp_path / "dn4il")
    small.verify_lists()
    (tmp_path / "dn4il" / "real_test.txt").write_text("real/bee/1.jpg 9\n")
    with pytest.raises(UsageError, match=r"real_test.txt: 1 lines, expected 3,473; remove it and run again"):
        small.verify_lists()


@needs_files
def test_domainbeds_duplicates_are_left_out_on_demand(tmp_path):
    """None of them is in the ten official lists at hand: the option changes no image there, and is recorded."""
    official_lists(tmp_path)
    plain = DomainNetStream(DataOptions(tmp_path))
    stream = DomainNetStream(DataOptions(tmp_path, deduplicate=True))
    assert len(stream.left_out) == 9431
    for domain in ("clipart", "infograph", "painting", "sketch"):
        assert [stream.count(domain, split) for split in ("train", "test")] == [TRAIN[domain], TEST[domain]]
    assert set(stream.identity()) - set(plain.identity()) == {"deduplicate"}
    whole = plain.load("clipart", "train")
    with (tmp_path / "domainnet" / "txt" / "domainbed_duplicates.txt").open("a") as file:
        file.write("".join(f"{name}\n" for name in whole.ids[::1000]))
    other = DomainNetStream(DataOptions(tmp_path, deduplicate=True))
    images = other.load("clipart", "train")
    kept = [place for place in range(len(whole)) if place % 1000]
    assert images.labels.tolist() == whole.labels[kept].tolist() and len(images) == 33_525 - 34
    assert (images.ids[0], images.ids[-1]) == (whole.ids[1], whole.ids[-1])
    assert other.identity()["deduplicate"] != stream.identity()["deduplicate"]


@needs_files
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="peak memory of one process is read from /proc")
def test_the_full_size_takes_seconds_and_little_memory(tmp_path):
    """586,575 lines read, in a process of its own."""
    official_lists(tmp_path)
    code = """
import sys, time
from pathlib import Path
import benchmark.streams.domainnet as d
from benchmark.data.options import DataOptions
peak = lambda: int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
before, start = peak(), time.perf_counter()
stream = d.DomainNetStream(DataOptions(Path(sys.argv[1])))
sets = [stream.load(*key) for key in stream.lists]
stream.identity()
print(sum(map(len, sets)), time.perf_counter() - start, peak() - before, peak())
"""
    call = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(call, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True)
    images, seconds, added, peak = map(float, done.stdout.split())
    assert images == 586_575
    assert seconds < 10 and added < 250 and peak < 500


def test_names_are_a_sequence_like_any_other():
    texts = ("a/b/1.jpg", "", "é/ü.png", "z")
    names = Names([text.encode() for text in texts])
    assert tuple(names) == texts and [names[i] for i in range(-4, 4)] == [*texts, *texts]
    assert names[1:3] == texts[1:3] and names[np.int64(2)] == texts[2] and len(names) == 4 and "z" in names
    assert np.asarray(names).tolist() == list(texts) and np.asarray(names).dtype.kind == "U"
    assert list(Names([])) == [] and len(Names([])) == 0
    with pytest.raises(IndexError):
        names[4]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("real/ant/1.jpg", "expected a line like real/ant/IMAGE.jpg 0"),
        ("real/ant/1.jpg x", "expected a line like real/ant/IMAGE.jpg 0"),
        ("real/ant/1.jpg -1", "expected a line like real/ant/IMAGE.jpg 0"),
        ("real/ant/../1.jpg 0", "expected a line like real/ant/IMAGE.jpg 0"),
        ("real/ant/.. 0", "expected a line like real/ant/IMAGE.jpg 0"),
        ("real/ant/1.jpg 2", "expected a class index of 0 to 1"),
        ("real/ant/1.jpg 1", "class 1 is real/bee/"),
        ("clipart/ant/1.jpg 0", "class 0 is real/ant/"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, message):
    path = tmp_path / "real_train.txt"
    path.write_text(f"real/ant/1.jpg 0\nreal/bee/2 3.jpg 1\n{line}\n")
    with pytest.raises(UsageError) as caught:
        read_list(path, "real", ("ant", "bee"))
    assert str(caught.value) == f"{path}, line 3: '{line}': {message}; remove the list and fetch it again"
    path.write_text("real/ant/1.jpg 0\nreal/bee/2 3.jpg 1\n")
    names, labels = read_list(path, "real", ("ant", "bee"))
    assert list(names) == ["real/ant/1.jpg", "real/bee/2 3.jpg"] and labels.tolist() == [0, 1]


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    return build_miniature(tmp_path_factory.mktemp("served"))


@pytest.fixture
def server(archives, monkeypatch):
    with serve(archives) as running:
        use_miniature(monkeypatch, archives, running.url)
        yield running


@pytest.fixture(scope="module")
def finished(archives, tmp_path_factory):
    """A data root after `--download`; to be copied, not changed."""
    root = tmp_path_factory.mktemp("finished")
    with serve(archives) as running, pytest.MonkeyPatch.context() as patch:
        use_miniature(patch, archives, running.url)
        MiniatureDomainNet(DataOptions(root)).make_available(download=True)
    return root


@pytest.fixture
def root(finished, tmp_path, server):
    shutil.copytree(finished, tmp_path / "root")
    return tmp_path / "root"


def test_without_data_one_line_says_all(tmp_path, server, monkeypatch):
    with pytest.raises(MissingData) as caught:
        DomainNetStream(DataOptions(tmp_path)).make_available(download=False)
    assert str(caught.value) == (
        "domainnet: missing the images of clipart, infograph, painting, quickdraw, real, sketch (about 17.5 GB) and 12 "
        f"of 12 lists (clipart_train.txt, ...); looked in {tmp_path}/domainnet, {tmp_path}/domainnet/txt; "
        f"fetch with: python run_suite.py --stream domainnet --data-root {tmp_path} --download"
    )
    with pytest.raises(MissingData, match=r"dn4il: missing the images of .* \(about 17.5 GB\) and 12 of 12 lists"):
        DN4ILStream(DataOptions(tmp_path)).make_available(download=False)
    monkeypatch.setenv("SELORA_BENCH_DATA", str(tmp_path))
    with pytest.raises(MissingData, match=r"fetch with: python run_suite.py --stream domainnet --original --download$"):
        DomainNetStream(DataOptions(original=True)).make_available(download=False)


def test_download_cut_resume_verify_extract(tmp_path, server, archives):
    """The whole way of `--download` with every archive cut in the middle and an overloaded server."""
    stream = MiniatureDomainNet(DataOptions(tmp_path))
    for file in stream.archives.values():
        server.faults.cut[file.path] = [file.size // 2]
    server.faults.status["real.zip"] = [503]
    stream.make_available(download=True)
    for domain, file in stream.archives.items():
        assert len([span for span in server.asked[file.path] if span]) == 1, domain  # one continuation
    home = tmp_path / "domainnet"
    assert sorted(path.name for path in home.iterdir()) == [
        "clipart", "infograph", "manifest-files.txt", "manifest.json", "painting", "quickdraw", "real", "sketch", "txt",
    ]  # fmt: skip
    assert sum(1 for _ in home.glob("*/*/*.*g")) == 6 * 345 * 2 - 2
    assert (home / "txt" / "real_train.txt").read_bytes() == (archives / "domainnet/txt/real_train.txt").read_bytes()
    painting = stream.load("painting", "train")
    assert len(painting) == 344 and 327 not in painting.labels and painting.load(0).size == (32, 32)
    assert stream.load("quickdraw", "test").path(0).suffix == ".png"
    asked = sum(map(len, server.asked.values()))
    stream.make_available(download=True)
    MiniatureDomainNet(DataOptions(tmp_path)).make_available(download=False)
    assert sum(map(len, server.asked.values())) == asked


def test_dn4il_takes_the_same_images(root, server):
    stream = MiniatureDN4IL(DataOptions(root))
    with pytest.raises(MissingData, match=r"^dn4il: missing 12 of 12 lists \(clipart_train.txt, ...\); looked in"):
        stream.make_available(download=False)
    server.asked.clear()
    stream.make_available(download=True)
    assert not [path for path in server.asked if path.endswith(".zip")]
    images = stream.load("real", "train")
    assert len(images) == 100 and images.path(99) == root / "domainnet" / images.ids[99]
    assert images.ids[99].split("/")[1] == "zebra" and images.load(99).size == (32, 32)
    assert (root / "dn4il" / "manifest.json").is_file()
    assert stream.identity() != MiniatureDomainNet(DataOptions(root)).identity()


def test_a_mirror_has_the_same_files_at_the_same_paths(tmp_path, archives, monkeypatch):
    with serve(archives) as mirror:
        use_miniature(monkeypatch, archives, "http://127.0.0.1:9/")  # the authors' server is gone
        stream = MiniatureDN4IL(DataOptions(tmp_path, mirror=mirror.url))
        stream.make_available(download=True)
        assert set(mirror.asked) == {
            *(file.path for file in stream.archives.values()), *(f"dn4il/{file.path}" for file in stream.lists.values())
        }  # fmt: skip


def test_a_mirror_with_other_files_is_refused(tmp_path, server):
    server.faults.replaced["real.zip"] = b"another archive of some size" * 20_000
    stream = MiniatureDomainNet(DataOptions(tmp_path, mirror=server.url))
    with pytest.raises(UsageError, match=r"real.zip: sha512 .* was removed; fetch it again"):
        stream.make_available(download=True)
    assert not (tmp_path / "domainnet" / "real.zip").exists()


def test_archives_put_there_by_hand_are_used(tmp_path, server, archives):
    for file in DomainNetStream.archives.values():
        (tmp_path / "domainnet").mkdir(exist_ok=True)
        shutil.copy(archives / file.path, tmp_path / "domainnet" / file.local)
    MiniatureDomainNet(DataOptions(tmp_path)).make_available(download=True)
    assert not [path for path in server.asked if path.endswith(".zip")]


def test_original_archives_stand_beside_the_cleaned_ones(root, server, archives, tmp_path):
    for domain in ("clipart", "painting"):
        shutil.copy(archives / "groundtruth" / f"{domain}.zip", archives / f"{domain}.zip")
    stream = MiniatureDomainNet(DataOptions(root, original=True))
    with pytest.raises(MissingData, match=r"missing the images of clipart, painting \(.*--original --download$"):
        stream.make_available(download=False)
    stream.make_available(download=True)
    assert server.asked["clipart.zip"] == [""] and not server.asked["groundtruth/clipart.zip"]
    assert stream.load("clipart", "test").path(0).is_relative_to(root / "domainnet" / "original" / "clipart")
    assert stream.load("real", "test").path(0).is_relative_to(root / "domainnet" / "real")
    assert stream.identity()["edition"] == "original" != MiniatureDomainNet(DataOptions(root)).identity()["edition"]


def test_deduplicate_without_its_list(root, server):
    stream = MiniatureDomainNet(DataOptions(root, deduplicate=True))
    with pytest.raises(MissingData, match=r"--deduplicate: there is no .*domainbed_duplicates.txt; put DomainBed's"):
        stream.make_available(download=False)
    (root / "domainnet" / "txt" / "domainbed_duplicates.txt").write_text("real/bee/real_027_000001.jpg\n")
    (root / "domainnet" / "real" / "bee" / "real_027_000001.jpg").unlink()  # DomainBed deletes the files themselves
    stream = MiniatureDomainNet(DataOptions(root, deduplicate=True))
    stream.make_available(download=False)
    assert stream.count("real", "train") == 344
    with pytest.raises(UsageError, match="is missing"):
        MiniatureDomainNet(DataOptions(root)).make_available(download=False)


def test_listed_files_that_are_not_there(root, server):
    file = root / "domainnet" / "real" / "bee" / "real_027_000001.jpg"
    file.unlink()
    (root / "domainnet" / "real" / "cow").rename(root / "elsewhere")
    stream = MiniatureDomainNet(DataOptions(root))
    with pytest.raises(UsageError) as caught:
        stream.make_available(download=True)
    path = root / "domainnet" / "txt" / "real_train.txt"
    assert str(caught.value).startswith(
        f"{path}: image 27, {file}, is missing (and 2 more); remove the domain's folder and run with --download"
    )
    skipping = MiniatureDomainNet(DataOptions(root, on_bad_image="skip"))
    skipping.make_available(download=False)
    with pytest.raises(UsageError, match="is missing"):  # the skipping run has not made it a finished data set
        stream.make_available(download=False)


def test_a_zero_byte_file_is_found_before_the_manifest_is_written(root, server):
    (root / "domainnet" / "manifest.json").unlink()
    (root / "domainnet" / "sketch" / "zebra" / "sketch_344_000002.jpg").write_bytes(b"")
    with pytest.raises(UsageError, match=r"sketch_test.txt: image 344, .*sketch_344_000002.jpg, has zero bytes;"):
        MiniatureDomainNet(DataOptions(root)).make_available(download=False)


def test_a_changed_list_is_refused(root, server):
    path = root / "domainnet" / "txt" / "infograph_test.txt"
    content = path.read_text().splitlines(keepends=True)
    path.write_text("".join(content[:-1]))
    with pytest.raises(UsageError, match=r"infograph_test.txt: 344 lines, expected 345; remove it and run again with"):
        MiniatureDomainNet(DataOptions(root)).make_available(download=False)
    path.write_text("".join(content[::-1]))
    with pytest.raises(UsageError, match=r"infograph_test.txt: sha512 .*, expected"):
        MiniatureDomainNet(DataOptions(root)).make_available(download=False)


def test_too_small_a_disk_is_said_before_the_first_byte(tmp_path, server, monkeypatch):
    from benchmark.data import disk_space

    stream = DomainNetStream(DataOptions(tmp_path))
    stream.archives_url = stream.lists_url = server.url
    monkeypatch.setattr(disk_space.shutil, "disk_usage", lambda path: type("usage", (), {"free": 20e9}))
    with pytest.raises(UsageError, match=r"23.1 GB needed, 20.0 GB free"):
        stream.make_available(download=True)
    assert not server.asked


def test_the_identity_follows_the_lists(root, server):
    stream = MiniatureDomainNet(DataOptions(root))
    before, images = stream.identity(), fingerprint([stream.load("real", "train")])
    assert dataclasses.replace(stream.data, root=root.parent) != stream.data
    moved = root.rename(root.parent / "moved")
    again = MiniatureDomainNet(DataOptions(moved))
    assert again.identity() == before and fingerprint([again.load("real", "train")]) == images
    path = moved / "domainnet" / "txt" / "real_train.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    assert MiniatureDomainNet(DataOptions(moved)).identity() != before
