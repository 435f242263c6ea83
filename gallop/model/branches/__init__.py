"""What answers beside the prompts: shots in; a linear form of what is known of a photo, and its exact map, out."""
