"""A model and photos in, answers out: probabilities, rows of a table, explanations, how faithful one is."""
