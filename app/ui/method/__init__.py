"""The page Method: the paper's formulas with the figures of one photo."""
