"""The head: photos with labels in, a linear form of what is known of a photo, and its map, out."""
