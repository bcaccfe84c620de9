"""The model engine: a code model exported to ONNX and served by plain ONNX Runtime."""
