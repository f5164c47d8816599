"""The method's invariants, with peft as the oracle."""

from __future__ import annotations

import copy
import hashlib
import json
import re

import peft
import pytest
import torch
from safetensors import safe_open

import selora
from selora.layers import LowRankBlock
from tests.conftest import tiny_vit

NAMES = [f"blocks.{i}.{part}" for i in range(2) for part in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")]


def fill(model, task, seed=3, scale=0.05):
    """Give every block of `task` a nonzero B, as after training."""
    generator = torch.Generator().manual_seed(seed)
    for block in selora.task_blocks(model, task).values():
        block.lora_B.data.normal_(0, scale, generator=generator)


def set_scores(model, task, open_names):
    for name, block in selora.task_blocks(model, task).items():
        block.score.data.fill_(0.2 if name in open_names else 0.05)


def weights_hash(module):
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        if "children_by_task" not in name:
            digest.update(name.replace(".base.", ".").encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


@pytest.fixture
def injected(vit):
    selora.inject(vit, rank=4, alpha=8)
    selora.add_task(vit, "a")
    return vit


def test_indicator_is_hard_with_an_identity_gradient():
    score = torch.tensor([0.0999, 0.1, 0.15, -1.0], requires_grad=True)
    gate = selora.indicator(score)
    (gate * torch.tensor([2.0, 3.0, 5.0, 7.0])).sum().backward()
    assert gate.tolist() == [0.0, 1.0, 1.0, 0.0]
    assert score.grad.tolist() == [2.0, 3.0, 5.0, 7.0]


def test_injection_wraps_the_four_matrices_of_every_layer_and_freezes_the_rest(injected):
    assert list(selora.task_blocks(injected, "a")) == NAMES
    trainable = {name for name, p in injected.named_parameters() if p.requires_grad}
    assert len(trainable) == 8 * 3
    assert all(name.rsplit(".", 1)[-1] in ("lora_A", "lora_B", "score") for name in trainable)


@pytest.mark.parametrize(("pattern", "message"), [("nothing", "no module name matches"), (r"norm1$", "LayerNorm")])
def test_injection_refuses_patterns_that_fit_no_linear_layer(vit, pattern, message):
    before = weights_hash(vit)
    with pytest.raises(ValueError, match=message):
        selora.inject(vit, pattern)
    assert weights_hash(vit) == before and all(p.requires_grad for p in vit.parameters())


def test_a_fresh_block_changes_nothing(vit, images):
    before = vit(images)
    selora.inject(vit)
    selora.add_task(vit, "a")
    assert torch.equal(vit(images), before)


@pytest.mark.parametrize("training", [False, True])
def test_every_gate_closed_is_bit_equal_to_the_base(injected, images, training):
    reference = injected(images)
    fill(injected, "a")
    set_scores(injected, "a", open_names=())
    injected.train(training)
    assert torch.equal(injected(images), reference)  # with gradients: closed blocks are computed and multiplied by 0
    with torch.no_grad():
        assert torch.equal(injected(images), reference)
    selora.activate(injected, None)
    assert torch.equal(injected(images), reference)


@pytest.mark.parametrize("name", NAMES)
def test_every_injected_block_changes_the_output(injected, images, name):
    reference = injected(images)
    fill(injected, "a")
    set_scores(injected, "a", open_names=(name,))
    assert (injected(images) - reference).abs().max() > 1e-4


def test_merged_equals_gated_and_unmerge_restores_to_the_bit(injected, images):
    fill(injected, "a")
    set_scores(injected, "a", NAMES[::2])
    before, gated = weights_hash(injected), injected(images)
    selora.merge(injected)
    assert weights_hash(injected) != before
    assert torch.allclose(injected(images), gated, atol=1e-5, rtol=0)
    selora.unmerge(injected)
    assert weights_hash(injected) == before
    assert torch.equal(injected(images), gated)


def test_merging_twice_is_refused(injected):
    selora.merge(injected)
    with pytest.raises(RuntimeError, match="unmerge"):
        selora.merge(injected)


def test_fold_makes_the_base_the_adapted_model(injected, images):
    fill(injected, "a")
    adapted = injected(images)
    selora.fold(injected, "a")
    assert selora.task_blocks(injected, "a") == {}
    assert torch.allclose(injected(images), adapted, atol=1e-5, rtol=0)
    selora.add_task(injected, "b")
    assert torch.allclose(injected(images), adapted, atol=1e-5, rtol=0)


def test_a_block_is_pefts_lora_with_the_same_matrices():
    torch.manual_seed(0)
    base = torch.nn.Sequential(torch.nn.Linear(12, 20))
    oracle = peft.get_peft_model(
        copy.deepcopy(base), peft.LoraConfig(r=3, lora_alpha=7, target_modules=["0"], lora_dropout=0.0)
    )
    block = LowRankBlock(12, 20, rank=3, alpha=7, gated=False)
    torch.nn.init.normal_(block.lora_B)
    layer = oracle.base_model.model[0]
    layer.lora_A["default"].weight.data.copy_(block.lora_A.data)
    layer.lora_B["default"].weight.data.copy_(block.lora_B.data)
    x = torch.randn(5, 12)
    assert torch.allclose(base(x) + block(x), oracle(x), atol=1e-6, rtol=0)
    assert torch.allclose(block.delta(), layer.get_delta_weight("default"), atol=1e-6, rtol=0)


def test_gradients_reach_closed_blocks_scores_but_not_their_matrices(injected, images):
    fill(injected, "a")
    set_scores(injected, "a", NAMES[:1])
    injected(images).square().sum().backward()
    blocks = selora.task_blocks(injected, "a")
    closed = blocks[NAMES[3]]
    assert closed.score.grad.abs() > 0
    assert closed.lora_B.grad.abs().max() == 0 and closed.lora_A.grad.abs().max() == 0
    assert blocks[NAMES[0]].lora_B.grad.abs().max() > 0


def test_the_scores_gradient_is_the_inner_product_of_block_and_output_gradient(injected, images):
    """TAPS: dL/ds = <dL/dW, delta>; here checked by a finite difference on a scaled block."""
    fill(injected, "a")
    name = NAMES[5]
    block = selora.task_blocks(injected, "a")[name]
    injected(images).square().sum().backward()

    def loss(scale):
        original = block.scaling
        block.scaling = original * scale
        with torch.no_grad():
            value = injected.double()(images.double()).square().sum()
        block.scaling = original
        return value

    expected = (loss(1 + 1e-5) - loss(1 - 1e-5)) / 2e-5
    assert float(block.score.grad) == pytest.approx(float(expected), rel=1e-3)


def test_tasks_keep_their_own_masks_and_outputs(injected, images):
    fill(injected, "a", seed=1)
    set_scores(injected, "a", NAMES[:3])
    of_a = injected(images)
    assert selora.drop_closed(injected, "a") == 5
    assert torch.equal(injected(images), of_a)
    selora.add_task(injected, "b")
    fill(injected, "b", seed=2)
    assert not torch.equal(injected(images), of_a)
    selora.activate(injected, "a")
    assert torch.equal(injected(images), of_a)
    assert [name for name, is_open in selora.mask(injected, "a").items() if is_open] == NAMES[:3]
    assert all(selora.mask(injected, "b").values())


def test_a_state_dict_restores_any_number_of_tasks(injected, images):
    fill(injected, "a")
    set_scores(injected, "a", NAMES[2:4])
    selora.drop_closed(injected, "a")
    selora.add_task(injected, "b with. odd%name")
    torch.manual_seed(5)
    other = tiny_vit()
    selora.inject(other, rank=4, alpha=8)
    selora.add_task(other, "to be forgotten")
    other.load_state_dict(injected.state_dict())
    for task in ("a", "b with. odd%name", None):
        selora.activate(injected, task)
        selora.activate(other, task)
        assert torch.equal(other(images), injected(images))
    assert selora.task_blocks(other, "to be forgotten") == {}


def test_save_and_load_round_trip_with_a_json_header(injected, images, tmp_path):
    fill(injected, "a")
    set_scores(injected, "a", NAMES[1:4])
    expected = injected(images)
    selora.save(injected, tmp_path / "a.safetensors")
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        header = json.loads(file.metadata()["selora"])
    assert [name for name, is_open in header["tasks"]["a"]["mask"].items() if is_open] == NAMES[1:4]
    torch.manual_seed(0)
    fresh = tiny_vit()
    selora.inject(fresh, rank=2)  # the file's rank and scale win
    assert selora.load(fresh, tmp_path / "a.safetensors") == ["a"]
    selora.activate(fresh, "a")
    assert torch.equal(fresh(images), expected)
    with pytest.raises(ValueError, match="has a task 'a' already"):
        selora.load(fresh, tmp_path / "a.safetensors")


def test_load_refuses_what_does_not_fit_and_changes_nothing(injected, tmp_path):
    selora.save(injected, tmp_path / "a.safetensors")
    narrow = tiny_vit(depth=1)
    selora.inject(narrow)
    with pytest.raises(ValueError, match=re.escape("'blocks.1.attn.qkv'")):
        selora.load(narrow, tmp_path / "a.safetensors")
    assert selora.task_blocks(narrow, "a") == {}
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match="no selora adapter"):
        selora.load(narrow, tmp_path / "foreign.safetensors")


def test_peft_loads_the_exported_adapter_and_gives_the_same_output(injected, images, tmp_path):
    fill(injected, "a")
    set_scores(injected, "a", NAMES[1::3])
    expected = injected(images)
    selora.to_peft(injected, "a", tmp_path / "adapter")
    torch.manual_seed(0)
    adapted = peft.PeftModel.from_pretrained(tiny_vit(), tmp_path / "adapter").eval()
    assert torch.allclose(adapted(images), expected, atol=1e-5, rtol=0)
    wrapped = {n for n, m in adapted.base_model.model.named_modules() if isinstance(m, peft.tuners.lora.Linear)}
    assert wrapped == set(NAMES[1::3])


def test_exporting_a_task_without_active_blocks_is_refused(injected, tmp_path):
    set_scores(injected, "a", ())
    with pytest.raises(ValueError, match="no active block"):
        selora.to_peft(injected, "a", tmp_path)


def train(model, images, selector, steps, lr=1e-2):
    """A few steps towards fixed targets; the scores are the selector's."""
    torch.manual_seed(0)
    targets = torch.randn(len(images), 32)
    parameters = [p for n, p in model.named_parameters() if p.requires_grad and not n.endswith("score")]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    for _ in range(steps):
        loss = (model(images) - targets).square().mean() + selector.penalty()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        selector.step()


def test_training_leaves_the_base_weights_as_they_were(injected, images):
    before = weights_hash(injected)
    train(injected, images, selora.Selector(selora.task_blocks(injected, "a"), steps=20, budget=0.5), 20)
    assert weights_hash(injected) == before
    assert any(block.lora_B.abs().max() > 0 for block in selora.task_blocks(injected, "a").values())


@pytest.mark.parametrize(("budget", "wanted"), [(0.05, 1), (0.25, 2), (0.5, 4), (1.0, 8)])
def test_a_budget_ends_with_just_the_wanted_number_of_active_blocks(injected, images, budget, wanted):
    selector = selora.Selector(selora.task_blocks(injected, "a"), steps=30, budget=budget)
    train(injected, images, selector, 30)
    assert sum(selora.mask(injected, "a").values()) == wanted


def test_the_budget_follows_a_cubic_curve_after_the_warm_up(injected, images):
    selector = selora.Selector(selora.task_blocks(injected, "a"), steps=40, budget=0.25, warmup=0.25, freeze=0.75)
    counts = []
    for _ in range(40):
        train(injected, images, selector, 1)
        counts.append(sum(selector.mask.values()))
    assert counts[:9] == [8] * 9
    # 20 steps from 8 blocks to 2: halfway, 2 + round(6 * 0.5 ** 3) = 3
    assert counts[19] == 3
    assert counts[29:] == [2] * 11


def test_the_mask_is_fixed_after_freeze(injected, images):
    selector = selora.Selector(selora.task_blocks(injected, "a"), steps=30, budget=0.5, freeze=0.5)
    train(injected, images, selector, 15)
    kept, scores = selora.mask(injected, "a"), selora.scores(injected, "a")
    train(injected, images, selector, 15)
    assert selora.mask(injected, "a") == kept and selora.scores(injected, "a") == scores


def test_the_penalty_is_lambda_times_the_mean_absolute_score_after_the_warm_up(injected):
    selector = selora.Selector(selora.task_blocks(injected, "a"), steps=10, penalty=2.0, warmup=0.1)
    assert selector.penalty() == 0.0
    selector.step()
    set_scores(injected, "a", NAMES[:2])  # mean of 2 x 0.2 and 6 x 0.05 is 0.0875
    assert selector.penalty().item() == pytest.approx(0.175)


def test_a_strong_penalty_closes_every_block_and_says_so(injected, images):
    selector = selora.Selector(
        selora.task_blocks(injected, "a"), steps=60, penalty=2.0, lr=0.005, warmup=0.0, freeze=None
    )
    train(injected, images, selector, 60, lr=0.0)
    with pytest.warns(UserWarning, match="every block is closed"):
        entry = selector.log()
    assert entry["active_blocks"] == 0
    assert entry["flips"] >= 8
    assert entry["score_max"] < selora.THRESHOLD


def test_without_sparsity_no_block_closes_by_itself(injected, images):
    selector = selora.Selector(selora.task_blocks(injected, "a"), steps=20, penalty=0.0, lr=1e-4)
    train(injected, images, selector, 20)
    assert selector.log()["active_blocks"] == 8


@pytest.mark.parametrize(
    "arguments", [{}, {"penalty": 1.0, "budget": 0.5}, {"budget": 0.0}, {"budget": 1.1}, {"penalty": -1.0},
                  {"budget": 0.5, "warmup": 0.6, "freeze": 0.5}],
)  # fmt: skip
def test_a_selector_refuses_senseless_settings(injected, arguments):
    with pytest.raises(ValueError, match=r"budget|penalty|warmup"):
        selora.Selector(selora.task_blocks(injected, "a"), steps=10, **arguments)
