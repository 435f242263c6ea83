"""The page Evidence: labelled photos in, what each class relies on, which photos fail and where they lie out."""
