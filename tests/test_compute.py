"""How a run is computed changes its speed, not its result: workers, accumulation, precision, compilation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import selora
from benchmark.data.dataset import Cache, DecodedImages
from benchmark.data.transforms import AUGMENTATIONS
from strategies.base import TrainConfig
from strategies.classifier import Classifier
from strategies.compute import Compute
from strategies.learner import Learner
from strategies.lora import LoRA
from strategies.regularization import EWC
from strategies.selective_lora import SelectiveLoRA
from tests.conftest import CLASSES, SIDE, TinyStream, tiny_vit


def trained(strategy, compute=Compute(), precision="fp32", lr_scale=1.0):  # noqa: B008
    torch.manual_seed(0)
    model = Classifier(tiny_vit(), nn.Linear(32, len(CLASSES)), (0.5,) * 3, (0.5,) * 3)
    stream = TinyStream()
    data = {name: DecodedImages(stream.load(name, "train"), SIDE, "bicubic") for name in stream.domains[:2]}
    config = TrainConfig(epochs=2, batch_size=8, precision=precision)
    augment = AUGMENTATIONS["shift"].build(SIDE)
    learner = Learner(strategy, model, data, config, seed=0, compute=compute, augment=augment)
    for task in data:
        learner.learn(task)
    return learner


def state(learner):
    return learner.model.state_dict()


def largest_difference(one, other):
    return max(float((a - b).abs().max()) for a, b in zip(state(one).values(), state(other).values(), strict=True))


@pytest.mark.parametrize("strategy", [LoRA(), SelectiveLoRA(rank=2), EWC()], ids=["lora", "selora", "ewc"])
def test_accumulated_parts_make_the_same_steps(strategy):
    whole, parts = trained(strategy), trained(strategy, Compute(accumulate=3))
    assert parts.template.schedule.last_epoch == whole.template.schedule.last_epoch == 8  # 2 epochs of 4 batches
    assert largest_difference(whole, parts) < 2e-4
    assert [entry["train_accuracy"] for entry in whole.template.history] == pytest.approx(
        [entry["train_accuracy"] for entry in parts.template.history], abs=0.04
    )


def test_workers_change_no_number():
    alone, helped = trained(LoRA()), trained(LoRA(), Compute(workers=2))
    assert largest_difference(alone, helped) == 0.0


def test_a_worker_leaves_the_cache_alone_and_uses_what_is_in_it():
    images = TinyStream().load("south", "train")
    data = DecodedImages(images, SIDE, "bicubic")
    data[3]
    batches = list(Compute(workers=1).loader(data, 30))
    assert data._cached.sum() == 1
    assert torch.equal(batches[0][0][3], data[3][0]) and batches[0][1].tolist() == images.labels.tolist()


def test_the_cache_is_shared_and_has_an_end():
    cache = Cache(5 * 3 * SIDE * SIDE)
    assert cache.take(4, SIDE).shape == (4, 3, SIDE, SIDE)
    assert cache.take(2, SIDE) is None
    assert cache.take(1, SIDE) is not None and cache.free == 0


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_lower_precision_trains_like_full(precision, dtype):
    full, low = trained(SelectiveLoRA(rank=2)), trained(SelectiveLoRA(rank=2), precision=precision)
    images = torch.zeros(2, 3, SIDE, SIDE, dtype=torch.uint8)
    with Compute().autocast(precision), torch.no_grad():
        assert low.model(images).dtype == dtype
    assert {tensor.dtype for tensor in state(low).values()} == {torch.float32}
    losses = [[entry["loss"] for entry in learner.template.history] for learner in (full, low)]
    assert losses[0] != losses[1] and losses[1] == pytest.approx(losses[0], abs=0.05)
    # The scores have an optimiser of their own: had their gradients kept fp16's scale, they would be in the thousands.
    assert np.allclose(full.blocks["north.west"]["scores"], low.blocks["north.west"]["scores"], atol=0.02)


def test_an_overflow_skips_the_step_of_model_and_scores():
    learner = trained(SelectiveLoRA(rank=2), precision="fp16")
    template = learner.template
    selora.add_task(learner.model, "third")
    template.make_optimizer()
    scores = [block.score for block in selora.task_blocks(learner.model, "third").values()]
    for parameter in (*template.trained, *scores):
        parameter.grad = torch.full_like(parameter, float("inf"))
    before = [parameter.detach().clone() for parameter in template.trained]
    template.scaler.scale(torch.tensor(1.0))
    scale = template.scaler.get_scale()
    template.optimizer_step()
    assert all(torch.equal(a, b) for a, b in zip(before, template.trained, strict=True))
    assert all(score.grad is None for score in scores)
    assert template.scaler.get_scale() < scale


def test_compiled_blocks_give_the_same_model():
    plain, compiled = trained(LoRA(rank=2)), trained(LoRA(rank=2), Compute(compile=True))
    assert largest_difference(plain, compiled) < 1e-4
    assert list(state(plain)) == list(state(compiled))


def test_values_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="accumulate at least 1"):
        Compute(accumulate=0)
    with pytest.raises(ValueError, match="precision is one of fp32, bf16, fp16, got 'int4'"):
        TrainConfig(precision="int4")
    with pytest.raises(ValueError, match="clip_grad_norm must be above 0"):
        TrainConfig(clip_grad_norm=0)
