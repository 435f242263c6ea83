"""Class names and sentences: text of any kind comes in, clean names and checked templates go out."""
