"""The commands that hand a trained model on: to other programs, to other people, or from them."""
