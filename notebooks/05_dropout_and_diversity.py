# %% [markdown]
# # 05 · Prompt dropout and diversity
#
# **Goals.** After this notebook you can say what prompt dropout does; show why several prompts learn nothing new
# without it; and measure their overlap and what the ensemble gains.
#
# **Time.** About half a minute of computing, 25 minutes of reading. No network, no GPU. (What the text
# says of results is about the full run on the sample; with `FAST=1` trainings are cut short, and end elsewhere.)
#
# **Seed.** 0 for the draws; the trainings use several seeds, from 0 on.
#
# **You need.** [Notebook 04](04_prompts.ipynb): contexts. What cross-entropy and stochastic gradient descent are.

# %%
from gallop.runtime.process import prepare

prepare()  # before torch is loaded

from gallop.lab.tutorial import frozen_backbone, photos, show_figure

BACKBONE = "mini"  # or CLIP itself, "ViT-B-16/openai": notebook 01 says what then changes
mini = frozen_backbone(BACKBONE)
SHOTS, SEEDS = 2, 2 if photos.FAST else 6
EPOCHS = 10 if photos.FAST else 30

# %% [markdown]
# ## The task
#
# Candles, mugs, teapots and vases: the project's sample, rendered photos of one thing each (or your photos,
# with `GALLOP_PHOTOS`). Two photos a class to learn from. `mini` knows the sample's words, so its test photos are
# nearly all right from the start and could tell nothing. So each test photo is asked about four times: as it is, out
# of focus, as a pencil drawing, and at dusk (`KINDS`; notebook 08 is about these *domains*). Nothing of that is ever
# shown in training.
#
# To keep one idea at a time, we learn **global prompts only**, $M = 4$ of them (no local ones, $N = 0$).

# %%
import torch

from gallop.lab.tutorial.panels import Panel, panels

KINDS = ("clear", *photos.DOMAINS)
train, test = photos.few_shots(shots=SHOTS, seed=0)
images, labels = photos.with_names(train)
test_images, test_labels = photos.with_names(test)
classes = list(train)
targets = torch.tensor([classes.index(name) for name in labels])  # (B,)
test_targets = torch.tensor([classes.index(name) for name in test_labels])


def seen_as(photo, kind):
    return photo if kind == "clear" else photos.domain(photo, kind)


above = [Panel(train[name][0], name) for name in classes[:6]]
below = [Panel(seen_as(test_images[0], kind), f"test: {kind}") for kind in KINDS]
show_figure(
    f"Above, a photo to learn from of {', '.join(classes[:6])}. "
    f"Below, one test photo in the domains {', '.join(KINDS)}.",
    panels([above, below], size=(8, 4)),
)
print(
    f"{len(images)} photos to learn from, {len(test_images)} to test on, each in {len(KINDS)} "
    f"domains, K = {len(classes)} classes"
)

# %% [markdown]
# **What you should see.** One train photo of each class (six at most), and below them one test photo in each domain.

# %%
from gallop.features.encoding import encode_photos

# global (B, D), regions (B, R, V): the backbone runs once
features, _ = encode_photos(mini, images)
test_features = {
    kind: encode_photos(mini, [seen_as(photo, kind) for photo in test_images])[0]
    for kind in KINDS
}

# %% [markdown]
# ## What prompt dropout does
#
# In each training step, for each photo, prompt dropout keeps a few of the $M$ global prompts, drawn at random, and
# leaves the others out of the loss. With dropout $p$ it keeps
#
# $$\max\big(M - \lfloor p M \rfloor, \; 1\big)$$
#
# prompts, without replacement. The paper takes $p = 0.75$: one of four is kept. It acts in training only; at test
# time all prompts work together.

# %%
from gallop import GalLoPClassifier, MethodConfig

for p in (0.0, 0.25, 0.5, 0.75, 0.9):
    print(
        f"M = 4, p = {p:4}: {max(4 - int(p * 4), 1)} kept; "
        f"the library: {MethodConfig(dropout=p).kept_prompts}"
    )

# %%
# From scratch: for each photo, the first few of a random order of the prompts
M, kept_count, B = 4, 1, 12
generator = torch.Generator().manual_seed(0)
my_kept = torch.rand(B, M, generator=generator).argsort(dim=1)[:, :kept_count]  # (B, kept)

# %%
import matplotlib.pyplot as plt

from gallop.core.gallop import draw_kept_prompts, gallop_loss
from gallop.lab.tutorial.charts import line_chart, number_table

library_kept = draw_kept_prompts(B, M, kept_count, torch.Generator().manual_seed(0))
assert torch.equal(my_kept, library_kept)


def kept_table(p):
    """(B, M): 1 where a prompt is kept for a photo."""
    count = MethodConfig(dropout=p).kept_prompts
    drawn = draw_kept_prompts(B, M, count, torch.Generator().manual_seed(0))
    return torch.zeros(B, M).scatter(1, drawn, 1.0)


numbers = [f"{i + 1}" for i in range(B)]
figure, axes = plt.subplots(1, 3, figsize=(8, 3), layout="constrained")
for axis, p in zip(axes, (0.25, 0.5, 0.75), strict=True):
    number_table(
        kept_table(p),
        numbers,
        numbers[:M],
        limits=(0, 1),
        labels=("prompt", "photo"),
        title=f"p = {p}",
        axis=axis,
    )
show_figure(
    "Which of 4 prompts are kept for each of 12 photos: three bright cells in a row at p = 0.25, "
    "two at 0.5, one at 0.75.",
    figure,
)

# %% [markdown]
# **What you should see.** Bright = kept. Three, two and one bright cell in each row. Which prompts they are differs
# from photo to photo. A running notebook has a slider for $p$ below; the site has the three pictures above.

# %%
import ipywidgets as widgets
from IPython.display import display

p_slider = widgets.FloatSlider(value=0.75, min=0, max=0.95, step=0.05, description="dropout p")
drawn = widgets.HTML()


def show_draw(change=None):
    rows = [
        "".join("■ " if cell else "□ " for cell in row)
        for row in kept_table(p_slider.value).tolist()
    ]
    drawn.value = "<pre>" + "\n".join(rows) + "</pre>"


p_slider.observe(show_draw, "value")
show_draw()
display(widgets.VBox([p_slider, drawn]))

# %% [markdown]
# ### With or without replacement
#
# The paper's text speaks of a *subset* of the prompts, and a subset has each of them once. The paper's code draws
# **with** replacement: a prompt may be drawn twice, and then counts twice in the mean of the next section. Where one
# prompt is kept, as with the paper's $p = 0.75$ and $M = 4$, there is nothing to draw twice, and both are one. We draw
# for 10,000 photos in both ways.

# %%
for p in (0.25, 0.5, 0.75):
    count, many = MethodConfig(dropout=p).kept_prompts, 10_000
    generator = torch.Generator().manual_seed(0)
    draws = {
        "without": draw_kept_prompts(many, M, count, generator),
        "with": torch.randint(M, (many, count), generator=generator),
    }
    for way, prompts in draws.items():
        different = torch.zeros(many, M).scatter(1, prompts, 1.0).sum(dim=1)
        each = torch.bincount(prompts.flatten(), minlength=M) / many
        print(
            f"p = {p:4}, {way:>7} replacement: {different.mean():.2f} different prompts a photo, "
            f"each prompt {each.min():.2f} to {each.max():.2f} times"
        )

# %% [markdown]
# **What you should see.** Within a line each prompt has its turn equally often, but for chance. With $p = 0.75$ there
# is one prompt a photo in both ways. With $p = 0.5$, two draws with replacement give 1.75 different prompts on average,
# since one time in four the second is the first one again; with $p = 0.25$ three draws give 2.31 instead of 3. So the
# library, which draws without, does what the paper's code does at the paper's settings, and what its text says at all
# others.

# %% [markdown]
# ## The loss
#
# $\cos_{b,c,m}$ is the cosine of photo $b$ with class $c$ and prompt $m$, $s$ the logit scale, $S_b$ the set that is
# kept for photo $b$, and $y_b$ its class. The mean over the kept prompts goes into a cross-entropy:
#
# $$\mathcal L_\text{global} = \frac1B \sum_b -\log \frac{\exp(s \, \bar c_{b, y_b})}{\sum_c \exp(s \, \bar c_{b,c})},
# \qquad \bar c_{b,c} = \frac{1}{|S_b|} \sum_{m \in S_b} \cos_{b,c,m} .$$

# %%
from gallop.model.prompted import PromptModel

fresh = PromptModel(
    mini, classes, MethodConfig(global_prompts=M, topk=())
)  # nothing learned yet
with torch.no_grad():
    # (B, K, M) of real photos
    cosines = fresh.similarities(features, fresh.text_features()).image_cosines.cpu()
kept = draw_kept_prompts(len(images), M, 1, torch.Generator().manual_seed(0))  # (B, 1)
s = mini.logit_scale

# %%
# From scratch: the loss with prompt dropout, photo by photo
my_loss = 0.0
for b in range(len(cosines)):
    mean = cosines[b][:, kept[b]].mean(dim=1)  # (K,) over the kept prompts
    my_loss -= (s * mean).log_softmax(dim=0)[targets[b]] / len(cosines)

# %%
import numpy as np

no_local = cosines.new_zeros(len(cosines), len(classes), 0)  # N = 0
library_loss = gallop_loss(cosines, no_local, targets, s, kept).total
torch.testing.assert_close(my_loss, library_loss, atol=1e-4, rtol=1e-4)
print(f"loss {library_loss:.4f}; a guess has {np.log(len(classes)):.4f}")

# %% [markdown]
# **What you should see.** No error. ("A guess": the same probability for all classes, $\log K$.)

# %% [markdown]
# ## Why the prompts stay equal without dropout
#
# All contexts start from the same words. Without dropout each of them enters the loss in the same way. So each gets
# the same derivative, makes the same step, and is still equal to the others after it. Four times the work, one
# prompt.
#
# With dropout each prompt answers for other photos, and the derivatives differ. We ask the library's model for them.


# %%
def derivatives(p):
    """The derivative of the loss by each global context, (M, C, T), at the start."""
    config = MethodConfig(global_prompts=M, topk=(), dropout=p)
    model = PromptModel(mini, classes, config)
    kept = draw_kept_prompts(
        len(images), M, config.kept_prompts, torch.Generator().manual_seed(0)
    )
    model.loss(features, targets, kept)[0].total.backward()
    return model.prompts.global_contexts.grad.cpu()


for p in (0.0, 0.75):
    g = derivatives(p)
    apart = (g - g.mean(dim=0)).norm() / g.norm()
    print(f"p = {p}: the {M} derivatives lie apart by {apart:.1%} of their length")

# %% [markdown]
# **What you should see.** Nothing (up to rounding) without dropout; a good part with it.

# %% [markdown]
# ## Train with and without
#
# Now two trainings for each seed, with the same photos: $p = 0$ and $p = 0.75$. (`calibration_folds=0` leaves out a
# step that notebook 07 explains.) Along the way we record the **overlap** of the prompts: the mean cosine between the
# text features of two different prompts of the same class.


# %%
# From scratch: overlap of M prompts
def overlap(text):  # (K, M, D) -> one number
    unit = text / text.norm(dim=2, keepdim=True)
    between = torch.einsum("kmd,knd->mn", unit, unit) / len(unit)  # (M, M), mean over classes
    others = ~torch.eye(len(between), dtype=torch.bool)
    return float(between[others].mean()), between


# %%
from gallop.features.cache import MemoryCache

cache = MemoryCache()  # photos are encoded once for all trainings
curves, models = {}, {}
for p in (0.0, 0.75):
    for seed in range(SEEDS):
        settings = {"global_prompts": M, "topk": (), "dropout": p, "method": MethodConfig()}
        training = {"epochs": EPOCHS, "calibration_folds": 0, "cache": cache}
        classifier = GalLoPClassifier(mini, seed=seed, **settings, **training)
        curve = []
        for event in classifier.fit_steps(images, labels):
            if getattr(event, "end_of_epoch", False):
                with torch.no_grad():
                    curve.append(overlap(classifier.model_.text_features().global_.cpu())[0])
        curves[p, seed], models[p, seed] = curve, classifier.model_

# %%
ends = {p: [curves[p, seed][-1] for seed in range(SEEDS)] for p in (0.0, 0.75)}
for p, overlaps in ends.items():
    print(f"p = {p:4}  overlap at the end: {min(overlaps):.3f} to {max(overlaps):.3f}")
show_figure(
    "Overlap of the prompts over the epochs, a line for each seed: "
    f"1 without dropout, falling to {np.mean(ends[0.75]):.3f} with p = 0.75.",
    line_chart(
        range(1, EPOCHS + 1),
        {f"p = {p}": np.transpose([curves[p, seed] for seed in range(SEEDS)]) for p in ends},
        colours=("#4477aa", "#cc6677"),
        labels=("epoch", "overlap"),
    ),
)

# %% [markdown]
# **What you should see.** Without dropout the overlap is 1 from the first epoch to the last: one prompt, four times.
# With dropout it falls: the prompts become different. Each thin line is one seed.

# %%
with torch.no_grad():
    tables = [overlap(models[p, 0].text_features().global_.cpu())[1] for p in (0.0, 0.75)]
limits = float(tables[1].min()), 1
figure, axes = plt.subplots(1, 2, figsize=(7, 3), layout="constrained")
titles = "p = 0.0: cosine between prompts", "p = 0.75"
for axis, title, table in zip(axes, titles, tables, strict=True):
    number_table(table, numbers[:M], numbers[:M], limits=limits, title=title, axis=axis)
figure.colorbar(axes[-1].images[0], ax=axes, label="cosine")
show_figure(
    "Cosines between four prompts. Without dropout all are 1. With it they are 1 on the diagonal "
    f"and as low as {tables[1].min():.3f} beside it.",
    figure,
)

# %% [markdown]
# **What you should see.** One colour on the left. On the right a bright diagonal (each prompt with itself) and darker
# cells around it.

# %% [markdown]
# ## What the ensemble gains
#
# Different prompts make different mistakes; their mean evens them out. We measure on the test photos, for each seed:
#
# * **one prompt**: the mean of what the $M$ prompts reach alone,
# * **ensemble**: what the mean of their cosines reaches.
#
# The gain is the difference. For the *loss* it is never negative, and that is a fact, not luck: cross-entropy is
# convex in the cosines, so the loss of a mean is at most the mean of the losses (Jensen's inequality). For the
# *accuracy* there is no such law.


# %%
import torch.nn.functional as F


def measure(model, kind):
    """Accuracy and loss on the test photos: (one prompt, ensemble) each."""
    with torch.no_grad():
        similarities = model.similarities(test_features[kind], model.text_features())
        cosines = similarities.image_cosines.cpu()  # (B, K, M)
    single, together = cosines.unbind(dim=2), cosines.mean(dim=2)
    right = [
        float((c.argmax(dim=1) == test_targets).float().mean()) for c in (*single, together)
    ]
    loss = [float(F.cross_entropy(s * c, test_targets)) for c in (*single, together)]
    return np.mean(right[:-1]), right[-1], np.mean(loss[:-1]), loss[-1]


# (seeds, domains, 4)
results = {
    p: np.array([[measure(models[p, seed], k) for k in KINDS] for seed in range(SEEDS)])
    for p in (0.0, 0.75)
}
for p, measures in results.items():
    # Jensen, for every seed and domain
    assert (measures[..., 2] - measures[..., 3] > -1e-5).all()
    for kind, line in zip(
        ("all", *KINDS), (measures.mean(axis=(0, 1)), *measures.mean(axis=0)), strict=True
    ):
        one, both, one_loss, both_loss = line
        print(
            f"p = {p:4} {kind:7} right: one {one:5.1%}, ensemble {both:5.1%};  "
            f"loss: one {one_loss:.3f}, ensemble {both_loss:.3f}"
        )
better = (results[0.75].mean(axis=1)[:, 3] < results[0.0].mean(axis=1)[:, 3]).sum()
print(f"with dropout the ensemble's loss is the lower one for {better} of {SEEDS} seeds")

# %%
# (seeds, 4)
over_domains = {f"p = {p}": measures.mean(axis=1) for p, measures in results.items()}
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained")
for axis, what, column in zip(axes, ("accuracy", "loss"), (0, 2), strict=True):
    for at, measures, colour in zip(
        (0, 2), over_domains.values(), ("#4477aa", "#cc6677"), strict=True
    ):
        axis.plot([at, at + 0.8], measures[:, column : column + 2].T, "o-", color=colour)
    ticks = [f"{end}\n{p}" for p in over_domains for end in ("one", "ensemble")]
    axis.set_xticks([0, 0.8, 2, 2.8], ticks)
    axis.set_ylabel(what)
show_figure(
    "Accuracy and loss of one prompt and of the ensemble, a line for each seed: flat without "
    "dropout; with it the loss falls from one prompt to the ensemble for every seed.",
    figure,
)

# %% [markdown]
# **What you should see.** On the left of each picture flat lines: without dropout the ensemble is one prompt. With
# dropout the loss falls from one prompt to the ensemble for every seed and in every domain, as it must. The accuracy
# may rise or fall. So look at all seeds, never at one.
#
# Now compare the two *ends* in the printed lines, the ensemble with dropout and the ensemble without. Dropout gives
# each single prompt less training, and the ensemble has to make up for that first. With the sample it makes up for
# more than that: its loss is the lower one on clear photos and in all three other domains, 0.527 against 0.541 in
# all. That is a small gain, and not one for every seed: the one that learned worst without dropout gains most. And
# plainly: **in the accuracy no benefit is seen**, 79.3% against 79.0%. What is seen for certain is what dropout is
# for: prompts that differ, so that there is an ensemble at all, whose mistakes are less sure. The paper measures
# gains in accuracy with it, on tasks with many more classes, as means over many data sets and with local prompts
# beside the global ones.

# %% [markdown]
# ## Which part of a thing does each prompt look at?
#
# A global prompt sees the entire photo. But one can ask every region how like it is to the prompt's text; with
# `mini` the mean over the regions is the global score, up to a constant factor (notebook 03, exercise 1). So such a map
# shows which part of the thing a global prompt relies on. Where do four prompts that were trained with dropout differ?
# We take the test photos in turn, and for each the map of its class.

# %%
chosen_model = models[0.75, 0]
with torch.no_grad():
    text = chosen_model.text_features().global_.cpu()  # (K, M, D)
of_encoder = mini.vision.region_projection  # (V, D) of a ViT; `mini` has none, V = D
delta = mini.damping.region
grid = mini.vision.grid
regions = test_features["clear"].regions  # (B, R, V)
if of_encoder is not None:
    regions = regions @ of_encoder.detach().cpu()


# %%
# From scratch: the map of every global prompt, and how far the prompts disagree at each region
def prompt_maps(r, t):  # (R, D), (M, D) -> (M, R)
    r = r / r.square().sum(dim=1, keepdim=True).sqrt().clamp(min=delta)
    return (t / t.norm(dim=1, keepdim=True)) @ r.T


maps = torch.stack(
    [prompt_maps(r, text[c]) for r, c in zip(regions, test_targets, strict=True)]
)  # (B, M, R)
disagree = maps.std(dim=1)  # (B, R)

# %%
rows_of_panels = []
for i in (0, len(test_images) - 1):
    limits = float(maps[i].min()), float(maps[i].max())
    crop = mini.preprocess.centre(test_images[i].image)[1]  # what the model saw
    square = test_images[i].image.crop((crop.left, crop.top, crop.right, crop.bottom))
    row = [Panel(square, test_labels[i])]
    row += [Panel(maps[i, m].reshape(grid), f"prompt {m + 1}", limits) for m in range(M)]
    apart = disagree[i].reshape(grid)
    rows_of_panels.append([*row, Panel(apart, "where they disagree", colours="magma")])
show_figure(
    "Two test photos, the maps of the four prompts for the photo's class, and how much the "
    "prompts disagree at each region.",
    panels(rows_of_panels, size=(12, 4.4)),
)


# %%
def on_thing(weights, photo):
    """Return the fraction of the weights (R,) on the thing, and the fraction of the area that it fills."""
    mask, crop = photos.thing_mask(photo), mini.preprocess.centre(photo.image)[1]
    if mask is None:
        return None
    rows, columns = np.indices(grid).reshape(2, -1)
    y = crop.top + (rows + 0.5) / grid[0] * (crop.bottom - crop.top)
    x = crop.left + (columns + 0.5) / grid[1] * (crop.right - crop.left)
    inside = mask[y.astype(int), x.astype(int)]
    return float((weights * inside).sum() / weights.sum()), inside.mean()


pairs = [on_thing(d.square().numpy(), p) for d, p in zip(disagree, test_images, strict=True)]
if None not in pairs:  # only the sample's photos have masks
    there, area = np.mean(pairs, axis=0)
    print(
        f"{there:.0%} of the prompts' disagreement lies on the thing, "
        f"which fills {area:.0%} of what the model sees"
    )
else:
    print("For your photos there is no mask of the thing.")

# %% [markdown]
# **What you should see.** Four maps of each photo that look nearly alike: all four prompts are those of the same class.
# What differs is little, but with the sample it does not lie just anywhere. Of the prompts' disagreement (the squared
# spread of their four cosines) 38% lies on the thing, which fills 15% of what the model sees, and much of the rest
# beside it. So the prompts differ above all in how much each *part of the thing* counts: of this candle the lower half
# of the stick, of this vase the flowers and the neck. They differ less in what they make of the table and the wall. The
# mean over them evens that out.

# %% [markdown]
# ## Choose the ensemble yourself
#
# The prompts of seed 0, trained with dropout. Choose which of them vote (hold Ctrl for several; this needs a running
# kernel).

# %%
with torch.no_grad():
    # (B, K, M) of all domains, one after the other
    votes = torch.cat(
        [
            chosen_model.similarities(
                encoded, chosen_model.text_features()
            ).image_cosines.cpu()
            for encoded in test_features.values()
        ]
    )
truth = test_targets.repeat(len(KINDS))


def accuracy_of(members):
    answers = votes[:, :, list(members)].mean(dim=2).argmax(dim=1)
    return float((answers == truth).float().mean())


# %%
members = widgets.SelectMultiple(
    options=[(f"prompt {m + 1}", m) for m in range(M)], value=(0,), description="voting"
)
verdict = widgets.Label()


def show_verdict(change=None):
    verdict.value = (
        f"accuracy {accuracy_of(members.value):.1%}"
        if members.value
        else "choose at least one prompt"
    )


members.observe(show_verdict, "value")
show_verdict()
display(widgets.HBox([members, verdict]))

# %%
from itertools import combinations

by_size = {
    n: [accuracy_of(some) for some in combinations(range(M), n)] for n in range(1, M + 1)
}
for n, right in by_size.items():
    print(f"{n} voting: {min(right):.1%} to {max(right):.1%}, mean {np.mean(right):.1%}")
figure, axis = plt.subplots(figsize=(6, 2.6), layout="constrained")
means = [np.mean(right) for right in by_size.values()]
axis.plot(list(by_size), means, color="#4477aa", marker="o", label="mean")
for n, right in by_size.items():
    label = "one choice" if n == 1 else None
    axis.plot([n] * len(right), right, "_", color="black", label=label)
axis.set(xlabel="prompts that vote", ylabel="accuracy", xticks=list(by_size))
axis.legend(fontsize=8)
show_figure(
    "Accuracy of every choice of voters, a mark each over their number, with the mean as a line.",
    figure,
)

# %% [markdown]
# **What you should see.** Each mark is one choice of voters. Single prompts are spread out; the more vote, the closer
# the marks. With the sample the mean tends to rise to the right; there it is highest with three voters. The best
# single prompt may lie above the ensemble, but you could not know beforehand which one it is.

# %% [markdown]
# ## Quiz
#
# 1. Why do four global prompts stay equal without dropout?
#
#    - a) The learning rate is too small to part them.
#    - b) They start equal, and each gets the same derivative at every step.
#    - c) The backbone is frozen.
#
# <details><summary>Answer</summary>
#
# **b)** The loss treats them all alike, so nothing ever makes one differ from another.
#
# - a) A larger step moves all of them further. Does it move one of them in a different direction?
# - c) It is frozen with dropout, too, and there the prompts do become different.
#
# The cells under “Why the prompts stay equal without dropout” show it.
#
# </details>
#
# 2. At p = 0.5 two of four prompts are drawn with replacement. How many different ones has a photo on average?
#
#    - a) Two.
#    - b) One and a half.
#    - c) 1.75.
#
# <details><summary>Answer</summary>
#
# **c)** One time in four the second draw is the first one again, and then there is one instead of two.
#
# - a) That is without replacement. What if the second draw is the first prompt again?
# - b) How likely is it that the second draw hits the same one of four?
#
# The cells under “With or without replacement” show it.
#
# </details>
#
# 3. The ensemble of different prompts and its single prompts are compared. What is sure beforehand?
#
#    - a) The ensemble's loss is at most the mean of the single ones.
#    - b) The ensemble is right more often than a single prompt.
#    - c) The ensemble is better than one that was trained without dropout.
#
# <details><summary>Answer</summary>
#
# **a)** Cross-entropy is convex in the cosines. This is Jensen's inequality, not luck.
#
# - b) In some of the printed domains it is not. There is no such law for the accuracy.
# - c) Count the seeds for which it is; the last line that is printed says it.
#
# The cells under “What the ensemble gains” show it.
#
# </details>

# %% [markdown]
# ## Exercises
#
# 1. Could one get different prompts without dropout?
#
# <details><summary>Answer</summary>
#
# Yes: start the contexts from different words or with noise, or add a term to the loss that pushes them apart.
# Dropout needs neither: every context starts from the same good words, and no further weight has to be tuned. What
# this library teaches `mini` by default, when nothing is set, does both beside dropout: `starts` are four kinds of
# photo, and `diversity` is 0.3. Its prompts are far more different than those of this notebook, which has the paper's
# settings.
#
# </details>
#
# 2. With $M = 4$ and $p = 0.75$, how often is a certain prompt trained on a certain photo in 200 epochs?
#
# <details><summary>Answer</summary>
#
# It is kept with probability 1/4 each time, independently: 50 times on average. Each prompt still sees every photo;
# only not at the same time as the others.
#
# </details>
#
# 3. Why does the paper drop global prompts only, not local ones?
#
# <details><summary>Answer</summary>
#
# The loss has a cross-entropy for each local prompt, at its scale $k$, so each gets another derivative (notebook 06)
# and none can lean on the others. That they *may* differ does not mean that they do: their texts can stay nearly the
# same, and then $k$ is all that tells them apart. `classifier.prompts.diversity()` says what became of them; with
# `mini` and the paper's settings it is mostly that.
#
# </details>
#
# **Next:** [06, training](06_training.ipynb): the whole loss, term by term, and how many shots one needs.
