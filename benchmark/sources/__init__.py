"""Labelled image data sets with their own classes: tasks of a stream, or out-of-domain sets."""
