"""What answers beside the prompts: shots in; a linear form of a photo's features, and its exact map, out."""
