"""Strategies: ways of adapting one pre-trained model to a stream of domains, all trained by one template."""
