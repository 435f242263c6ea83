"""The page Method: the paper's formulas with one photo's own figures."""
