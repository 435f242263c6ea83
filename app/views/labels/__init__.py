"""Photos and labels in, what wants a hand out: a label that is missing, a picture that is there twice."""
