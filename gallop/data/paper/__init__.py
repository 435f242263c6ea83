"""The paper's nineteen data sets, found by name in the folders where people have them."""
