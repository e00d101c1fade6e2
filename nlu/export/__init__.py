"""The encoder as an ONNX graph, in as few bits as its answers allow."""
