"""The page Compare: saved runs side by side."""
