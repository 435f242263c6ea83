"""The page Test: photos with known classes in, accuracy, confusion and the threshold for none of these out."""
