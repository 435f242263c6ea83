"""The page Explore: a photo and class names in, what decided out."""
