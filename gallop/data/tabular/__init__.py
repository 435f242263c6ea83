"""Photos and labels in rows and columns: a table or a data set comes in, files or lazy images go out."""
