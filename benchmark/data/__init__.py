"""Images on their way from a stream to a model."""
