# %% [markdown]
# # 05 · Prompt dropout and diversity
#
# **Goals.** After this notebook you can say what prompt dropout does; show why several prompts learn nothing new
# without it; and measure their overlap and what the ensemble gains.
#
# **Time.** One to two minutes of computing, 25 minutes of reading. No network, no GPU. (What the text says of results
# is about the full run; with `FAST=1` trainings are cut short, and end elsewhere.)
#
# **Seed.** 0 for the draws; the trainings use several seeds, from 0 on.
#
# **You need.** [Notebook 04](04_prompts.ipynb): contexts. What cross-entropy and stochastic gradient descent are.

# %%
from gallop.runtime.process import prepare

prepare()  # before torch is loaded

from itertools import combinations

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import photos
import torch
import torch.nn.functional as F
from IPython.display import display

from gallop import GalLoPClassifier, MethodConfig, load_backbone
from gallop.features.cache import MemoryCache
from gallop.features.encoding import encode_photos
from gallop.model.gallop import GalLoP
from gallop.model.losses import draw_kept_prompts, gallop_loss

mini = load_backbone("mini")
SEEDS = 2 if photos.FAST else 6
EPOCHS = 10 if photos.FAST else 30

# %% [markdown]
# ## The task
#
# Four photos a class to learn from, twenty to test on. The sample task is small crops of brick, grass and gravel;
# they are only 40 pixels wide, so that something is left to get wrong.
#
# To keep one idea at a time, we learn **global prompts only**, $M = 4$ of them (no local ones, $N = 0$).

# %%
train, test = photos.few_shots(shots=4, seed=0, size=40)
images, labels = photos.labelled(train)
test_images, test_labels = photos.labelled(test)
classes = list(train)
targets = torch.tensor([classes.index(name) for name in labels])  # (B,)
test_targets = torch.tensor([classes.index(name) for name in test_labels])

# global (B, D), regions (B, R, V): the towers run once
features, _ = encode_photos(mini, images)
test_features, _ = encode_photos(mini, test_images)

figure, axes = plt.subplots(1, min(len(classes), 7), figsize=(8, 2))
for axis, name in zip(axes, classes, strict=False):
    axis.imshow(train[name][0].image)
    axis.set_title(name, fontsize=9)
    axis.set_axis_off()
plt.show()
print(
    f"{len(images)} photos to learn from, {len(test_images)} to test on, "
    f"K = {len(classes)} classes"
)

# %% [markdown]
# **What you should see.** One train photo of each class.

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
library_kept = draw_kept_prompts(B, M, kept_count, torch.Generator().manual_seed(0))
assert torch.equal(my_kept, library_kept)


def kept_table(p):
    """(B, M): 1 where a prompt is kept for a photo."""
    count = MethodConfig(dropout=p).kept_prompts
    drawn = draw_kept_prompts(B, M, count, torch.Generator().manual_seed(0))
    return torch.zeros(B, M).scatter(1, drawn, 1.0)


figure, axes = plt.subplots(1, 3, figsize=(8, 3))
for axis, p in zip(axes, (0.25, 0.5, 0.75), strict=True):
    axis.imshow(kept_table(p), cmap="cividis", aspect="auto", vmin=0, vmax=1)
    axis.set_xticks(range(M), [f"{m + 1}" for m in range(M)])
    axis.set_yticks(range(B), [f"{b + 1}" for b in range(B)], fontsize=7)
    axis.set(xlabel="prompt", ylabel="photo", title=f"p = {p}")
figure.tight_layout()
plt.show()

# %% [markdown]
# **What you should see.** Bright = kept. Three, two and one bright cell in each row. Which prompts they are differs
# from photo to photo. (The slider below needs a running kernel.)

# %%
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
# ## The loss
#
# $\cos_{b,c,m}$ is the cosine of photo $b$ with class $c$ and prompt $m$, $s$ the logit scale, $S_b$ the set that is
# kept for photo $b$, and $y_b$ its class. The mean over the kept prompts goes into a cross-entropy:
#
# $$\mathcal L_\text{global} = \frac1B \sum_b -\log \frac{\exp(s \, \bar c_{b, y_b})}{\sum_c \exp(s \, \bar c_{b,c})},
# \qquad \bar c_{b,c} = \frac{1}{|S_b|} \sum_{m \in S_b} \cos_{b,c,m} .$$

# %%
fresh = GalLoP(mini, classes, MethodConfig(global_prompts=M, topk=()))  # nothing learned yet
with torch.no_grad():
    # (B, K, M) of real photos
    cosines = fresh.similarities(features, fresh.text_features()).global_
kept = draw_kept_prompts(len(images), M, 1, torch.Generator().manual_seed(0))  # (B, 1)
s = mini.logit_scale

# %%
# From scratch: the loss with prompt dropout, photo by photo
my_loss = 0.0
for b in range(len(cosines)):
    mean = cosines[b][:, kept[b]].mean(dim=1)  # (K,) over the kept prompts
    my_loss -= (s * mean).log_softmax(dim=0)[targets[b]] / len(cosines)

# %%
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
    model = GalLoP(mini, classes, config)
    kept = draw_kept_prompts(
        len(images), M, config.kept_prompts, torch.Generator().manual_seed(0)
    )
    model.loss(features, targets, kept)[0].total.backward()
    return model.prompts.global_contexts.grad


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
cache = MemoryCache()  # photos are encoded once for all trainings
curves, models = {}, {}
for p in (0.0, 0.75):
    for seed in range(SEEDS):
        settings = {
            "global_prompts": M,
            "topk": (),
            "dropout": p,
            "epochs": EPOCHS,
            "calibration_folds": 0,
        }
        classifier = GalLoPClassifier(mini, seed=seed, cache=cache, **settings)
        curve = []
        for event in classifier.fit_steps(images, labels):
            if getattr(event, "end_of_epoch", False):
                with torch.no_grad():
                    curve.append(overlap(classifier.model_.text_features().global_)[0])
        curves[p, seed], models[p, seed] = curve, classifier.model_

# %%
figure, axis = plt.subplots(figsize=(7, 2.8))
for (p, seed), curve in curves.items():
    label = f"p = {p}" if seed == 0 else None
    axis.plot(range(1, EPOCHS + 1), curve, color="#cc6677" if p else "#4477aa", label=label)
axis.set(xlabel="epoch", ylabel="overlap")
axis.legend()
plt.show()

# %% [markdown]
# **What you should see.** Without dropout the overlap is 1 from the first epoch to the last: one prompt, four times.
# With dropout it falls: the prompts become different. Each thin line is one seed.

# %%
figure, axes = plt.subplots(1, 2, figsize=(7, 3), layout="constrained")
with torch.no_grad():
    tables = [overlap(models[p, 0].text_features().global_)[1] for p in (0.0, 0.75)]
for axis, between, p in zip(axes, tables, (0.0, 0.75), strict=True):
    picture = axis.imshow(
        between, cmap="cividis", vmin=float(torch.stack(tables).min()), vmax=1
    )
    axis.set_xticks(range(M), [f"{m + 1}" for m in range(M)])
    axis.set_yticks(range(M), [f"{m + 1}" for m in range(M)])
    axis.set_title(f"p = {p}: cosine between prompts", fontsize=9)
figure.colorbar(picture, ax=axes)
plt.show()

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
def measure(model):
    """Accuracy and loss on the test photos: (one prompt, ensemble) each."""
    with torch.no_grad():
        cosines = model.similarities(test_features, model.text_features()).global_  # (B, K, M)
    single, together = cosines.unbind(dim=2), cosines.mean(dim=2)
    right = [
        float((c.argmax(dim=1) == test_targets).float().mean()) for c in (*single, together)
    ]
    loss = [float(F.cross_entropy(s * c, test_targets)) for c in (*single, together)]
    return np.mean(right[:-1]), right[-1], np.mean(loss[:-1]), loss[-1]


# (seeds, 4)
results = {
    p: np.array([measure(models[p, seed]) for seed in range(SEEDS)]) for p in (0.0, 0.75)
}
for p, found in results.items():
    one, both, one_loss, both_loss = found.mean(axis=0)
    gain, loss_gain = both - one, one_loss - both_loss
    print(f"p = {p:4}  accuracy: one prompt {one:.1%}, ensemble {both:.1%}, gain {gain:+.1%}")
    print(
        f"          loss: one {one_loss:.3f}, ensemble {both_loss:.3f}, gain {loss_gain:+.3f}"
    )
    assert (found[:, 2] - found[:, 3] > -1e-5).all()  # Jensen, for every seed

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained")
for axis, (one, both), label in zip(axes, ((0, 1), (2, 3)), ("accuracy", "loss"), strict=True):
    for place, (p, found) in enumerate(results.items()):
        axis.plot(
            [2 * place, 2 * place + 0.8],
            found[:, [one, both]].T,
            "o-",
            color="#cc6677" if p else "#4477aa",
        )
    axis.set_xticks(
        [0, 0.8, 2, 2.8],
        ["one\np = 0", "ensemble\np = 0", "one\np = 0.75", "ensemble\np = 0.75"],
    )
    axis.set_ylabel(label)
plt.show()

# %% [markdown]
# **What you should see.** On the left of each picture flat lines: without dropout the ensemble is one prompt. With
# dropout the loss falls for every seed, as it must. The accuracy mostly rises; on so few test photos it jumps about,
# and one photo is a visible step. So look at all seeds, never at one.
#
# Now compare the two *ends* in the printed lines, the ensemble with dropout and the ensemble without. Dropout gives
# each single prompt less training, so it is worse alone, and the ensemble has to make up for that first. With the
# sample photos it makes up for that and no more: the accuracies are equal or nearly so, and the loss is not better. So
# plainly: **here the benefit of dropout is not seen in the accuracy.** What is seen is what dropout is for: prompts
# that differ, so that there is an ensemble at all. The paper measures gains with that on tasks with many more classes
# and under a shift of domain (notebook 08), as means over many data sets and with local prompts beside the global ones.

# %% [markdown]
# ## Choose the ensemble yourself
#
# The prompts of seed 0, trained with dropout. Choose which of them vote (hold Ctrl for several; this needs a running
# kernel).

# %%
chosen_model = models[0.75, 0]
with torch.no_grad():
    # (B, K, M)
    votes = chosen_model.similarities(test_features, chosen_model.text_features()).global_


def accuracy_of(members):
    return float(
        (votes[:, :, list(members)].mean(dim=2).argmax(dim=1) == test_targets).float().mean()
    )


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
by_size = {
    n: [accuracy_of(some) for some in combinations(range(M), n)] for n in range(1, M + 1)
}
figure, axis = plt.subplots(figsize=(6, 2.6))
for n, found in by_size.items():
    axis.plot([n] * len(found), found, "o", color="#cc6677", alpha=0.5)
axis.plot(
    list(by_size), [np.mean(found) for found in by_size.values()], color="black", label="mean"
)
axis.set(xticks=range(1, M + 1), xlabel="prompts that vote", ylabel="accuracy")
axis.legend()
plt.show()

# %% [markdown]
# **What you should see.** Each dot is one choice of voters. Single prompts are spread out; the more vote, the closer
# the dots. The mean usually rises to the right. The best single prompt may lie above the ensemble, but you could not
# know beforehand which one it is.

# %% [markdown]
# ## Exercises
#
# 1. Could one get different prompts without dropout?
#
# <details><summary>Answer</summary>
#
# Yes: start the contexts from different words or with noise, or add a term to the loss that pushes them apart.
# Dropout needs neither: every context starts from the same good words, and no further weight has to be tuned.
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
# Local prompts are different already: each has a scale $k$ of its own, and so a score of its own (notebook 03), and the
# loss has a cross-entropy for each of them. Nothing makes them equal.
#
# </details>
#
# **Next:** [06, training](06_training.ipynb): the whole loss, term by term, and how many shots one needs.
