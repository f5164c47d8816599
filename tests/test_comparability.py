"""Published results: each with its source, compared with a row only where every point agrees."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import pytest

from benchmark.backbones.clip import OpenCLIP
from benchmark.backbones.timm_vit import TimmViT
from benchmark.metrics import METRICS
from benchmark.registry import BUILTIN
from benchmark.reporting import tables
from benchmark.reporting.comparability import LARGEST, facts, verdicts, verdicts_of
from benchmark.reporting.published import ANY, NOT_STATED, Published, published
from benchmark.reporting.report import Report
from benchmark.streams.base import Stream
from benchmark.streams.hold_out import HoldOut
from benchmark.streams.prompted import Prompted
from benchmark.streams.subset import Subset
from tests.synthetic import DOMAINS, synthetic

RQPSIC = ("real", "quickdraw", "painting", "sketch", "infograph", "clipart")
OFFICIAL = {"name": "domainnet", "version": 1, "lists": "0123456789abcdef", "edition": "cleaned"}
VIT = "vit_base_patch16_224.augreg_in21k"
PAPER = Published(
    id="paper-ewc",
    source="A paper, arXiv 0000.00000",
    address="https://arxiv.org/abs/0000.00000",
    table="Table 1",
    stream="domainnet",
    split="official lists",
    order=" > ".join(RQPSIC),
    averaging="macro",
    metric="acc",
    backbone="ViT-B/16",
    pretraining="ImageNet-21k",
    head="linear",
    scenario="domain-incremental",
    domain_given="no",
    exemplars="none",
    strategy="ewc",
    name_there="EWC",
    value=0.5,
    note="",
)


class Lists(Stream):
    """A stream with the identity of DomainNet, and no images."""

    name, domains = "domainnet", DOMAINS

    def classes(self, name):
        return ("a",)

    def load(self, name, split):
        raise AssertionError("no image is read")

    def identity(self):
        return OFFICIAL


def ours(strategy="ewc", order=RQPSIC, stream=OFFICIAL, backbone=None, seeds=(0,), **changes):
    """The rows of runs that agree with PAPER; `changes` replace fields of the results."""
    found = []
    for seed in seeds:
        result = synthetic(strategy, seed, order)
        identity = TimmViT(VIT).identity() if backbone is None else backbone
        found.append(replace(result, spec=replace(result.spec, stream=stream, backbone=identity), **changes))
    return Report.of(found).rows


def one(rows, paper=PAPER):
    found = verdicts_of(rows, [paper])
    assert len(found) == 1
    return found[0]


def test_agreement_in_every_point_is_comparable():
    rows = ours(seeds=(0, 1))
    verdict = one(rows)
    assert (verdict.verdict, verdict.differs, verdict.unknown) == ("comparable", (), ())
    mean = rows[0].summary("acc").mean
    assert (verdict.column, verdict.ours, verdict.same_strategy) == ("acc", mean, True)
    assert verdict.difference == pytest.approx(mean - 0.5)


@pytest.mark.parametrize(
    ("metric", "averaging", "column"),
    [
        ("acc", "micro", "acc_micro"),
        ("acc_avg_incremental", "macro", "acc_avg_incremental"),
        ("accuracy[sketch]", "macro", "accuracy[sketch]"),
    ],
)
def test_the_column_follows_metric_and_averaging(metric, averaging, column):
    rows = ours()
    verdict = one(rows, replace(PAPER, metric=metric, averaging=averaging))
    assert (verdict.verdict, verdict.column) == ("comparable", column)
    last = rows[0].entries[0].data.accuracy[-1]
    values = rows[0].entries[0].values
    assert verdict.ours == (last[3] if "sketch" in metric else values[column])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"order": DOMAINS}, f"order: {' > '.join(DOMAINS)} here, {' > '.join(RQPSIC)} there"),
        ({"stream": OFFICIAL | {"edition": "original"}},
         "split: official lists, uncleaned clipart and painting here, official lists there"),
        ({"stream": Subset(Lists(), per_class=8, test_per_class=4).identity()},
         "split: official lists, a part: per_class=8 seed=0 test_per_class=4 here, official lists there"),
        ({"stream": HoldOut(Lists(), ("sketch",)).identity()},
         "split: official lists, without sketch here, official lists there"),
        ({"stream": OFFICIAL | {"skipped": {"images": 2, "hash": "a"}}},
         "split: official lists, without 2 images that cannot be read here, official lists there"),
        ({"backbone": TimmViT("vit_small_patch16_224.augreg_in21k").identity()},
         "backbone: ViT-S/16 here, ViT-B/16 there"),
        ({"backbone": TimmViT(VIT, image_size=96).identity()}, "backbone: ViT-B/16 at 96 px here, ViT-B/16 there"),
        ({"backbone": TimmViT("vit_base_patch16_224.dino").identity()}, "pretraining: DINO here, ImageNet-21k there"),
        ({"backbone": TimmViT("vit_base_patch16_224.augreg_in21k_ft_in1k").identity()},
         "pretraining: ImageNet-21k, then ImageNet-1k here, ImageNet-21k there"),
        ({"traits": {"needs_task_id": False, "per_task_head": True, "offline": False}},
         "head: linear, one for each task here, linear there"),
    ],
)  # fmt: skip
def test_one_different_point_is_named_and_hinders(changes, words):
    verdict = one(ours(**changes))
    assert (verdict.verdict, verdict.differs, verdict.unknown) == ("not comparable", (words,), ())


@pytest.mark.parametrize(
    ("point", "there", "here"),
    [
        ("head", "text", "linear"),
        ("scenario", "class-incremental", "domain-incremental"),
        ("domain_given", "yes", "no"),
        ("exemplars", "5 a class", "none"),
    ],
)
def test_one_different_point_of_the_paper(point, there, here):
    verdict = one(ours(), replace(PAPER, **{point: there}))
    assert verdict.verdict == "not comparable"
    assert verdict.differs == (f"{point.replace('_', ' ')}: {here} here, {there} there",)


@pytest.mark.parametrize("point", ["split", "order", "backbone", "pretraining", "head", "domain_given", "exemplars"])
def test_what_a_paper_does_not_state_leaves_the_matter_open(point):
    verdict = one(ours(), replace(PAPER, **{point: NOT_STATED}))
    assert (verdict.verdict, verdict.differs, len(verdict.unknown)) == ("cannot tell", (), 1)
    assert verdict.unknown[0].startswith(f"{point.replace('_', ' ')}: ")
    assert verdict.unknown[0].endswith("here, not stated there")


def test_unstated_averaging_and_unknown_metrics():
    assert one(ours(), replace(PAPER, averaging=NOT_STATED)).verdict == "cannot tell"
    verdict = one(ours(), replace(PAPER, metric="A-bar"))
    assert (verdict.verdict, verdict.column, verdict.ours) == ("not comparable", "", None)
    assert verdict.differs == ("metric: A-bar, macro, is not measured here",)
    assert one(ours(), replace(PAPER, metric="accuracy[cifar100]")).ours is None


def test_what_we_do_not_know_of_our_own_row_leaves_the_matter_open(tmp_path):
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"x")
    weights = one(ours(backbone=TimmViT(f"{VIT}@{file}").identity()))
    assert (weights.verdict, weights.unknown) == (
        "cannot tell",
        ("pretraining: not stated here, ImageNet-21k there",),
    )
    plugged_in = one(ours("replay"))
    assert plugged_in.unknown == ("exemplars: not stated here, none there",)
    assert not plugged_in.same_strategy


def test_clip_rows_are_told_by_weights_and_templates():
    zero_shot = next(result for result in published() if result.id == "promptstyler-zero-shot-real")
    openai = OpenCLIP("ViT-B-16/openai").identity()
    row = ours("zero-shot", backbone=openai)[0]
    assert facts(row) == {
        "split": "official lists",
        "order": " > ".join(RQPSIC),
        "backbone": "ViT-B/16",
        "pretraining": "CLIP openai",
        "head": "text",
        "scenario": "no training",
        "domain_given": "no",
        "exemplars": "none",
    }
    verdict = one([row], zero_shot)
    assert verdict.verdict == "cannot tell" and verdict.differs == ()
    assert verdict.unknown == (
        "split: official lists here, not stated there",
        "pretraining: CLIP openai here, CLIP there",
    )
    assert verdict.ours == row.entries[0].data.accuracy[-1][0]
    templates = one(ours("zero-shot", stream=Prompted(Lists(), "openai-80").identity(), backbone=openai), zero_shot)
    assert templates.differs == ("head: text, templates openai-80 here, text there",)
    other = one(ours("zero-shot", backbone=OpenCLIP("ViT-B-32/openai").identity()), zero_shot)
    assert other.differs == ("backbone: ViT-B/32 here, ViT-B/16 there",)


def test_several_orders_and_upper_bounds_are_not_comparable():
    both = Report.of([row.entries[0].result for order in (DOMAINS, RQPSIC) for row in ours(order=order)]).rows
    assert one(both).differs == (f"order: 2 orders here, {' > '.join(RQPSIC)} there",)
    assert one(ours("joint")).differs == ("scenario: joint training here, domain-incremental there",)


def test_the_given_track_is_compared_apart_from_the_routed_one():
    found = {verdict.row.track: verdict for verdict in verdicts_of(ours("selora"), [PAPER])}
    assert found["routed"].verdict == "comparable"
    assert found["given"].differs == ("domain given: yes here, no there",)


def test_the_same_method_comes_first_and_other_streams_not_at_all():
    report = Report.of([synthetic("lwf")])
    found = verdicts(report)
    assert len(found) == sum(result.stream == "domainnet" for result in published())
    flags = [verdict.same_strategy for verdict in found]
    assert flags == sorted(flags, reverse=True) and any(flags)
    assert {verdict.published.name_there for verdict in found if verdict.same_strategy} == {"LwF"}
    assert verdicts(Report.of([synthetic("lwf", stream="digits")])) == []


def test_of_very_many_rows_only_the_same_method_is_listed():
    rows = Report.of([synthetic("lwf", lr=0.1 + i) for i in range(LARGEST + 1)]).rows
    assert {verdict.published.strategy for verdict in verdicts_of(rows)} == {"lwf"}


def test_tables_show_the_verdicts(monkeypatch):
    monkeypatch.setattr("benchmark.reporting.comparability.published", lambda: (PAPER,))
    rows = ours()
    assert tables.leaderboard_of(rows)["comparable"].tolist() == ["paper-ewc"]
    assert tables.leaderboard_of(ours(order=DOMAINS))["comparable"].tolist() == [""]
    line = tables.comparability_of(rows).iloc[0]
    assert (line["published"], line["same_strategy"], line["verdict"]) == ("paper-ewc", "yes", "comparable")
    assert (line["theirs"], line["differs"], line["unknown"]) == (0.5, "", "")
    assert line["difference"] == pytest.approx(rows[0].summary("acc").mean - 0.5, abs=1e-6)


def test_every_published_result_has_a_source_and_known_words():
    results = published()
    assert len({result.id for result in results}) == len(results) >= 30
    for result in results:
        assert re.search(r"arXiv \d{4}\.\d{5}$", result.source), result.id
        assert result.address.startswith("https://"), result.id
        assert 0 < result.value < 1, result.id
        empty = {field.name for field in fields(result) if getattr(result, field.name) == ""}
        assert empty <= {"strategy", "note"}, result.id
        assert result.strategy in ("", *BUILTIN["strategies"]), result.id
        assert result.metric in METRICS or result.metric.startswith("accuracy["), result.id
        assert result.averaging in ("macro", "micro", NOT_STATED), result.id
        assert result.domain_given in ("yes", "no", NOT_STATED), result.id
        if result.stream == "domainnet" and result.order != ANY:
            assert sorted(result.order.split(" > ")) == sorted(DOMAINS), result.id


def test_published_averages_follow_from_their_parts():
    # PromptStyler's six domains: (71.0 + 47.7 + 66.2 + 14.0 + 83.7 + 63.5) / 6 = 57.68
    values = {result.metric: result.value for result in published() if result.id.startswith("promptstyler")}
    parts = [value for metric, value in values.items() if metric != "acc"]
    assert len(parts) == 6
    assert sum(parts) / 6 == pytest.approx(values["acc"], abs=5e-4)
