"""Every kind of broken data: how `check_data` reports it, and what the rule for bad images makes of it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from benchmark.data.check import check_data, read_record, record_path
from benchmark.data.options import DataOptions
from benchmark.errors import BadImage, UsageError
from benchmark.streams.base import Stream
from benchmark.streams.files import image_set, read_image
from benchmark.streams.folder import FolderStream
from benchmark.streams.skip_bad import SkipBad, apply_rule
from tests.conftest import TinyStream
from tests.miniature import MiniatureDomainNet, build_miniature, serve, use_miniature


class Zoo(Stream):
    """Two domains of files that a test lists: (domain, split) -> [(file, label)]."""

    name = "zoo"
    domains = ("ink", "photo")

    def __init__(self, root, files):
        self.root, self.files = root, files

    def classes(self, name):
        return ("ant", "bee", "cow")

    def load(self, name, split):
        files, labels = zip(*self.files[name, split], strict=True)
        return image_set(name, split, np.array(labels), files, self.root)

    def identity(self):
        return {**super().identity(), "files": {"/".join(key): value for key, value in self.files.items()}}


@pytest.fixture
def zoo(tmp_path):
    """Three training and two test images a domain, all good; ink has no cow."""
    rng = np.random.default_rng(0)
    files = {}
    for domain in Zoo.domains:
        for split, count in (("train", 3), ("test", 2)):
            files[domain, split] = []
            for number in range(count):
                suffix = "png" if number == 1 else "jpg"
                name = f"{domain}/{split}{number}.{suffix}"
                (tmp_path / "zoo" / domain).mkdir(parents=True, exist_ok=True)
                pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "zoo" / name)
                files[domain, split].append((name, number % 2 if domain == "ink" else number))
    return Zoo(tmp_path / "zoo", files)


@pytest.fixture
def options(tmp_path):
    return DataOptions(tmp_path / "data")


def skipping(options):
    return DataOptions(options.root, on_bad_image="skip")


def cut(path, share=0.5):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def found(report):
    return [(f"{f.set}/{f.split}", f.id, f.problem) for f in report.errors]


def test_good_data_pass_and_absent_classes_are_only_mentioned(zoo, options):
    report = check_data(zoo, options, workers=2)
    assert report.passed and report.errors == report.warnings == ()
    assert [(part.set, part.split, part.images, part.absent) for part in report.sets] == [
        ("ink", "train", 3, ("cow",)), ("ink", "test", 2, ("cow",)), ("photo", "train", 3, ()),
        ("photo", "test", 2, ("cow",)),
    ]  # fmt: skip
    assert str(report).splitlines()[:3] == [
        "zoo: 10 images",
        "set    split     images    bad  twice  classes without images",
        "ink    train          3      0      0  1 of 3 (cow)",
    ]


BREAK = {
    "zero bytes": lambda path: path.write_bytes(b""),
    "missing": lambda path: path.unlink(),
    "not an image": lambda path: path.write_text("<html>404</html>"),
    "damaged (image file is truncated": cut,
}


@pytest.mark.parametrize("problem", BREAK)
def test_each_broken_file_is_reported(zoo, options, problem):
    BREAK[problem](zoo.root / "ink/train0.jpg")
    report = check_data(zoo, options)
    assert not report.passed
    ((where, file, said),) = found(report)
    assert (where, file) == ("ink/train", "ink/train0.jpg") and said.startswith(problem)
    assert f"errors: 1\n  ink/train ink/train0.jpg: {problem}" in str(report)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_png_is_reported_wherever_it_is_cut(zoo, options, share):
    cut(zoo.root / "photo/test1.png", share)
    ((where, file, said),) = found(check_data(zoo, options))
    assert (where, file) == ("photo/test", "photo/test1.png") and said.startswith("damaged (")


def test_a_data_root_that_cannot_be_written_loses_the_record_only(zoo, tmp_path):
    (tmp_path / "data").write_text("a file where the folder would be")
    (zoo.root / "ink/train0.jpg").unlink()
    report = check_data(zoo, DataOptions(tmp_path / "data"))
    assert len(report.errors) == 1 and report.path is None
    assert str(report).endswith(f"not recorded: {tmp_path / 'data'} cannot be written")


@pytest.mark.parametrize("label", [3, -1])
def test_a_label_outside_the_classes(zoo, options, label):
    zoo.files["photo", "test"][0] = ("photo/test0.jpg", label)
    assert found(check_data(zoo, options)) == [
        ("photo/test", "photo/test0.jpg", f"class index {label}, expected 0 to 2")
    ]


def test_images_that_are_there_twice_are_warnings(zoo, options):
    shutil.copy(zoo.root / "ink/train0.jpg", zoo.root / "ink/test0.jpg")  # another name, another split
    zoo.files["ink", "test"].append(("ink/train2.jpg", 0))  # the same file in both splits
    zoo.files["ink", "train"].append(("ink/train1.png", 1))  # the same file twice in one
    shutil.copy(zoo.root / "ink/train0.jpg", zoo.root / "photo/train0.jpg")  # another domain: no matter
    report = check_data(zoo, options)
    assert report.passed
    assert [(f"{f.set}/{f.split}", f.id, f.problem) for f in report.warnings] == [
        ("ink/train", "ink/train1.png", "listed also in train"),
        ("ink/test", "ink/test0.jpg", "same content as train ink/train0.jpg"),
        ("ink/test", "ink/train2.jpg", "listed also in train"),
    ]
    assert "ink    test           3      0      2" in str(report)


def test_a_set_whose_list_cannot_be_read_is_reported_and_never_skipped(zoo, options):
    del zoo.files["photo", "test"]
    load = zoo.load

    def broken(name, split):
        if (name, split) == ("photo", "test"):
            raise UsageError("photo_test.txt, line 7: 'x': expected a line like ...")
        return load(name, split)

    zoo.load = broken
    report = check_data(zoo, options)
    assert found(report) == [("photo/test", "*", "photo_test.txt, line 7: 'x': expected a line like ...")]
    assert len(report.sets) == 3
    with pytest.raises(UsageError, match=r"photo/test cannot be skipped as a whole: photo_test.txt, line 7"):
        apply_rule(zoo, skipping(options))
    zoo.load = load  # mended: what was never looked at has no record
    zoo.files["photo", "test"] = [("photo/test0.jpg", 0)]
    assert read_record(zoo, options) is None


def test_many_errors_are_counted_and_the_first_named(zoo, options):
    zoo.files["ink", "train"] = [(f"ink/gone{number:02}.jpg", 0) for number in range(25)]
    text = str(check_data(zoo, options))
    assert "errors: 25" in text and "ink/gone19.jpg: missing\n  ... and 5 more" in text and "gone20" not in text


def test_order_and_results_do_not_depend_on_the_workers(zoo, options):
    zoo.files["ink", "train"] = [(f"ink/gone{number:03}.jpg", 0) for number in range(700)]
    one, many = (check_data(zoo, options, workers=workers) for workers in (1, 8))
    assert one == many and [f.id for f in one.errors] == [file for file, _ in zoo.files["ink", "train"]]


def test_images_that_are_made_are_checked_too(options):
    report = check_data(TinyStream(), options)
    assert report.passed and not report.warnings
    assert [part.set for part in report.sets][::2] == ["north.west", "north_east", "south", "unseen"]


def test_without_a_record_the_rule_fail_looks_at_nothing(zoo, options):
    (zoo.root / "ink/train0.jpg").unlink()
    assert apply_rule(zoo, options) is zoo
    assert not options.root.exists()


def test_the_rule_fail_refuses_what_was_found_bad(zoo, options):
    for number in range(3):
        name = zoo.files["ink", "train"][number][0]
        (zoo.root / name).write_bytes(b"")
    (zoo.root / "photo/train0.jpg").unlink()
    check_data(zoo, options)
    with pytest.raises(UsageError) as caught:
        apply_rule(zoo, options)
    assert str(caught.value) == (
        "zoo: 4 images cannot be used: ink/train0.jpg (zero bytes), ink/train1.png (zero bytes), ink/train2.jpg (zero "
        "bytes), ...; mend them (`python run_suite.py check-data --stream ...` looks again) or leave them out with "
        "--on-bad-image skip"
    )


def test_the_rule_skip_leaves_out_exactly_the_bad_ones_and_says_so(zoo, options):
    (zoo.root / "ink/train1.png").write_bytes(b"")
    zoo.files["photo", "test"][1] = ("photo/test1.png", 9)
    listed = zoo.identity()
    stream = apply_rule(zoo, skipping(options))  # checks, as there is no record
    assert isinstance(stream, SkipBad) and record_path(zoo, options).is_file()
    images = stream.load("ink", "train")
    assert images.ids == ("ink/train0.jpg", "ink/train2.jpg") and images.labels.tolist() == [0, 0]
    assert images.path(1) == zoo.root / "ink/train2.jpg" and images.load(1) == read_image(images.path(1))
    assert stream.load("photo", "test").ids == ("photo/test0.jpg",)
    assert stream.load("photo", "train").ids == zoo.load("photo", "train").ids
    assert [stream.count("ink", "train"), stream.count("photo", "test"), stream.count("photo", "train")] == [2, 1, 3]
    identity = stream.identity()
    assert identity["skipped"]["images"] == 2
    assert {key: value for key, value in identity.items() if key != "skipped"} == listed
    (zoo.root / "ink/train2.jpg").write_bytes(b"")
    check_data(zoo, options)
    assert apply_rule(zoo, skipping(options)).identity()["skipped"] != identity["skipped"]


def test_good_data_are_not_changed_by_the_rule_skip(zoo, options):
    assert apply_rule(zoo, skipping(options)) is zoo


def test_a_mended_file_is_noticed(zoo, options):
    content = (zoo.root / "ink/train0.jpg").read_bytes()
    (zoo.root / "ink/train0.jpg").write_bytes(b"")
    check_data(zoo, options)
    (zoo.root / "ink/train0.jpg").write_bytes(content)
    assert apply_rule(zoo, options) is zoo and apply_rule(zoo, skipping(options)) is zoo


def test_a_record_of_other_data_is_not_used(zoo, options):
    (zoo.root / "ink/train0.jpg").write_bytes(b"")
    path = check_data(zoo, options).path
    other = Zoo(zoo.root, {**zoo.files, ("ink", "test"): [("ink/test0.jpg", 1)]})
    assert read_record(other, options) is None and record_path(other, options) != path
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "identity": {"name": "zoo"}}))
    assert read_record(zoo, options) is None
    path.write_text("{")
    assert read_record(zoo, options) is None


def test_a_folder_stream_is_checked_and_skipped(tmp_path, options):
    rng = np.random.default_rng(1)
    for number in range(10):
        (tmp_path / "mine" / "photo" / "dog").mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "mine" / "photo" / "dog" / f"{number}.png")
    (tmp_path / "mine" / "photo" / "dog" / "3.png").write_text("no image")
    stream = FolderStream(str(tmp_path / "mine"))
    assert [f.problem for f in check_data(stream, options).errors] == ["not an image"]
    kept = apply_rule(stream, skipping(options))
    assert sum(len(kept.load("photo", split)) for split in ("train", "test")) == 9


def test_a_run_that_meets_a_bad_image_names_it(tmp_path):
    path = tmp_path / "broken.jpg"
    path.write_text("no image")
    with pytest.raises(BadImage) as caught:
        read_image(path)
    assert str(path) in str(caught.value) and "`python run_suite.py check-data --stream NAME`" in str(caught.value)
    with pytest.raises(BadImage, match="FileNotFoundError"):
        read_image(tmp_path / "gone.jpg")


def test_a_miniature_domainnet_with_every_kind_of_damage(tmp_path, monkeypatch):
    """From the archives to a stream that a run can use, through the official form of lists and folders."""
    archives = build_miniature(tmp_path / "served")
    options = DataOptions(tmp_path / "root", on_bad_image="skip")
    with serve(archives) as server:
        use_miniature(monkeypatch, archives, server.url)
        MiniatureDomainNet(options).make_available(download=True)
    home = options.root / "domainnet"
    (home / "real/bee/real_027_000001.jpg").unlink()
    (home / "clipart/ant/clipart_007_000002.jpg").write_bytes(b"")
    cut(home / "quickdraw/cow/quickdraw_082_000001.png", 0.8)
    shutil.copy(home / "sketch/cow/sketch_082_000001.jpg", home / "sketch/cow/sketch_082_000002.jpg")
    stream = MiniatureDomainNet(options)
    stream.make_available(download=False)
    report = check_data(stream, options)
    assert [(f.set, f.split, f.id, f.problem.split(" (")[0]) for f in report.errors] == [
        ("clipart", "test", "clipart/ant/clipart_007_000002.jpg", "zero bytes"),
        ("quickdraw", "train", "quickdraw/cow/quickdraw_082_000001.png", "damaged"),
        ("real", "train", "real/bee/real_027_000001.jpg", "missing"),
    ]
    assert [f.id for f in report.warnings] == ["sketch/cow/sketch_082_000002.jpg"]
    absent = {(part.set, part.split): part.absent for part in report.sets if part.absent}
    assert absent == {("painting", "train"): ("t-shirt",), ("painting", "test"): ("syringe",)}
    usable = apply_rule(stream, options)
    assert usable.identity()["skipped"]["images"] == 3 and len(usable.load("real", "train")) == 344
    with pytest.raises(
        UsageError, match=r"clipart_test.txt: image 7, .*clipart_007_000002.jpg, has zero bytes \(and 1 more\);"
    ):
        MiniatureDomainNet(DataOptions(options.root)).make_available(download=False)
