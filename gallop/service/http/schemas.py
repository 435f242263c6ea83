"""The shapes of answers, for the description of the interface (OpenAPI). What is sent is made by ``predictions``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field


class ErrorFacts(BaseModel):
    """Why there is no answer."""

    code: Annotated[str, Field(description="for programs", examples=["corrupt_image"])]
    message: Annotated[str, Field(description="for people: what is wrong, and what to do")]


class ErrorAnswer(BaseModel):
    """The one shape of all that is not answered, of requests and of photos."""

    error: ErrorFacts


class PhotoAnswer(BaseModel):
    """What a photo shows."""

    label: Annotated[str, Field(description="the most probable class")]
    probability: Annotated[float, Field(description="of the label")]
    probabilities: Annotated[dict[str, float], Field(description="of every class, in the order of /classes")]
    ood_score: Annotated[float, Field(description="GL-MCM; larger: less like what was learned")]
    is_ood: Annotated[bool | None, Field(description='whether it is "none of these"; null without a limit')]


class PredictAnswer(BaseModel):
    """Answers in the order of the photos: files first, then addresses."""

    model: str
    photos: list[PhotoAnswer | ErrorAnswer]


class PromptRegions(BaseModel):
    """Where one local prompt looked."""

    prompt: Annotated[int, Field(description="counted from 1")]
    k: Annotated[int, Field(description="how many regions")]
    boxes: Annotated[
        list[tuple[float, float, float, float]],
        Field(description="[left, top, right, bottom] in the photo's pixels, best first"),
    ]


class ExplainAnswer(PhotoAnswer):
    """Which prompts and which regions decided."""

    model: str
    shown: Annotated[str, Field(alias="class", description="the class that the scores are of")]
    global_scores: Annotated[list[float], Field(description="cosine of the photo with each global prompt")]
    local_scores: Annotated[list[float], Field(description="of each local prompt, the mean over its regions")]
    topk: list[int]
    regions: list[PromptRegions]
    probabilities_global: Annotated[dict[str, float], Field(description="of the global prompts alone")]
    probabilities_local: Annotated[dict[str, float] | None, Field(description="of the local prompts alone")]
    size: Annotated[tuple[int, int], Field(description="width and height of the photo, upright")]
    seen: Annotated[tuple[float, float, float, float], Field(description="the part of it that the model saw, as a box")]


class ClassesAnswer(BaseModel):
    """What a model knows."""

    model: str
    classes: list[str]
    backbone: str
    threshold: Annotated[float | None, Field(description='limit of ood_score for "none of these"')]
    temperature: float


class ModelEntry(BaseModel):
    """One model of the service."""

    name: str
    classes: Annotated[int, Field(description="how many")]


class ModelsAnswer(BaseModel):
    """All models; the first answers where none is named."""

    models: list[ModelEntry]


class HealthAnswer(BaseModel):
    """How the service stands."""

    status: Literal["ready", "stopping", "dead"]
    live: Annotated[bool, Field(description="false: start it again")]
    ready: Annotated[bool, Field(description="false: send requests elsewhere")]
