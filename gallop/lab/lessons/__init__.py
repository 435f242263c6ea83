"""The quizzes of the notebooks: a notebook and a number in, a question and the reply to an answer out."""

from gallop.lab.lessons.asking import quiz

__all__ = ["quiz"]
