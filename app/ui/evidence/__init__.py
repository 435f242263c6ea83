"""The page Evidence: labelled photos in, what each class stands on and which photos fail out."""
