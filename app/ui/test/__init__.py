"""The page Test: photos with known classes in, accuracy, confusion and the limit for none of these out."""
