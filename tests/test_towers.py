"""Blocks in both towers of a CLIP: every one has an effect, and what strategies and evaluation do with them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import timm
import torch
from torch import nn
from torch.nn import functional as F

import selora
from benchmark import runner
from benchmark.backbones import glyphclip
from benchmark.backbones.clip import OpenCLIP
from benchmark.config import RunSpec
from benchmark.data.stream_data import StreamData
from benchmark.registry import strategy_class
from benchmark.runner import classifier, run
from benchmark.store import Store
from strategies import conformance
from strategies.base import TrainConfig
from strategies.classifier import Classifier, TextTowerHead
from strategies.label_spaces import LabelSpaces
from tests.conftest import TinyStream
from tests.minis import CLASSES, SPACES, TEMPLATES, make_minis


@pytest.fixture(scope="module")
def minis(tmp_path_factory):
    return make_minis(tmp_path_factory.mktemp("minis"), ["mini-plain"])


@pytest.fixture
def adapted(minis):
    """A classifier with a fresh task on both towers, two label spaces."""
    backbone = OpenCLIP(f"mini-plain/{minis['mini-plain'][1]}", None, "both").load()
    model = classifier(backbone, SPACES, 0).eval()
    selora.inject(model.towers, rank=2)
    selora.add_task(model, "a")
    return model


def shots(count=3):
    return torch.randint(0, 256, (count, 3, 32, 32), generator=torch.Generator().manual_seed(2), dtype=torch.uint8)


def fill(model, task="a", scale=0.1):
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for block in selora.task_blocks(model, task).values():
            block.lora_B.normal_(0, scale, generator=generator)


def open_only(model, names):
    with torch.no_grad():
        for name, block in selora.task_blocks(model, "a").items():
            block.score.fill_(0.2 if name in names else 0.05)


def test_an_adaptable_text_head_starts_as_the_fixed_one(minis):
    argument = f"mini-plain/{minis['mini-plain'][1]}"
    fixed = classifier(OpenCLIP(argument).load(), SPACES, 0).eval()
    adapted = classifier(OpenCLIP(argument, None, "both").load(), SPACES, 0).eval()
    with torch.no_grad():
        assert torch.allclose(fixed(shots()), adapted(shots()), atol=1e-4)
    assert fixed(shots()).shape == (3, 6)
    assert torch.allclose(fixed.head.weights, torch.cat([fixed.text_weights(*space) for space in SPACES]))
    for model in (fixed, adapted):
        assert model.has_text_head and not model.head_is_trained and model.head_parameters == []
    assert (len(fixed.towers), len(adapted.towers)) == (1, 2)
    assert adapted.towers[1] is adapted.head.text_tower and list(fixed.head.parameters()) == []
    linear = Classifier(nn.Identity(), nn.Linear(4, 2), (0.5,) * 3, (0.5,) * 3)
    assert linear.head_is_trained and not linear.has_text_head
    assert [id(p) for p in linear.head_parameters] == [id(p) for p in linear.head.parameters()]


def test_every_block_of_both_towers_changes_the_output(adapted):
    parts = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
    names = [f"{tower}.blocks.{i}.{part}" for tower in ("tower", "head.text_tower") for i in (0, 1) for part in parts]
    assert list(selora.task_blocks(adapted, "a")) == names
    with torch.no_grad():
        reference = adapted(shots())
        fill(adapted, scale=0.5)
        for name in names:
            open_only(adapted, [name])
            assert (adapted(shots()) - reference).abs().max() > 1e-4, name
        open_only(adapted, ())
        assert torch.equal(adapted(shots()), reference)


def test_merge_mask_and_round_trip_work_in_both_towers(adapted, minis, tmp_path):
    names = list(selora.task_blocks(adapted, "a"))
    with torch.no_grad():
        closed = adapted(shots())
        fill(adapted)
        open_only(adapted, names[::3])
        gated = adapted(shots())
        assert not torch.allclose(gated, closed, atol=1e-3)
        selora.merge(adapted)
        assert torch.allclose(adapted(shots()), gated, atol=1e-4)
        selora.unmerge(adapted)
        assert torch.equal(adapted(shots()), gated)
        selora.save(adapted, tmp_path / "a.safetensors")
        backbone = OpenCLIP(f"mini-plain/{minis['mini-plain'][1]}", None, "both").load()
        other = classifier(backbone, SPACES, 0).eval()
        selora.inject(other.towers, rank=2)
        selora.load(other, tmp_path / "a.safetensors")
        selora.activate(other, "a")
        assert torch.equal(other(shots()), gated)
        assert [name for name, is_open in selora.mask(other, "a").items() if is_open] == names[::3]
        selora.fold(adapted, "a")
        assert torch.allclose(adapted(shots()), gated, atol=1e-4)


def test_peft_loads_the_text_towers_adapter(adapted, tmp_path, minis):
    import peft

    fill(adapted)
    ids = adapted.head.prompts[0][0]
    text = adapted.head.text_tower
    selora.to_peft(text, "a", tmp_path)
    plain = OpenCLIP(f"mini-plain/{minis['mini-plain'][1]}", None, "both").load().text_tower
    oracle = peft.PeftModel.from_pretrained(plain, tmp_path).eval()
    with torch.no_grad():
        assert torch.allclose(oracle(ids), text(ids), atol=1e-5)


def change_in_place(model):
    with torch.no_grad():
        model.head.text_tower.norm.bias.add_(0.5)


def change_through_data(model):
    model.head.text_tower.blocks[0].mlp.fc1.base.weight.data.mul_(1.5)


def one_training_step(model):
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1, fused=True)
    model.train()
    F.cross_entropy(model(shots()), torch.tensor([0, 1, 2])).backward()
    optimizer.step()
    model.eval()


def fold(model):
    selora.fold(model, "a")


def other_weights(model):
    model.load_state_dict({name: tensor * 1.1 for name, tensor in model.state_dict().items()})


@pytest.mark.parametrize(
    "change",
    [change_in_place, change_through_data, one_training_step, lambda model: selora.activate(model, None), selora.merge,
     fold, other_weights,
     lambda model: open_only(model, ())],
    ids=["in place", "through data", "training", "activate", "merge", "fold", "load", "gates"],
)  # fmt: skip
def test_kept_text_weights_follow_every_change(adapted, change):
    fill(adapted, scale=0.5)
    with torch.inference_mode():
        before = adapted.head.weights()
        assert adapted.head.weights() is before  # kept
    change(adapted)
    with torch.inference_mode():
        after = adapted.head.weights()
        fresh = torch.cat([adapted.text_weights(*space) for space in SPACES])
    assert torch.allclose(after, fresh, atol=1e-6)
    same = change in (selora.merge, fold)
    assert torch.allclose(before, after, atol=1e-4) == same


def test_a_forward_in_lower_precision_encodes_the_prompts_too(adapted):
    fill(adapted)
    exact = adapted.train().head.text_tower(adapted.head.prompts[1][0])
    with torch.autocast("cpu", torch.bfloat16):
        rounded = adapted.head.text_tower(adapted.head.prompts[1][0])
        assert adapted(shots()).shape == (3, 6)
        with torch.no_grad():
            kept = adapted.requires_grad_(False).head.weights()
    assert rounded.dtype == torch.bfloat16 and torch.allclose(rounded.float(), exact, atol=0.05)
    assert torch.equal(kept, adapted.head.weights()) and kept.dtype == torch.float32


def test_another_tensor_in_a_parameters_place_is_noticed(adapted):
    """As LwF's teacher is evaluated: `functional_call` with copies, beside the model's own tensors."""
    from torch.func import functional_call

    fill(adapted)
    copies = {name: p.detach().clone() for name, p in adapted.named_parameters()}
    with torch.no_grad():
        own = adapted(shots())
        copies["head.text_tower.norm.weight"] = copies["head.text_tower.norm.weight"].flip(0) * 2
        other = functional_call(adapted, copies, (shots(),))
        assert not torch.allclose(own, other, atol=1e-3)
        assert torch.equal(adapted(shots()), own)


def test_while_the_text_tower_learns_one_template_is_encoded_with_a_gradient(adapted):
    adapted.train()
    head = adapted.head
    each = [F.normalize(head.text_tower(ids), dim=-1).detach() for ids in head.prompts[0]]
    torch.manual_seed(0)
    seen = set()
    for _ in range(20):
        weights = head.weights()
        assert weights.requires_grad and weights.shape == (6, 24)
        seen |= {index for index, one in enumerate(each) if torch.allclose(weights[:4], one, atol=1e-6)}
    assert seen == {0, 1, 2}
    F.cross_entropy(adapted(shots()), torch.tensor([0, 1, 4])).backward()
    for name, block in selora.task_blocks(adapted, "a").items():
        assert block.lora_B.grad.abs().max() > 0, name
    adapted.requires_grad_(False)
    assert not head.weights().requires_grad  # nothing learns: the kept mean over templates
    assert torch.allclose(head.weights()[:4], F.normalize(torch.stack(each).mean(0), dim=-1), atol=1e-5)


class BothTowers(conformance._Trial):
    """The conformance checks on a model with a text tower that is adapted."""

    def _learner(self):
        torch.manual_seed(0)
        model = classifier(self.backbone, SPACES, 0)
        small = timm.models.VisionTransformer(
            img_size=conformance.SIDE, patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=24
        )
        head = TextTowerHead(model.head.text_tower, model.head.tokenize, [(CLASSES, TEMPLATES)], 10.0)
        self.pretrained = Classifier(small, head, (0.5,) * 3, (0.5,) * 3, LabelSpaces([4])).eval()
        with torch.no_grad():
            self.original = self.pretrained.embed(self.probe)
            self.logits = self.pretrained(self.probe)
        train = conformance.TrainConfig(epochs=2, batch_size=24)
        return conformance.Learner(self.strategy, self.pretrained, self.data, train, seed=0)


@pytest.mark.parametrize("name", ["zero-shot", "finetune", "lora", "selora", "selora-merged", "taps", "ewc", "lwf"])
def test_strategies_conform_with_both_towers(name, minis, monkeypatch):
    backbone = OpenCLIP(f"mini-plain/{minis['mini-plain'][1]}", None, "both").load()
    monkeypatch.setattr(BothTowers, "backbone", backbone, raising=False)
    options = {"fisher_images": 4} if name == "ewc" else {}
    strategy = strategy_class(name).cls(**options)
    trial = BothTowers(strategy, "text tower")
    for check in (trial.trains, trial.keeps_frozen, trial.resumes, trial.task_identity):
        passed, detail = check()
        assert passed, (name, check.__name__, detail)
    learner = trial._finish()
    if strategy.needs_task_id:  # no task is the pre-trained model in the text tower too
        assert torch.equal(trial._outputs(learner, None), trial.logits)
    if name in ("selora", "selora-merged", "taps"):
        names = learner.blocks[conformance.TASKS[0]]["names"]
        assert len(names) == 16 and sum(n.startswith("head.text_tower.blocks.") for n in names) == 8
    if name in ("finetune", "lora", "ewc", "lwf"):
        held = {id(p) for group in learner.template.optimizer.param_groups for p in group["params"]}
        text = {id(p) for p in learner.model.head.text_tower.parameters()}
        assert held & text


@pytest.mark.parametrize("name", ["lora", "selora"])
def test_a_whole_run_adapts_both_towers_and_retention_sees_it(name, minis, tmp_path):
    source = OpenCLIP(f"mini-plain/{minis['mini-plain'][1]}", None, "both")
    backbone, stream = source.load(), TinyStream(train=12, test=9)
    cls = strategy_class(name).cls
    seen = []

    class Watching(TextTowerHead):
        def text_weights(self, classes, templates):
            seen.append(super().text_weights(classes, templates))
            return seen[-1]

    strategy = cls(lr=0.05, **({"budget": 1.0} if name == "selora" else {}))
    identity = {"name": name, "version": cls.version, "params": dataclasses.asdict(strategy)}
    train = TrainConfig(epochs=1, batch_size=6, augment="shift")
    spec = RunSpec(stream.identity(), stream.domains[:2], source.identity(), identity, train, 0)
    data = StreamData(stream, backbone.image_size, backbone.interpolation, train)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "TextTowerHead", Watching)
        result = run(spec, strategy, backbone, data, Store(tmp_path))
    assert all(np.isfinite(track.ood).all() and len(track.stages) == 3 for track in result.tracks.values())
    # The out-of-domain classes are encoded anew after every stage, by the text tower as it is then.
    assert len(seen) >= 3 and max((weights - seen[0]).abs().max() for weights in seen) > 1e-4
    blocks = result.blocks["names"] if result.blocks else []
    assert len(blocks) == (16 if name == "selora" else 0)
    assert torch.equal(backbone.text_weights(CLASSES, TEMPLATES), source.load().text_weights(CLASSES, TEMPLATES))


def test_glyphclip_has_an_adaptable_text_tower():
    backbone = glyphclip.load(towers="both")
    assert torch.allclose(
        backbone.text_weights(CLASSES, TEMPLATES), glyphclip.load().text_weights(CLASSES, TEMPLATES), atol=1e-5
    )
    assert backbone.fingerprint != glyphclip.load().fingerprint == glyphclip.load(32).fingerprint
