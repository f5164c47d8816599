"""The card says what the result says, in a form that a model hub reads."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

from benchmark.model_card import model_card
from tests.synthetic import DOMAINS, synthetic

FILES = ["adapter.safetensors", "peft-image/adapter_config.json", "peft-image/adapter_model.safetensors"]


def test_metadata_is_read_back_with_the_results_values():
    result = synthetic("selora")
    card = ModelCard(model_card(result, "real", FILES))
    place = DOMAINS.index("real")
    (figure,) = card.data.eval_results
    assert figure.metric_value == pytest.approx(result.tracks["given"].accuracy[-1][place], abs=1e-6)
    assert (figure.metric_type, figure.dataset_name) == ("accuracy", "domainnet/real")
    assert card.data.tags == ["lora", "continual-learning", "selora-bench", "selora"]
    assert card.data.model_name == "selora adapter, domainnet/real, seed 0"


def test_the_text_says_what_was_measured():
    result = synthetic("selora")
    text = model_card(result, "real", FILES)
    place, track = DOMAINS.index("real"), result.tracks["given"]
    assert f"| real | 520 | 50.0 | {100 * track.accuracy[-1][place]:.1f} |" in text
    active = result.blocks["tasks"]["real"]["active"]
    assert f"| active blocks | {sum(active)} of 48 |" in text
    # 80 % before; .8 - .005 * 6 = .77 of 300 and 200 images after: 96.25 %
    assert "kept 96.2 % of the pre-trained" in text
    assert f"| key | {result.spec.key} |" in text
    assert "| command | run\\_suite.py --stream domainnet |" in text
    assert 'PeftModel.from_pretrained(tower, "peft-image")' in text
    assert "head.safetensors" not in text
    assert "head.safetensors" in model_card(result, "real", [*FILES, "head.safetensors"])
    assert "2501.15377" in text


def test_an_adapter_of_the_whole_stream_has_every_domain():
    result = synthetic("lora")
    card = ModelCard(model_card(result, None, FILES))
    assert [figure.metric_value for figure in card.data.eval_results] == pytest.approx(
        result.tracks["agnostic"].accuracy[-1], abs=1e-6
    )
    assert "2106.09685" in card.text and "domain was given" not in card.text


def test_odd_names_cannot_break_the_card():
    odd = 'a|b` <script>alert(1)</script>: "x"'
    result = synthetic("selora")
    names = {DOMAINS[0]: odd}
    result = replace(
        result,
        spec=replace(result.spec, order=(odd, *DOMAINS[1:]), stream={"name": "it's: <i>"}),
        counts={names.get(name, name): count for name, count in result.counts.items()},
        blocks=json.loads(json.dumps(result.blocks).replace('"clipart"', json.dumps(odd))),
    )
    text = model_card(result, odd, FILES)
    card = ModelCard(text)
    assert card.data.eval_results[0].dataset_name == f"it's: <i>/{odd}"
    assert "<script>" not in card.text.replace("`" + odd.replace("`", "'") + "`", "")
    assert "| a\\|b\\` &lt;script&gt;" in card.text


def test_without_out_of_domain_sets_nothing_is_said_of_them():
    result = synthetic("lora")
    track = replace(result.tracks["agnostic"], ood=[[] for _ in range(7)])
    bare = replace(result, ood_names=[], tracks={"agnostic": track}, environment={})
    text = model_card(bare, None, FILES)
    assert "Outside the stream" not in text and "not recorded" in text
