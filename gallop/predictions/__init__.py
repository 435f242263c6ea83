"""A model and photos in, answers out: probabilities, rows of a table, an explanation, how faithful it is."""
