"""A taught model in, files for others out: one ONNX file, one HTML page, a model card, a page for browsers."""
