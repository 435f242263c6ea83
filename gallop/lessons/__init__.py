"""What the notebooks ask: in go a notebook and a number, out come a question and what is said to an answer."""

from gallop.lessons.asking import quiz

__all__ = ["quiz"]
