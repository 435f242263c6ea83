"""The format of answers, for the description of the interface (OpenAPI). ``predictions`` makes their content."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field


class ErrorFacts(BaseModel):
    """The reason why there is no answer."""

    code: Annotated[str, Field(description="for programs", examples=["corrupt_image"])]
    message: Annotated[str, Field(description="for people: what is wrong, and what to do")]


class ErrorAnswer(BaseModel):
    """The error for a request or a photo that has no answer."""

    error: ErrorFacts


class PhotoAnswer(BaseModel):
    """The prediction for a photo."""

    label: Annotated[str, Field(description="the most probable class")]
    probability: Annotated[float, Field(description="of the label")]
    probabilities: Annotated[dict[str, float], Field(description="of every class, in the order of /classes")]
    ood_score: Annotated[float, Field(description="GL-MCM score; larger means less like the known classes")]
    is_ood: Annotated[
        bool | None,
        Field(description='whether it is "none of these", or with one class unsure; null where nothing decides'),
    ]
    answer: Annotated[
        Literal["yes", "no", "unsure"] | None, Field(description="of a model of one class; others have no such field")
    ] = None


class PredictAnswer(BaseModel):
    """Answers in the order of the photos."""

    model: str
    photos: list[PhotoAnswer | ErrorAnswer]


class PromptRegions(BaseModel):
    """The regions that one local prompt used."""

    prompt: Annotated[int, Field(description="counted from 1")]
    k: Annotated[int, Field(description="number of regions")]
    boxes: Annotated[
        list[tuple[float, float, float, float]],
        Field(description="[left, top, right, bottom] in the photo's pixels, best first"),
    ]


class ExplainAnswer(PhotoAnswer):
    """The prompts and regions that decided."""

    model: str
    shown: Annotated[str, Field(alias="class", description="the class that the scores are for")]
    global_scores: Annotated[list[float], Field(description="cosine of the photo with each global prompt")]
    local_scores: Annotated[list[float], Field(description="score of each local prompt, the mean over its regions")]
    topk: list[int]
    regions: list[PromptRegions]
    probabilities_global: Annotated[dict[str, float], Field(description="from the global prompts alone")]
    probabilities_local: Annotated[dict[str, float] | None, Field(description="from the local prompts alone")]
    size: Annotated[tuple[int, int], Field(description="width and height of the photo, upright")]
    seen: Annotated[tuple[float, float, float, float], Field(description="the part of it that the model saw, as a box")]


class ClassesAnswer(BaseModel):
    """The classes and settings of a model."""

    model: str
    classes: list[str]
    backbone: str
    threshold: Annotated[float | None, Field(description='ood_score above which a photo is "none of these"')]
    temperature: float
