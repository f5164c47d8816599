"""Terra Incognita as DomainBed makes it: camera-trap images of some places, by animal.

Addresses, names in the archives and the rule of `sort_images` are those of DomainBed's download script; whether the
addresses still answer is not verified here.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from benchmark.data.download import RemoteFile, fetch
from benchmark.data.extract import extract
from benchmark.errors import UsageError

BASE = "https://lilablobssc.blob.core.windows.net/caltechcameratraps"
IMAGES, LABELS = "eccv_18_all_images_sm.tar.gz", "labels/caltech_camera_traps.json.zip"
CATEGORIES = ("bird", "bobcat", "cat", "coyote", "dog", "empty", "opossum", "rabbit", "raccoon", "squirrel")


def build(folder: Path, places: Collection[str], base_url: str = BASE) -> None:
    """Fetch images and annotations of all places and make `folder`, which must not exist yet; a kill is continued."""
    beside = folder.with_name(f".{folder.name}.raw")
    unpacked = {IMAGES: beside / "images", LABELS: beside / "labels"}
    fetch([RemoteFile(file) for file in unpacked if not unpacked[file].is_dir()], base_url, beside)
    for file, target in unpacked.items():
        if not target.is_dir():
            extract(beside / file.rsplit("/", 1)[-1], target)
    annotations = sorted(unpacked[LABELS].glob("**/*.json"))
    if len(annotations) != 1:
        raise UsageError(
            f"{beside}: {len(annotations)} JSON files of annotations, one expected; remove it, fetch again"
        )
    sorted_images = beside / "sorted"
    shutil.rmtree(sorted_images, ignore_errors=True)
    sort_images(annotations[0], unpacked[IMAGES], sorted_images, places)
    sorted_images.rename(folder)
    shutil.rmtree(beside)


def sort_images(annotations: Path, images: Path, folder: Path, places: Collection[str]) -> int:
    """Copy images to `folder`/location_PLACE/CATEGORY/; returns how many. A warning tells of absent ones.

    annotations: JSON in COCO's form, with the place of each image. An image of several `CATEGORIES` is in each, as in
    DomainBed; one of none is left out. UsageError where not one image is found.
    """
    data = json.loads(annotations.read_text())
    category = {entry["id"]: entry["name"] for entry in data["categories"]}
    of_image: dict[str, set[str]] = defaultdict(set)
    for entry in data["annotations"]:
        if category[entry["category_id"]] in CATEGORIES:
            of_image[entry["image_id"]].add(category[entry["category_id"]])
    where = {path.name: path for path in images.rglob("*") if path.is_file()}
    found, absent = 0, 0
    for entry in data["images"]:
        if str(entry["location"]) not in places:
            continue
        name = Path(entry["file_name"]).name
        for label in sorted(of_image.get(entry["id"], ())):
            if name not in where:
                absent += 1
                continue
            target = folder / f"location_{entry['location']}" / label / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(where[name], target)
            found += 1
    if not found:
        raise UsageError(f"{annotations}: none of its images of places {', '.join(places)} is in {images}")
    if absent:
        print(f"terra-incognita: {absent:,} annotated images are not in the archive", file=sys.stderr)
    return found
