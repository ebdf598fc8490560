"""Training in PyTorch, from a PTB-XL folder to an exported model folder; the only importer of torch and onnx."""

__all__: list[str] = []
