"""DomainNet and its subset DN4IL."""

from benchmark.streams.domainnet.stream import DN4ILStream, DomainNetStream

__all__ = ["DN4ILStream", "DomainNetStream"]
