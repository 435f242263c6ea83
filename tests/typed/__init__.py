"""What type checkers make of a program that uses the library: nothing of it is run."""
