"""What is published of DomainNet's and DN4IL's files: addresses, sizes, checksums, numbers of images."""

from __future__ import annotations

from benchmark.data.download import RemoteFile
from benchmark.streams.listed import ListFile

DOMAINNET_URL = "http://csr.bu.edu/ftp/visda/2019/multi-source/"
"""The authors' server (home page ai.bu.edu/M3SDA), known to be slow and at times gone."""
DOMAINNET_LISTS_URL = "domainnet/txt/"
"""Relative to `DOMAINNET_URL`."""

ARCHIVES = {
    "clipart": RemoteFile(
        "groundtruth/clipart.zip", size=1_300_000_000, sha512="3bcfb9ec1b4061e8d5b0b887d4ebd4a708732787fc563c6dfc2d"
    ),
    "infograph": RemoteFile(
        "infograph.zip", size=4_000_000_000, sha512="47841f0d1b8606e4b02d508b250484d54f5cf04ef6c4875c6c5a39c"
    ),
    "painting": RemoteFile(
        "groundtruth/painting.zip",
        size=3_700_000_000,
        sha512="4c98b02563075948668a298c488660fda1d1a7ed85fd69caa7985fba",
    ),
    "quickdraw": RemoteFile(
        "quickdraw.zip", size=439_000_000, sha512="127cce1dd57fc99992f8614de77d03ae8ed6af242973f7a013ec0a"
    ),
    "real": RemoteFile(
        "real.zip", size=5_600_000_000, sha512="751713d4592d1278b50bf69787988cfae280cabdac80ee34ec4016e"
    ),
    "sketch": RemoteFile(
        "sketch.zip", size=2_500_000_000, sha512="369b8b6d78ac61bfcc85f660d878ba5fc701524b82bbc2eb65ca9a"
    ),
}
"""The cleaned version, which the authors recommend: sizes as their page states them; beginnings of the sha512 as
recorded in kwcoco's DomainNet grabber."""

ORIGINALS = {
    "clipart": RemoteFile("clipart.zip"),
    "painting": RemoteFile("painting.zip"),
}
"""The uncleaned version of two domains: neither size nor checksum is published; the listed files must all be there."""

DOMAINNET_LISTS = {
    ("clipart", "train"): ListFile("clipart_train.txt", 33_525, "400985ce2a0878df2d8e54f1996c4fc253e577c1"),
    ("clipart", "test"): ListFile("clipart_test.txt", 14_604, "4d34a4a540d8b139499581875e2d18bbedd37c34"),
    ("infograph", "train"): ListFile("infograph_train.txt", 36_023, "d9ed4d86e2ea20b44315699964b6b7dc09442f05"),
    ("infograph", "test"): ListFile("infograph_test.txt", 15_582, "700f2b5deaad3923b0b8b85aeb694b73f24b1325"),
    ("painting", "train"): ListFile("painting_train.txt", 50_416, "87d8a59ed5a0a535186f14bd6ff3925f834af64e"),
    ("painting", "test"): ListFile("painting_test.txt", 21_850, "fbb7d2f3fb07f78ca412d033bc0f80e6cc437be8"),
    ("quickdraw", "train"): ListFile("quickdraw_train.txt", 120_750, "7410e8a1debd769e0412725a0fcc646d83055d29"),
    ("quickdraw", "test"): ListFile("quickdraw_test.txt", 51_750, "07a97e84d723f58dea67683ae5ddf013ebc5d33b"),
    ("real", "train"): ListFile("real_train.txt", 120_906, "a5a510fec614018546510d55c378bca008fcfd51"),
    ("real", "test"): ListFile("real_test.txt", 52_041, "9586235e335340f065de720f99332bc906aa0ab1"),
    ("sketch", "train"): ListFile("sketch_train.txt", 48_212, "ee92102f2b98f11765e6a97afbab15c60f2bac6e"),
    ("sketch", "test"): ListFile("sketch_test.txt", 20_916, "7384fc06670979911d7e1e9a34ba8a6cd20e9e77"),
}
"""586,575 images. Beginnings of the sha512: for the two longest lists as recorded in kwcoco's grabber, else of the
genuine files."""

DN4IL_LISTS_URL = "https://raw.githubusercontent.com/NeurAI-Lab/DN4IL-dataset/9227378338caf080eff2e5a87f2bca4bea12b98a/"
"""The lists lie at the top of the authors' repository (MIT licence). The address has not been tried here; the checksums
below tell whether it gives the lists of commit 2e1ff8f."""

DN4IL_LISTS = {
    ("clipart", "train"): ListFile("clipart_train.txt", 9_205, "c9d129a47881ccbe5c5acd6f1804263c1bb15901"),
    ("clipart", "test"): ListFile("clipart_test.txt", 3_016, "76e15857e5360254cf8625b4cdd393d55921547a"),
    ("infograph", "train"): ListFile("infograph_train.txt", 9_970, "8a63b4c47c9ac063a1fba9f19df3e5ce4b594eeb"),
    ("infograph", "test"): ListFile("infograph_test.txt", 2_930, "f55661bf14355ac79bad8b3d3c6dacbfb42ad2fa"),
    ("painting", "train"): ListFile("painting_train.txt", 11_495, "893bbd4a4eca9636d8e85db5d2b508288e8d2b70"),
    ("painting", "test"): ListFile("painting_test.txt", 3_276, "6166f3de7e0e8ac84d53e80740a8c53fe1b1d254"),
    ("quickdraw", "train"): ListFile("quickdraw_train.txt", 12_500, "525d29b5c9fd02923f00c68f482dd5ddfe5bf9b6"),
    ("quickdraw", "test"): ListFile("quickdraw_test.txt", 3_500, "9d14c4c146a25023c09f4bde00d29a04f170bbb3"),
    ("real", "train"): ListFile("real_train.txt", 12_494, "b02af7b267f70f4e9ddf784738f891ee5dff4a39"),
    ("real", "test"): ListFile("real_test.txt", 3_473, "4e2b16a799e94c8bdecaff9955f93f80f0c155a1"),
    ("sketch", "train"): ListFile("sketch_train.txt", 11_416, "daca8e26aa947cb0b44ff48ae8ddbf003d0f64b5"),
    ("sketch", "test"): ListFile("sketch_test.txt", 3_269, "6a95a34797f67105966a42df8f69eabce7d2a2de"),
}
"""86,544 images. Numbers from the paper's repository at commit 2e1ff8f; beginnings of the sha512 of the files there."""
