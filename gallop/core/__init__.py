"""The paper's method in torch alone: prompts, cosines, top-k pooling, prompt dropout, losses and scores.

Read ``gallop.core.gallop`` first, then ``cosines`` and ``scores``; ``fast`` has two functions of ``cosines`` in less
time.
"""
