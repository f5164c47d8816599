"""Small data sets in exactly the form in which torchvision keeps each on disk: 2 classes, or all where names are fixed.

Each function fills ``root`` and returns {split: [class name as the source must give it, ...]} of the images made.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat


def picture(path: Path, shade: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 10), (shade, 50, 50)).save(path)


def text(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def aircraft(root: Path) -> dict:
    data = root / "fgvc-aircraft-2013b" / "data"
    text(data / "variants.txt", ["707-320", "A300B4"])
    text(data / "images_variant_trainval.txt", ["0001 707-320", "0002 A300B4", "0003 A300B4"])
    text(data / "images_variant_test.txt", ["0004 A300B4", "0000 707-320"])
    for number in range(5):
        picture(data / "images" / f"{number:04d}.jpg")
    return {"train": ["707-320", "A300B4", "A300B4"], "test": ["707-320", "A300B4"]}


def caltech101(root: Path) -> dict:
    folder = root / "caltech101" / "101_ObjectCategories"
    for name in ("Faces", "grand_piano", "BACKGROUND_Google"):
        for number in range(1, 11):
            picture(folder / name / f"image_{number:04d}.jpg")
    return {
        "train": ["off-center face"] * 8 + ["grand piano"] * 8,
        "test": ["off-center face"] * 2 + ["grand piano"] * 2,
    }


def cars(root: Path) -> dict:
    base = root / "stanford_cars"
    names = np.array(["AM General Hummer SUV 2000", "Acura RL Sedan 2012"], dtype=object)
    kind = [("fname", "O"), ("class", "O")]
    (base / "devkit").mkdir(parents=True)
    savemat(base / "devkit" / "cars_meta.mat", {"class_names": names})
    train, test = [("00001.jpg", 2), ("00002.jpg", 1)], [("00001.jpg", 1), ("00002.jpg", 2), ("00003.jpg", 2)]
    savemat(base / "devkit" / "cars_train_annos.mat", {"annotations": np.array(train, dtype=kind)})
    savemat(base / "cars_test_annos_withlabels.mat", {"annotations": np.array(test, dtype=kind)})
    for folder, images in (("cars_train", train), ("cars_test", test)):
        for name, _ in images:
            picture(base / folder / name)
    return {"train": [names[1], names[0]], "test": [names[0], names[1], names[1]]}


def cifar(root: Path, folder: str, batches: list[str], test: str, meta: str, key: str, names_key: str) -> None:
    base = root / folder
    base.mkdir(parents=True)
    for number, batch in enumerate([*batches, test]):
        pixels = np.arange(2 * 3072, dtype=np.int64).reshape(2, 3072) % 251
        pickled = {"data": (pixels + number).astype(np.uint8), key: [1, 0]}
        (base / batch).write_bytes(pickle.dumps(pickled))
    (base / meta).write_bytes(pickle.dumps({names_key: ["aquarium_fish", "baby"]}))


def cifar10(root: Path) -> dict:
    batches = [f"data_batch_{n}" for n in range(1, 6)]
    cifar(root, "cifar-10-batches-py", batches, "test_batch", "batches.meta", "labels", "label_names")
    return {"train": ["baby", "aquarium fish"] * 5, "test": ["baby", "aquarium fish"]}


def cifar100(root: Path) -> dict:
    cifar(root, "cifar-100-python", ["train"], "test", "meta", "fine_labels", "fine_label_names")
    return {"train": ["baby", "aquarium fish"], "test": ["baby", "aquarium fish"]}


def dtd(root: Path) -> dict:
    base = root / "dtd" / "dtd"
    for split in ("train", "val", "test"):
        text(base / "labels" / f"{split}1.txt", [f"banded/banded_{split}.jpg", f"dotted/dotted_{split}.jpg"])
        for name in ("banded", "dotted"):
            picture(base / "images" / name / f"{name}_{split}.jpg")
    return {"train": ["banded", "banded", "dotted", "dotted"], "test": ["banded", "dotted"]}


def eurosat(root: Path) -> dict:
    for name in ("AnnualCrop", "SeaLake"):
        for number in range(5):
            picture(root / "eurosat" / "2750" / name / f"{name}_{number}.jpg")
    return {"train": ["annual crop land"] * 4 + ["lake or sea"] * 4, "test": ["annual crop land", "lake or sea"]}


def flowers(root: Path) -> dict:
    base = root / "flowers-102"
    for number in range(1, 7):
        picture(base / "jpg" / f"image_{number:05d}.jpg")
    savemat(base / "imagelabels.mat", {"labels": np.array([[1, 60, 102, 1, 60, 1]])})
    savemat(base / "setid.mat", {"trnid": np.array([[2, 1]]), "valid": np.array([[3, 4]]), "tstid": np.array([[6, 5]])})
    names = ["pink primrose", "pink-yellow dahlia", "blackberry lily", "pink primrose"]
    return {"train": names, "test": ["pink-yellow dahlia", "pink primrose"]}


def food101(root: Path) -> dict:
    base = root / "food-101"
    lists = {
        "train": {"apple_pie": ["apple_pie/1", "apple_pie/2"], "waffles": ["waffles/3"]},
        "test": {"waffles": ["waffles/4"], "apple_pie": ["apple_pie/5"]},
    }
    for split, content in lists.items():
        text(base / "meta" / f"{split}.json", [json.dumps(content)])
        for name in (file for files in content.values() for file in files):
            picture(base / "images" / f"{name}.jpg")
    return {"train": ["apple pie", "apple pie", "waffles"], "test": ["apple pie", "waffles"]}


def mnist(root: Path) -> dict:
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, labels in (("train", [7, 0, 3]), ("t10k", [9, 1])):
        pixels = np.full((len(labels), 28, 28), 40, dtype=np.uint8)
        head = struct.pack(">IIII", 2051, len(labels), 28, 28)
        (raw / f"{name}-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, len(labels)) + bytes(labels))
    return {"train": ["7", "0", "3"], "test": ["9", "1"]}


def pets(root: Path) -> dict:
    base = root / "oxford-iiit-pet"
    lists = {
        "trainval": ["Abyssinian_100 1 1 1", "american_bulldog_5 2 2 1"],
        "test": ["american_bulldog_6 2 2 1", "Abyssinian_2 1 1 1"],
    }
    for split, lines in lists.items():
        text(base / "annotations" / f"{split}.txt", lines)
        for line in lines:
            picture(base / "images" / f"{line.split()[0]}.jpg")
    return {"train": ["Abyssinian", "American Bulldog"], "test": ["Abyssinian", "American Bulldog"]}


def stl10(root: Path) -> dict:
    base = root / "stl10_binary"
    text(base / "class_names.txt", ["airplane", "bird"])
    for split, labels in (("train", [2, 1]), ("test", [1, 2, 2])):
        pixels = np.zeros((len(labels), 3, 96, 96), dtype=np.uint8)
        pixels[:, :, 5, 80] = 200  # column 5, row 80: the file is stored column by column
        (base / f"{split}_X.bin").write_bytes(pixels.tobytes())
        (base / f"{split}_y.bin").write_bytes(bytes(labels))
    (base / "unlabeled_X.bin").write_bytes(bytes(3 * 96 * 96))
    return {"train": ["bird", "airplane"], "test": ["airplane", "bird", "bird"]}


def sun397(root: Path) -> dict:
    base = root / "SUN397"
    text(base / "ClassName.txt", ["/a/abbey", "/a/apartment_building/outdoor"])
    for folder in ("a/abbey", "a/apartment_building/outdoor"):
        for number in range(5):
            picture(base / folder / f"sun_{number}.jpg")
    names = ["abbey", "outdoor apartment building"]
    return {"train": [name for name in names for _ in range(4)], "test": names}


MAKERS = {
    "aircraft": aircraft, "caltech101": caltech101, "cars": cars, "cifar10": cifar10, "cifar100": cifar100, "dtd": dtd,
    "eurosat": eurosat, "flowers": flowers, "food101": food101, "mnist": mnist, "pets": pets, "stl10": stl10,
    "sun397": sun397,
}  # fmt: skip


def make(name: str, data_root: Path, monkeypatch) -> dict:
    """Build data set `name` below `data_root`; of what torchvision checks by md5 only the table of sums is replaced."""
    found = MAKERS[name](data_root / name)
    accept_sums(name, data_root / name, monkeypatch)
    return found


def accept_sums(name: str, root: Path, monkeypatch) -> None:
    from torchvision import datasets

    if name in ("cifar10", "cifar100"):
        cls = datasets.CIFAR10 if name == "cifar10" else datasets.CIFAR100
        base = root / cls.base_folder
    elif name == "stl10":
        cls, base = datasets.STL10, root / "stl10_binary"
    elif name == "flowers":
        base = root / "flowers-102"
        sums = {key: (file, _md5(base / file)) for key, (file, _) in datasets.Flowers102._file_dict.items()}
        monkeypatch.setattr(datasets.Flowers102, "_file_dict", sums)
        return
    else:
        return
    for table in ("train_list", "test_list"):
        monkeypatch.setattr(cls, table, [[file, _md5(base / file)] for file, _ in getattr(cls, table)])
    if hasattr(cls, "meta"):
        monkeypatch.setattr(cls, "meta", {**cls.meta, "md5": _md5(base / cls.meta["filename"])})


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a server of `folder` on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments) -> None:
        pass


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest() if path.is_file() else ""
