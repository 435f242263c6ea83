"""A taught model in, what other people open out: one ONNX file, one HTML page, a model card, a page for browsers."""
