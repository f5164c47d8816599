"""Streams: one file each; `base` says what a stream is."""
