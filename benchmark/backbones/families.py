"""Which families of timm's vision transformers are known to take blocks; each is tested in tests/test_backbones.py."""

from __future__ import annotations

from dataclasses import dataclass

FUSED = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
FUSED_GATED = ("attn.qkv", "attn.proj", "mlp.fc1_g", "mlp.fc1_x", "mlp.fc2")
SPLIT_GATED = ("attn.q_proj", "attn.k_proj", "attn.v_proj", "attn.proj", "mlp.fc1_g", "mlp.fc1_x", "mlp.fc2")


@dataclass(frozen=True)
class Family:
    """matrices: those of each layer that strategies adapt. example: a name that ``timm:`` takes."""

    name: str
    timm_class: str
    example: str
    matrices: tuple[str, ...] = FUSED


FAMILIES = (
    Family("ViT, AugReg, DeiT, MAE, CLIP image towers", "VisionTransformer", "vit_base_patch16_224.augreg_in21k"),
    Family("DeiT, distilled", "VisionTransformerDistilled", "deit_base_distilled_patch16_224.fb_in1k"),
    Family("DeiT III", "VisionTransformer", "deit3_base_patch16_224.fb_in22k_ft_in1k"),
    Family("DINO", "VisionTransformer", "vit_base_patch16_224.dino"),
    Family("DINOv2", "VisionTransformer", "vit_base_patch14_dinov2.lvd142m"),
    Family("DINOv2, giant (packed SwiGLU)", "VisionTransformer", "vit_giant_patch14_dinov2.lvd142m"),
    Family("DINOv2 with registers", "VisionTransformer", "vit_base_patch14_reg4_dinov2.lvd142m"),
    Family("DINOv3", "Eva", "vit_base_patch16_dinov3.lvd1689m"),
    Family("DINOv3, plus (SwiGLU)", "Eva", "vit_small_plus_patch16_dinov3.lvd1689m", FUSED_GATED),
    Family(
        "SigLIP image towers (the pooling is not adapted)", "VisionTransformer", "vit_base_patch16_siglip_224.webli"
    ),
    Family("AIMv2", "VisionTransformer", "aimv2_large_patch14_224.apple_pt", FUSED_GATED),
    Family("EVA-02, tiny and small", "Eva", "eva02_small_patch14_224.mim_in22k"),
    Family("EVA-02, base and large", "Eva", "eva02_base_patch14_224.mim_in22k", SPLIT_GATED),
    Family("Perception Encoder", "Eva", "vit_pe_core_base_patch16_224.fb"),
    Family("BEiT, BEiT v2", "Beit", "beitv2_base_patch16_224.in1k_ft_in22k"),
    Family("BEiT-3", "VisionTransformer", "beit3_base_patch16_224.in22k_ft_in1k"),
    Family("ViT with relative positions", "VisionTransformerRelPos", "vit_relpos_base_patch16_224.sw_in1k"),
    Family("SAM image encoder", "VisionTransformerSAM", "samvit_base_patch16.sa1b"),
    Family("NaFlexViT", "NaFlexVit", "naflexvit_base_patch16_gap.e300_s576_in1k"),
    Family("Hiera", "Hiera", "hiera_base_224.mae"),
    Family("CaiT (class-attention layers are not adapted)", "Cait", "cait_s24_224.fb_dist_in1k"),
)


def table() -> str:
    """The families as a Markdown table."""
    rows = [
        f"| {family.name} | `{family.timm_class}` | `timm:{family.example}` | {', '.join(family.matrices)} |"
        for family in FAMILIES
    ]
    return "\n".join(["| family | timm's class | for example | adapted in every layer |", "|---|---|---|---|", *rows])
