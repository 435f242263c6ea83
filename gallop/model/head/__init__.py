"""The third branch: photos with labels in, a linear form of the mean region in closed form and its map out."""
