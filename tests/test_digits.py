"""The embedded stream: the same images everywhere, each only once, every class in every set."""

from __future__ import annotations

import collections
import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from benchmark.streams.base import fingerprint
from benchmark.streams.digits import DigitsStream, sources, stream
from benchmark.streams.digits.alphabet import HELD_OUT_FACES, LETTERS, PRETRAIN_FACES, draws
from benchmark.streams.digits.glyphs import CANVAS, centre_lines, glyph_bank
from benchmark.streams.digits.render import Style, render

SPLITS = ("train", "test")
SETS = [(name, split) for name in DigitsStream.domains + DigitsStream.ood for split in SPLITS]
OOD_SIZES = {"letters": 518, "symbols": 504, "street_letters": 518}


def image_hashes(name: str, split: str) -> list[str]:
    images = DigitsStream().load(name, split)
    return [hashlib.sha256(images.load(index).tobytes()).hexdigest() for index in range(len(images))]


def digest(name: str, split: str) -> str:
    return hashlib.sha256("".join(image_hashes(name, split)).encode()).hexdigest()


@pytest.mark.parametrize(("name", "split"), SETS)
def test_counts_and_classes(name: str, split: str) -> None:
    images = DigitsStream().load(name, split)
    expected = OOD_SIZES.get(name, 1000 if split == "train" else 500)
    assert len(images) == expected
    assert images.labels.dtype == np.int64
    classes = len(DigitsStream().classes(name))
    assert np.bincount(images.labels, minlength=classes).tolist() == [expected // classes] * classes
    first = images.load(0)
    assert isinstance(first, Image.Image)
    assert (first.mode, first.size) == ("RGB", (32, 32))


def test_domains_share_ten_digits() -> None:
    names = {DigitsStream().classes(name) for name in DigitsStream.domains}
    assert names == {tuple(f"digit {d}" for d in range(10))}


def test_no_image_and_no_id_occurs_twice() -> None:
    seen = collections.Counter(key for name, split in SETS for key in image_hashes(name, split))
    assert [key for key, count in seen.items() if count > 1] == []
    ids = [key for name, split in SETS for key in DigitsStream().load(name, split).ids]
    assert len(ids) == len(set(ids))


def test_no_mnist_digit_is_in_two_sets() -> None:
    parts = list(stream.mnist_rows().values())
    rows = np.concatenate([sources.mnist().rows[part] for part in parts])
    assert len(parts) == 4
    assert len(np.unique(rows)) == len(rows) == 3000


def test_an_image_that_its_source_holds_twice_is_used_once() -> None:
    images = np.zeros((4, 2, 2), np.uint8)
    images[1] = images[3] = 7
    images[2] = 9
    kept = sources._unique(images, np.array([0, 1, 2, 1]))
    assert kept.rows.tolist() == [0, 1, 2]
    assert kept.labels.tolist() == [0, 1, 2]


def test_share_out_refuses_too_few() -> None:
    with pytest.raises(ValueError, match="class 0 has 3 images; 4 are needed"):
        sources.share_out(np.repeat(np.arange(10), 3), (3, 1), np.random.default_rng(0))


def test_photo_patches_of_the_splits_share_no_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    # A stand-in photograph whose pixels spell out their column: red the high byte, green the low one.
    columns = np.broadcast_to(np.arange(640), (427, 640))
    photograph = np.stack([columns // 256, columns % 256, columns * 0], axis=-1).astype(np.uint8)
    monkeypatch.setattr(sources, "_photographs", lambda: (photograph,))
    seen = []
    for first_band in (0, 1):
        patches = sources.photo_patches(400, first_band, np.random.default_rng(first_band)).astype(int)
        seen.append(set(np.unique(patches[..., 0] * 256 + patches[..., 1]).tolist()))
    assert not seen[0] & seen[1]
    assert min(len(columns_seen) for columns_seen in seen) > 300


@pytest.mark.parametrize("name", ["street", "mnist_m"])
def test_images_do_not_depend_on_global_state(name: str) -> None:
    before = digest(name, "test")
    np.random.seed(99)
    torch.manual_seed(99)
    stream._pixels.cache_clear()
    stream._held_out_bank.cache_clear()
    assert digest(name, "test") == before


def test_images_are_the_same_in_another_process() -> None:
    program = (
        "from tests.test_digits import digest\n"
        "import torch; torch.set_num_threads(1); torch.manual_seed(5)\n"
        "print(digest('typeset', 'test'), digest('optdigits', 'test'))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == [digest("typeset", "test"), digest("optdigits", "test")]


def test_a_second_load_is_the_same_arrays() -> None:
    first, second = (DigitsStream().load("optdigits", "test") for _ in range(2))
    assert first.labels is second.labels
    assert fingerprint([first]) == fingerprint([second])
    with pytest.raises(ValueError, match="read-only"):
        first.labels[0] = 3


def test_wrong_names_are_refused() -> None:
    with pytest.raises(ValueError, match="no domain 'svhn'; it has typeset, mnist"):
        DigitsStream().load("svhn", "train")
    with pytest.raises(ValueError, match="unknown split 'val'"):
        DigitsStream().load("mnist", "val")


def test_typefaces_are_held_out() -> None:
    assert not set(HELD_OUT_FACES) & set(PRETRAIN_FACES)
    assert (len(HELD_OUT_FACES), len(PRETRAIN_FACES)) == (5, 16)


def test_every_letter_belongs_to_one_class() -> None:
    assert len(LETTERS) == 37
    counts = collections.Counter("".join(cls.characters for cls in LETTERS))
    assert set(counts.values()) == {1}
    assert len(counts) == 52


def test_glyphs_fit_and_are_as_many_as_the_typefaces_draw() -> None:
    bank = glyph_bank(LETTERS, HELD_OUT_FACES, pens=False)
    assert bank.masks.shape == (5, 52 * 5, CANVAS, CANVAS)
    printed = bank.masks[0]
    assert printed.flatten(1).amax(1).min() > 200
    assert max(printed[:, edge].max() for edge in (0, -1)) == 0
    assert max(printed[:, :, edge].max() for edge in (0, -1)) == 0
    assert not draws("cmss10", "<")
    assert draws("cmss10", "(")


def test_centre_line_of_a_bar_is_one_pixel_wide() -> None:
    bar = np.zeros((1, 20, 20), bool)
    bar[0, 3:17, 7:12] = True
    line = centre_lines(bar)
    assert line[0].sum(axis=1).max() == 1
    assert line[0].sum() >= 9
    assert not (line & ~bar).any()


def test_render_is_a_function_of_the_generator() -> None:
    bank = glyph_bank(LETTERS[:3], HELD_OUT_FACES[:1])
    style = Style(variants=(0, 2), wobble=(0, 0.1), neighbour_share=0.5, clutter=(0, 0.2), noise=(0, 0.1))
    images = [render(bank, torch.arange(3), style, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert images[0].shape == (3, 3, 32, 32)
    assert images[0].dtype == torch.uint8
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])
