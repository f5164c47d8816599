"""Backbones: pre-trained image towers, with a text head where the model has one."""
