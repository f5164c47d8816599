"""Pre-train the embedded backbone: `python -m benchmark.backbones.glyphclip.pretrain --out FILE.safetensors`.

An ordinary open_clip model learns image and text together from rendered characters. Every class's caption is a
candidate for every image, so all images of a character in a batch are positives of its caption (as in UniCL,
Yang et al. 2022, arXiv 2204.03610, equation 4, image-to-text half). Time and accuracy: see README.md here.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import open_clip
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from benchmark.backbones.glyphclip import recipe
from benchmark.streams.digits.alphabet import HELD_OUT_FACES
from benchmark.streams.digits.glyphs import GlyphBank, glyph_bank
from benchmark.streams.digits.render import Style, render

FOLDER = Path(__file__).parent
MAX_LOGIT_SCALE = math.log(100)


@dataclass(frozen=True)
class Recipe:
    """How long and how fast; the images are `recipe.SOURCES`."""

    images: int = 800_000
    batch_size: int = 128
    lr: float = 1.5e-3
    weight_decay: float = 0.05
    warmup: float = 0.05
    easy: float = 0.15
    """Share of the steps over which the images grow from plain to the full mixture."""
    label_smoothing: float = 0.02
    seed: int = 0
    time_limit: float = 3600.0

    @property
    def steps(self) -> int:
        """Whole batches in `images`."""
        return max(1, self.images // self.batch_size)


Report = Callable[[int, float, nn.Module], None]


def new_model(seed: int) -> nn.Module:
    """An untrained glyphclip, its weights a function of `seed`."""
    open_clip.add_model_config(FOLDER)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return open_clip.create_model("glyphclip")


def train(model: nn.Module, glyphs: GlyphBank, config: Recipe, report: Report | None = None) -> nn.Module:
    """Train `model` in place; `report(step, loss, model)` is called after each step.

    Stops early when `config.time_limit` seconds have passed.
    """
    optimizer = torch.optim.AdamW(_groups(model, config.weight_decay), lr=config.lr, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.lr, total_steps=config.steps + 1, pct_start=config.warmup, cycle_momentum=False
    )
    generator = torch.Generator().manual_seed(config.seed)
    captions = [_tokens(source.captions) for source in recipe.SOURCES]
    mean, std = channel_statistics(model)
    end = time.monotonic() + config.time_limit
    model.train()
    for step in range(1, config.steps + 1):
        batch = recipe.draw_batch(glyphs, config.batch_size, generator, min(1.0, step / (config.easy * config.steps)))
        images = F.normalize(model.encode_image((batch.images.float() / 255 - mean) / std), dim=-1)
        candidates = _candidates(model, captions, generator)[batch.sources]
        logits = model.logit_scale.exp() * torch.einsum("bd,bcd->bc", images, candidates)
        loss = F.cross_entropy(logits, batch.labels, label_smoothing=config.label_smoothing)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, MAX_LOGIT_SCALE)
        if report:
            report(step, loss.item(), model)
        if time.monotonic() > end:
            break
    return model.eval()


def _groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Matrices are decayed; vectors and embeddings are not."""
    decayed, free = [], []
    for name, parameter in model.named_parameters():
        (decayed if parameter.ndim >= 2 and "embedding" not in name else free).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


def _tokens(captions: tuple[str, ...]) -> torch.Tensor:
    """All captions of all classes, int64 [templates, classes, context]."""
    tokenizer = open_clip.get_tokenizer("glyphclip")
    templates = recipe.GENERIC_CAPTIONS + captions
    return torch.stack([tokenizer([template.format(cls.name) for cls in recipe.CLASSES]) for template in templates])


def _candidates(model: nn.Module, captions: list[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
    """One random caption of each class for each source, embedded: [sources, classes, D]."""
    drawn = []
    for tokens in captions:
        template = torch.randint(tokens.shape[0], (tokens.shape[1],), generator=generator)
        drawn.append(tokens[template, torch.arange(tokens.shape[1])])
    stacked = torch.stack(drawn)
    return F.normalize(model.encode_text(stacked.flatten(0, 1)), dim=-1).unflatten(0, stacked.shape[:2])


def channel_statistics(model: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """The model's mean and standard deviation for images in 0..1, each [3, 1, 1]."""
    config = model.visual.preprocess_cfg
    return torch.tensor(config["mean"])[:, None, None], torch.tensor(config["std"])[:, None, None]


def held_out_accuracy(model: nn.Module) -> float:
    """Share of plainly rendered characters of the held-out typefaces named rightly among all classes."""
    glyphs = glyph_bank(recipe.CLASSES, HELD_OUT_FACES, pens=False)
    indices = torch.arange(len(glyphs.labels)).repeat(2)
    images = render(glyphs, indices, Style(), torch.Generator().manual_seed(1))
    mean, std = channel_statistics(model)
    training = model.training
    model.eval()
    with torch.no_grad():
        embedded = model.encode_image((images.float() / 255 - mean) / std)
        text = F.normalize(model.encode_text(_tokens(())[0]), dim=-1)
    model.train(training)
    return ((embedded @ text.T).argmax(1) == glyphs.labels[indices]).float().mean().item()


def save(model: nn.Module, path: Path) -> None:
    """Write the weights as float16 safetensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}, path)


def _reporter(out: Path, steps: int, batch_size: int, every: float = 120.0) -> Report:
    """Prints progress and saves the weights so far, every `every` seconds and after the last step."""
    start = time.monotonic()
    state = {"next": start + every / 3, "loss": 0.0}

    def report(step: int, loss: float, model: nn.Module) -> None:
        state["loss"] = loss if step == 1 else 0.98 * state["loss"] + 0.02 * loss
        now = time.monotonic()
        if now < state["next"] and step < steps:
            return
        state["next"] = now + every
        save(model, out)
        print(
            f"step {step}/{steps}  {now - start:.0f} s  {step * batch_size / (now - start):.0f} images/s  "
            f"loss {state['loss']:.3f}  scale {model.logit_scale.exp().item():.1f}  "
            f"held-out typefaces {held_out_accuracy(model):.3f}",
            flush=True,
        )

    return report


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description="Pre-train the embedded backbone.")
    parser.add_argument("--out", type=Path, default=FOLDER / "glyphclip.safetensors")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--images", type=int, default=Recipe.images)
    parser.add_argument("--threads", type=int, default=1, help="more than one: not reproducible to the bit")
    parser.add_argument("--time-limit", type=float, default=Recipe.time_limit, help="seconds")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = Recipe(images=arguments.images, seed=arguments.seed, time_limit=arguments.time_limit)
    glyphs = recipe.bank()
    model = train(new_model(config.seed), glyphs, config, _reporter(arguments.out, config.steps, config.batch_size))
    save(model, arguments.out)


if __name__ == "__main__":
    main()
