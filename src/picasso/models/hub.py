"""Models by name: keras:VGG16, timm:resnet18, torchvision:resnet18, hf:google/vit-base-patch16-224."""

from __future__ import annotations


def claims(source: object) -> bool:
    """Say whether this adapter opens the source."""
    return False
