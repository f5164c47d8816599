"""What follows from single answers, worked by hand: classes, confusion, calibration, changes, agreement."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from benchmark.agreement import agreement
from benchmark.result import GIVEN
from benchmark.samples import BINS, CELLS, forgotten, summarize
from benchmark.store import Store
from tests.synthetic import predictions_of, store_of, synthetic

LABELS = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]


def arrays(stages, name="a", track="agnostic", labels=LABELS):
    """predictions.npz of one set: stage -> (class of each image, or of each model and image; confidences)."""
    found = {
        f"labels/{name}": np.array(labels, np.int16),
        f"ids/{name}": np.array([f"{index}.png" for index in range(len(labels))]),
    }
    for stage, (classes, confidence) in stages.items():
        classes = np.atleast_2d(np.array(classes, np.int16))
        found[f"{track}/{stage}/{name}/class"] = classes
        found[f"{track}/{stage}/{name}/confidence"] = np.broadcast_to(confidence, classes.shape).astype(np.float16)
    return found


BEFORE = [0, 0, 0, 1, 1, 1, 0, 0, 2, 2]  # wrong: images 3, 6, 7
MIDDLE = [0, 0, 1, 0, 1, 1, 1, 0, 2, 0]  # wrong: 2, 7, 9
AFTER = [0, 0, 1, 1, 1, 2, 1, 0, 0, 0]  # wrong: 2, 3, 5, 7, 8, 9
STAGES = {0: (BEFORE, 0.5), 1: (MIDDLE, 0.5), 2: (AFTER, 0.5)}


def only(predictions, stages=(0, 1, 2), classes=None):
    summary = summarize(predictions, {"agnostic": list(stages)}, ["a"], [], classes)
    assert summary["tracks"]["agnostic"]["stages"] == list(stages)
    return summary["tracks"]["agnostic"]["sets"]["a"]


def test_classes_confusion_and_changes_by_hand():
    found = only(arrays(STAGES))
    assert found["n"] == 10
    assert found["per_class_before"] == [[3, 4], [2, 4], [2, 2]]
    assert found["per_class"] == [[2, 4], [2, 4], [0, 2]]
    # equal counts in the order of the classes
    assert found["confusion"] == [[0, 1, 2], [2, 0, 2], [1, 0, 1], [1, 2, 1]]
    # 0 to 1: lost 2, 9; gained 3, 6. 1 to 2: lost 3, 5, 8; gained none
    assert found["changes"] == [[2, 2], [3, 0]]


def test_an_offline_run_goes_from_first_to_last():
    found = only(arrays({0: STAGES[0], 2: STAGES[2]}), stages=(0, 2))
    # lost 2, 5, 8, 9; gained 6
    assert found["changes"] == [[4, 1]]
    assert len(found["ece"]) == 2


def test_calibration_by_hand():
    # 1/15 = .0667: .9 lies in bin 13 (.8667, .9333], .3 in bin 4 (.2667, .3333], 1 in the last
    confidence = [0.9] * 4 + [0.3] * 4 + [1.0] * 2
    found = only(arrays({0: (BEFORE, 0.5), 1: (BEFORE, confidence)}), stages=(0, 1))
    # before: seven of ten right at .5
    assert found["ece"][0] == pytest.approx(0.2)
    # bin 13: 3 of 4 at .9; bin 4: 2 of 4 at .3; bin 14: 2 of 2 at 1
    assert found["ece"][1] == pytest.approx(0.4 * 0.15 + 0.4 * 0.20, abs=1e-3)
    assert len(found["bins"]) == BINS
    filled = {place: values for place, values in enumerate(found["bins"]) if values[0]}
    assert filled[13] == [4, pytest.approx(0.9, abs=1e-3), 0.75]
    assert filled[4] == [4, pytest.approx(0.3, abs=1e-3), 0.5]
    assert filled[14] == [2, 1.0, 1.0]
    assert found["bins"][0] == [0, 0.0, 0.0]


def test_no_confidence_is_in_the_first_bin_and_certainty_in_the_last():
    # 3/15 = .2 is float16 .19995, below the edge; .5 = 7.5/15 is exact; NaN counts as no confidence
    found = only(arrays({0: (BEFORE, [0.0, 0.2, 0.5, 1.0, np.nan, 1.0, 1.0, 1.0, 1.0, 1.0])}), stages=(0,))
    assert [place for place, values in enumerate(found["bins"]) if values[0]] == [0, 2, 7, 14]
    assert found["bins"][0][:2] == [2, 0.0]
    assert found["changes"] == []
    json.dumps(found, allow_nan=False)


def test_several_models_are_counted_together_and_a_new_one_replaces_the_pretrained():
    first, second = MIDDLE, AFTER
    found = only(arrays({0: (BEFORE, 0.5), 1: (first, 0.5), 2: ([first, second], 0.5)}))
    # both models: 3 + 2 of class 0, 3 + 2 of class 1, 1 + 0 of class 2
    assert found["per_class"] == [[5, 8], [5, 8], [1, 4]]
    assert found["per_class_before"] == [[3, 4], [2, 4], [2, 2]]
    assert found["n"] == 10
    # the first model stays; the second, against the pre-trained: lost 2, 5, 8, 9, gained 6
    assert found["changes"] == [[2, 2], [4, 1]]
    assert found["confusion"][0] == [0, 1, 3]
    assert sum(values[0] for values in found["bins"]) == 20


def test_only_the_most_frequent_mistakes_are_kept():
    labels = np.repeat(np.arange(50), 2)
    found = only(arrays({0: ((labels + 1) % 50, 0.5)}, labels=labels), stages=(0,))
    assert found["confusion"] == [[label, label + 1, 2] for label in range(CELLS)]


def test_class_names_are_kept_and_a_class_without_images_has_none():
    predictions = arrays(STAGES)
    summary = summarize(predictions, {"agnostic": [0, 1, 2]}, ["a"], [], {"a": ["x", "y", "z", "w"], "b": ["u"]})
    assert summary["classes"] == {"a": ["x", "y", "z", "w"]}
    assert summary["tracks"]["agnostic"]["sets"]["a"]["per_class"][3] == [0, 0]
    assert summarize(predictions, {"agnostic": [0, 1, 2]}, ["a"], [], None)["classes"] is None


def test_a_set_without_images_has_no_calibration():
    found = only(arrays({0: (np.zeros((1, 0)), 0.5)}, labels=[]), stages=(0,))
    assert (found["n"], found["ece"], found["per_class"], found["confusion"]) == (0, [None], [], [])


def test_missing_and_misshapen_arrays_are_named():
    for key in arrays(STAGES):
        if not key.startswith("ids/"):
            rest = {name: array for name, array in arrays(STAGES).items() if name != key}
            with pytest.raises(ValueError, match=f"no array '{key}'"):
                only(rest)
    with pytest.raises(ValueError, match=r"'agnostic/1/a' have shape \(1, 9\), expected \(models, 10\)"):
        only(arrays(STAGES) | {k: v[:, :9] for k, v in arrays(STAGES).items() if k.startswith("agnostic/1/")})
    with pytest.raises(ValueError, match="of 2 models are followed by those of 1"):
        only(arrays({0: (BEFORE, 0.5), 1: ([MIDDLE, AFTER], 0.5), 2: (AFTER, 0.5)}))


def test_forgotten_images_come_most_confident_first():
    confidence = np.linspace(0.1, 0.9, 10)
    predictions = arrays({0: (BEFORE, confidence), 1: (MIDDLE, confidence[::-1]), 2: (AFTER, 0.5)})
    assert forgotten(predictions, "agnostic", 1, "a").tolist() == [9, 2]
    # before this stage the first images were the most confident
    assert forgotten(predictions, "agnostic", 2, "a").tolist() == [3, 5, 8]
    offline = arrays({0: (BEFORE, confidence), 2: (AFTER, 0.5)})
    assert forgotten(offline, "agnostic", 2, "a").tolist() == [9, 8, 5, 2]
    with pytest.raises(ValueError, match="no stage of 'agnostic' before 0"):
        forgotten(predictions, "agnostic", 0, "a")
    with pytest.raises(ValueError, match="answered by 2 models"):
        forgotten(arrays({0: (BEFORE, 0.5), 1: ([MIDDLE, AFTER], 0.5)}), "agnostic", 1, "a")


def test_a_stored_run_agrees_with_its_accuracy_matrix(tmp_path):
    result = synthetic("selora")
    store = store_of(tmp_path, [result], predictions=True)
    summary = store.samples(result.spec)
    assert summary == summarize(
        predictions_of(result),
        {name: track.stages for name, track in result.tracks.items()},
        result.spec.order,
        result.ood_names,
        None,
    )
    for name, track in result.tracks.items():
        for domain, first, last in zip(result.spec.order, track.accuracy[0], track.accuracy[-1], strict=True):
            entry = summary["tracks"][name]["sets"][domain]
            for key, accuracy in (("per_class_before", first), ("per_class", last)):
                right, total = np.sum(entry[key], axis=0)
                assert right / total == pytest.approx(accuracy)
    assert Store(tmp_path).samples(result.spec) == summary


FIRST = arrays({2: (AFTER, 0.5)})
SECOND = arrays({2: (MIDDLE, 0.5)}, track=GIVEN)
STAGE = ("agnostic/2", "given/2")


def test_agreement_by_hand():
    # same answer but for images 3, 5, 8: 7 of 10; both right: 0, 1, 4, 6; only the second: 3, 5, 8
    found = agreement(FIRST, SECOND, ["a"], STAGE)
    assert {name: found[name] for name in found if name != "kappa"} == pytest.approx(
        {"same": 0.7, "both": 0.4, "first": 0.0, "second": 0.3, "neither": 0.3}
    )
    # answers: 5, 4, 1 and 5, 4, 1 of ten: by chance .25 + .16 + .01 = .42
    assert found["kappa"] == pytest.approx((0.7 - 0.42) / 0.58)
    assert agreement(SECOND, FIRST, ["a"], STAGE[::-1]) == found | {"first": found["second"], "second": found["first"]}


def test_kappa_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels, one, two = rng.integers(0, 4, (3, 30))
        runs = [arrays({1: (answers, 0.5)}, labels=labels) for answers in (one, two)]
        found = agreement(*runs, ["a"], ("agnostic/1", "agnostic/1"))
        assert found["kappa"] == pytest.approx(cohen_kappa_score(one, two))
        assert found["both"] + found["first"] == pytest.approx((one == labels).mean())
        assert sum(found[name] for name in ("both", "first", "second", "neither")) == pytest.approx(1)


def test_images_are_matched_by_id_and_domains_weigh_the_same():
    turned = {key: array[..., ::-1] for key, array in arrays({2: (MIDDLE, 0.5)}, track=GIVEN).items()}
    assert agreement(FIRST, turned, ["a"], STAGE) == agreement(FIRST, SECOND, ["a"], STAGE)
    small = [arrays({2: ([0, 1], 0.5)}, "b", track, labels=[0, 1]) for track in ("agnostic", GIVEN)]
    both = agreement(FIRST | small[0], SECOND | small[1], ["a", "b"], STAGE)
    assert both["same"] == pytest.approx((0.7 + 1.0) / 2)
    assert both["kappa"] == pytest.approx(((0.7 - 0.42) / 0.58 + 1.0) / 2)


def test_agreement_is_refused_where_it_would_mean_nothing():
    constant = arrays({2: ([0] * 10, 0.5)})
    assert agreement(constant, constant, ["a"], ("agnostic/2", "agnostic/2"))["kappa"] is None
    other = SECOND | {"ids/a": np.array([f"other-{index}" for index in range(10)])}
    with pytest.raises(ValueError, match="not tested on the same images of 'a'"):
        agreement(FIRST, other, ["a"], STAGE)
    with pytest.raises(ValueError, match="labels of 'a' differ"):
        agreement(FIRST, SECOND | {"labels/a": np.zeros(10, np.int16)}, ["a"], STAGE)
    with pytest.raises(ValueError, match="no array 'given/3/a/class'"):
        agreement(FIRST, SECOND, ["a"], ("agnostic/2", "given/3"))
    with pytest.raises(ValueError, match=r"shape \(2, 10\), expected \(1, 10\)"):
        agreement(arrays({2: ([AFTER, AFTER], 0.5)}), SECOND, ["a"], STAGE)
    with pytest.raises(ValueError, match="at least one set"):
        agreement(FIRST, SECOND, [], STAGE)
