# %% [markdown]
# # 03 · Sparse top-k and scales
#
# **Goals.** After this notebook you can turn a region map into one score; say what a small and what a large $k$ sees;
# and show what the local projection learns.
#
# **Time.** About a minute of computing, 25 minutes of reading. No network, no GPU. (What the text
# says of results is about the full run on the sample; with `FAST=1` trainings are cut short, and end elsewhere.)
#
# **Seed.** 0, for the few photos that are learned from and for the training.
#
# **You need.** [Notebook 02](02_regions.ipynb): regions and region maps.

# %%
from gallop.runtime.process import prepare

prepare()  # before torch is loaded

from gallop import GalLoPClassifier, MethodConfig
from gallop.lab.tutorial import frozen_backbone, photos, show_figure

BACKBONE = "mini"  # or CLIP itself, "ViT-B-16/openai": notebook 01 says what then changes
METHOD = MethodConfig()  # GalLoP as the paper has it, and nothing beside it
mini = frozen_backbone(BACKBONE)
collection = photos.by_class()
names = list(collection)
photo = collection[names[0]][0]
explanation = GalLoPClassifier(mini, method=METHOD).zero_shot(names).explain(photo)
best = explanation.label  # the name that wins
s = mini.logit_scale

# %% [markdown]
# ## From a map to one number
#
# Notebook 02 left us with $R$ cosines for each name: one for each region. A classifier needs **one** score for each
# name. GalLoP takes the mean of the $k$ best regions and drops all others. For class $c$ and local prompt $n$, the
# **local score**:
#
# $$\ell_{c,n} = \frac{1}{k_n} \sum_{i \,\in\, \text{top-}k_n} \cos(\mathbf r_i, \mathbf t_{c,n}).$$
#
# Each class has *different* best regions. $k_n$ is called a **scale** (which has nothing to do with the logit scale
# $s$); each of the $N$ local prompts has one. The paper uses $N = 4$ and $k = 5, 10, 15, 20$.

# %%
import torch

# (R, K) for local prompt 1
cosines = torch.from_numpy(
    explanation.similarities.looks[0].region_cosines[0, :, :, 0].numpy()
)
R, K = cosines.shape
print(f"{R} regions, {K} names")

# %%
# From scratch: sort, then take running means; row k - 1 is the score for scale k
# (R, K), best region of each class first
in_order = cosines.sort(dim=0, descending=True).values
my_scores = in_order.cumsum(dim=0) / torch.arange(1, R + 1)[:, None]  # (R, K)

# %%
for k in (1, 5, 10, 20, R):
    # (K,)
    library_scores = torch.from_numpy(explanation.with_topk([k] * 4).local_scores[:, 0])
    torch.testing.assert_close(my_scores[k - 1], library_scores, atol=1e-5, rtol=0)
print("Equal to the library's for k = 1, 5, 10, 20 and", R)

# %% [markdown]
# **What you should see.** No error. `with_topk` needed no network: the $R \times K$ cosines are all there is to know.

# %% [markdown]
# ## k from 1 to all

# %%
import matplotlib.pyplot as plt

from gallop.lab.tutorial.charts import line_chart, number_table

probability_by_k = (s * my_scores).softmax(dim=1)  # (R, K)
top = my_scores[9].argsort(descending=True)[:6].tolist()  # the best names at k = 10
figure, axes = plt.subplots(1, 2, figsize=(11, 3.2), layout="constrained")
curves = {"score": my_scores, "probability": probability_by_k}
for axis, (what, curve) in zip(axes, curves.items(), strict=True):
    line_chart(
        range(1, R + 1),
        {names[c]: curve[:, c] for c in top},
        log=True,
        dotted={"": METHOD.topk},
        labels=("k, logarithmic", what),
        legend="beside" if what == "probability" else "",
        axis=axis,
    )
show_figure(
    f"Score (left) and probability (right) of {len(top)} names over k, from 1 to {R}. Every score "
    "falls as k grows; dotted lines mark k = 5, 10, 15 and 20.",
    figure,
)

# %% [markdown]
# **What you should see.** On the left every line falls: a mean of the best few can only shrink when worse ones come
# in. With $k = R$, at the right end, the score is the mean over the entire map, background included, and the lead of
# the winner usually gets smaller there (right picture). The dotted lines are the paper's four scales: a small part of
# all regions. That is why the paper calls the score **sparse**.

# %% [markdown]
# ## Sparse also means: only k regions for each class have a say
#
# What does the training tell a region? First the derivative of one class's score by each cosine, from scratch:

# %%
# From scratch: the derivative of a top-k mean
k = 10
winner = names.index(best)
leaves = cosines[:, winner].clone().requires_grad_()  # (R,)
leaves.topk(k).values.mean().backward()
print("regions with a derivative:", int((leaves.grad != 0).sum()), "of", R)
print(f"its value there: {leaves.grad.max():.3f} = 1 / k")

# %%
# the k regions, best first
library_boxes = explanation.with_topk([k] * 4).regions(best, prompt=0)
assert {box.region for box in library_boxes} == set(leaves.grad.nonzero()[:, 0].tolist())
print(
    "The library outlines exactly these regions:",
    explanation.with_topk([k] * 4).describe(best, prompt=0),
)

# %% [markdown]
# **What you should see.** $k$ regions with the derivative $1/k$, all others with none.
#
# That is one class. The loss has all classes in it, and through the softmax the scores of the wrong ones count as well.
# So we take the derivative of the loss.

# %%
import torch.nn.functional as F

# From scratch: the derivative of the loss, with all classes in it
leaves = cosines.clone().requires_grad_()  # (R, K)
logits = s * leaves.topk(k, dim=0).values.mean(dim=0)  # (K,)
F.cross_entropy(logits[None], torch.tensor([winner])).backward()
for c, name in enumerate(names):
    touched = leaves.grad[:, c].nonzero()
    print(f"{name:20} {len(touched)} regions, each {leaves.grad[:, c].sum() / k:+.1e}")

# %% [markdown]
# **What you should see.** $k$ regions for each name. The sign is negative for the photo's class: a step downhill
# raises the cosines of its regions. It is positive for every other name: those regions are pushed away from it, the
# more so the more probable that name was. So a photo of a cat on a sofa teaches what "cat" means by the cat's regions.
# The sofa's have a say only where they are among the best $k$ of some other name, and what they say there is: not this
# one.

# %% [markdown]
# ## What each scale sees
#
# The photo, and one map for each scale with exactly the regions that entered its score.
# (`plot_explanation(explanation)` draws them beside the scores of the global prompts, which do not differ before
# training: see notebook 07.)

# %%
from gallop.lab.tutorial.panels import Panel, panels
from gallop.maps.map_style import Style, Subject
from gallop.maps.pictures import map_picture

seen = Subject(explanation.with_topk([1, 5, 20, R // 2]), best)
row = [Panel(photo, best)]
for n, (k, score) in enumerate(
    zip(seen.explanation.topk, seen.explanation.local_scores[winner], strict=True)
):
    row.append(
        Panel(map_picture(seen, n, style=Style(drawn="Cells")), f"k = {k}: {score:.3f}")
    )
show_figure(
    f"The photo, and four maps of '{best}': 1, 5, 20 and {R // 2} regions are outlined, and the "
    "mean score falls.",
    panels([row], size=(13, 2.2)),
)

# %% [markdown]
# **What you should see.** Four times the same map (nothing is learned yet, so all local prompts are equal), and more
# and more regions outlined: first one spot, then a few patches that need not touch, then half of what the model sees.
# The mean score above each map falls with $k$.
#
# Now with your hand (on the site, or with a running kernel): move $k$, and the line below it says the mean of the
# outlined regions. Every figure follows, the answer too.
#
# <!-- explainer: tutorial -->

# %%
from gallop.maps.explainer.state import ExplainerState
from gallop.maps.explainer.widget import Explainer

explainer = Explainer(explanation, state=ExplainerState(best, style=Style(drawn="Cells")))
explainer

# %% [markdown]
# ## Small things need a small k
#
# We make the object smaller: each photo is shrunk and pasted on gravel. How probable is its class, by the global
# prompt (entire photo) and by local prompts of different $k$?

# %%
import numpy as np
from PIL import Image, ImageOps

SIDE = 448
background = photos.sample("gravel").image.resize((SIDE, SIDE))
sizes, ks = (0.6, 0.4, 0.3, 0.2), (1, 5, 20, 60, R)
things = names[: 2 if photos.FAST else 7]
classifier = GalLoPClassifier(mini, method=METHOD).zero_shot(names)

table = np.zeros((len(sizes), 1 + len(ks)))
for i, size in enumerate(sizes):
    for name in things:
        side = int(SIDE * size)
        picture = background.copy()
        picture.paste(
            ImageOps.fit(collection[name][0].image, (side, side)), (SIDE // 8, SIDE // 8)
        )
        why = classifier.explain(picture)
        row = [why.global_probabilities[name]]
        row += [why.with_topk([k] * 4).local_probabilities[name] for k in ks]
        table[i] += np.array(row) / len(things)

# %%
columns_of_table = ["global", *[f"k = {k}" for k in ks]]
show_figure(
    "Mean probability of the right name, by the side of the thing (rows): "
    + "; ".join(
        f"{size:.0%}: global {row[0]:.0%}, "
        + ", ".join(f"k = {k} {value:.0%}" for k, value in zip(ks, row[1:], strict=True))
        for size, row in zip(sizes, table, strict=True)
    ),
    number_table(
        table,
        [f"{size:.0%} of the side" for size in sizes],
        columns_of_table,
        form="{:.0%}",
        limits=(0, 1),
        size=(7, 2.6),
        title=f"mean probability of the right name, {len(things)} photos pasted on gravel",
    ),
)

# %% [markdown]
# **What you should see.** With the seven sample photos: with smaller objects every column falls from its top row to its
# bottom one (not at every step in between), and a small $k$ keeps the largest part of what it had: at 20% of the side
# the object fills about three by three cells, and a small $k$ asks those and hardly any gravel. There a $k$ of 20 or
# less does better than the global prompt in every row. The last column has the lowest numbers, but mind why: for `mini`
# the mean over *all* regions is the global score again, times a constant below one (exercise 1), so the softmax is
# flatter. (With your photos, which `mini` may know less well, a row may be so low that there is nothing to compare.)
#
# With the sample the columns $k$ = 1, 5 and 20 hardly differ. So this table says that a few regions are better than the
# entire photo, and not that several scales are better than one. Notebook 09 has the other case: with a second, smaller
# thing in a corner, a large $k$ is better than the paper's small ones. It is not known in advance which case a
# photo is. So GalLoP takes several scales at once.

# %% [markdown]
# ## The local projection
#
# In CLIP, region features were never trained to be compared with text; only the entire photo was. So GalLoP learns one
# linear map for regions, the **local projection** $P$, of shape $(V, V)$ and without a bias:
#
# $$\mathbf r'_i = P \, \mathbf r_i, \qquad P = I \text{ at the start.}$$
#
# (In a ViT the image encoder's matrix $V \to D$ follows; in `mini` $V = D$ and nothing follows.) It is shared by
# all classes and all local prompts, and starts as the identity: before training nothing changes.
#
# To learn it, we need a few labelled photos. One such photo is called a **shot**; `few(shots=4)` gives four of
# each class, and others to test on. They are your photos, or crops of brick, grass and gravel: train crops come from
# the left half of each picture and test crops from the right. (`calibration_folds=0` leaves out a step that notebook 07
# explains.)

# %%
few = photos.few_shots if photos.custom_folder() else photos.texture_crops
train, test = few(shots=4, seed=0)
images, labels = photos.with_names(train)
# epochs, and how many pairs of photos are asked about
epochs, many = (8, 6) if photos.FAST else (30, 30)
taught = GalLoPClassifier(
    mini, epochs=epochs, calibration_folds=0, cache=False, seed=0, method=METHOD
)
taught.fit(images, labels)

classes = list(taught.classes_)
P = taught.model_.prompts.local_projection.detach().cpu()  # (V, V)
identity = torch.eye(len(P))
print(f"{len(images)} photos of {len(classes)} classes; P is {tuple(P.shape)}")
print(
    f"P differs from the identity by {(P - identity).norm() / identity.norm():.0%} of its norm"
)

# %% [markdown]
# **What you should see.** A matrix that has moved, but is still near the
# identity: the regions are turned a little towards the words.

# %% [markdown]
# ### Before and after, on a photo of two things
#
# We put two test photos side by side. A good map of a class is bright on the half of that class only. We look at prompt
# 2, since its $k$ is 10, which we need below. (In the code it is `prompt=1`, counted from 0. Before training all local
# prompts are equal; now they are not.)


# %%
def side_by_side(left, right):
    picture = Image.new("RGB", (SIDE, SIDE))
    picture.paste(ImageOps.fit(left.image, (SIDE // 2, SIDE)), (0, 0))
    picture.paste(ImageOps.fit(right.image, (SIDE // 2, SIDE)), (SIDE // 2, 0))
    return picture


untaught = GalLoPClassifier(mini, method=METHOD).zero_shot(classes)
first, second = classes[:2]
pair = side_by_side(test[first][0], test[second][0])
row = [Panel(pair, f"{first} | {second}")]
for when, model in (("before", untaught), ("after", taught)):
    seen = model.explain(pair)
    for name in (first, second):
        row.append(Panel(seen.region_scores(name, prompt=1), f"{name}, {when}"))
show_figure(
    f"A photo of {first} beside {second}, and the maps of both names before and after training.",
    panels([row], size=(13, 2.9)),
)

# %% [markdown]
# **What you should see.** With the sample photos, *after* the full training: the brightest cells of each map lie on the
# half of its class. From there the map fades gradually, without an edge where the photos meet: the image encoder lets
# neighbouring regions see much of each other. *Before* it this is not so for brick: its map is brighter on the grass.
# The colours of each map run from its lowest value to its highest: compare places, not colours. With
# your photos the maps may be clear before any training, where `mini` knows the names well; or stay unclear after it,
# where `mini` can hardly see the difference: line drawings, for one, with four shots.

# %% [markdown]
# ### Was it the prompts or the projection?
#
# For the maps training changed two things: $P$, and the local *contexts*. Those are the vectors that replace the
# words "A photo of a" (notebook 04), so the text vectors changed too. We take them apart: old or new text, with
# $I$ or with $P$. First the map with both, from scratch.

# %%
pixels, _ = mini.preprocess.centre(pair)
regions = mini.encode_image(pixels[None].to(mini.device))[1][0].cpu()  # (R, V)
with torch.no_grad():
    old_text = untaught.model_.text_features().local[:, 1].cpu()  # (K, D), local prompt 2
    new_text = taught.model_.text_features().local[:, 1].cpu()
delta = mini.damping.region  # notebook 02
of_encoder = mini.vision.region_projection  # (V, D) of a ViT; `mini` has none, V = D
W = torch.eye(len(P)) if of_encoder is None else of_encoder.detach().cpu()


# %%
# From scratch: project the regions, then cosines with the text
def region_maps(regions, P, text):  # (R, V), (V, V), (K, D) -> (R, K)
    projected = regions @ P.T @ W  # W: the encoder's matrix, after P
    lengths = projected.square().sum(dim=1, keepdim=True).sqrt().clamp(min=delta)
    return projected / lengths @ (text / text.norm(dim=1, keepdim=True)).T


my_maps = region_maps(regions, P, new_text)

# %%
after = taught.explain(pair)
for c, name in enumerate(classes):
    library_map = torch.from_numpy(after.region_scores(name, prompt=1)).flatten()
    torch.testing.assert_close(my_maps[:, c], library_map, atol=1e-4, rtol=0)
print("Equal to the library's maps.")

# %% [markdown]
# **What you should see.** No error. Now the four combinations, on many pairs. We count how many of the 10 best regions
# of the left photo's name lie on the left; which photo is on the left changes from pair to pair. Chance is a half.

# %%
pairs = [(a, b, i) for a in classes for b in classes if a != b for i in range(2)][:many]
doubles = [
    side_by_side(test[a][i % len(test[a])], test[b][i % len(test[b])]) for a, b, i in pairs
]
pictures = [mini.preprocess.centre(double)[0] for double in doubles]
# (pairs, R, V)
encoded = torch.cat([mini.encode_image(p[None].to(mini.device))[1].cpu() for p in pictures])
columns = mini.vision.grid[1]


def on_its_half(P, text):
    """Return which fraction of the 10 best regions of the left photo's class lies on the left."""
    hits = []
    for features, (left, _, _) in zip(encoded, pairs, strict=True):
        chosen = region_maps(features, P, text)[:, classes.index(left)].topk(10).indices
        hits.append((chosen % columns < columns // 2).float().mean())
    return float(torch.stack(hits).mean())


on_half = {
    "nothing learned": on_its_half(identity, old_text),
    "contexts only": on_its_half(identity, new_text),
    "projection only": on_its_half(P, old_text),
    "both, as trained": on_its_half(P, new_text),
}

# %%
figure, axis = plt.subplots(figsize=(7, 2.4), layout="constrained")
axis.barh(list(on_half), list(on_half.values()), color="#4477aa")
for place, value in enumerate(on_half.values()):
    axis.text(value, place, f" {value:.0%}", va="center", fontsize=9)
axis.invert_yaxis()
axis.set_xlim(0, 1.2 * max(on_half.values()))
axis.axvline(0.5, color="grey", linestyle=":", linewidth=1)
axis.set_xlabel(
    f"fraction of the 10 best regions on the half of their class, {len(pairs)} pairs"
)
show_figure(
    "Bars: fraction of the best regions on the half of their class. "
    + ", ".join(f"{what} {value:.0%}" for what, value in on_half.items()),
    figure,
)

# %% [markdown]
# **What you should see.** With the sample textures, after the full training, "both" is far above "nothing learned", and
# the projection does it: the new contexts alone change little or nothing here, the new projection alone brings about as
# much as both. So it is the regions that had to be turned, more than the words. (The dotted line is chance.) With other
# photos the fractions differ: where `mini` knows the names, all four bars may be near 100%, and where it sees little
# (line drawings), near chance. Contexts and projection were trained together, and belong together.

# %% [markdown]
# ## Quiz
#
# 1. k grows from 1 to the number of all regions. What does the local score of a class do?
#
#    - a) It falls, or stays as it is.
#    - b) It rises, since more regions speak.
#    - c) It rises up to the size of the thing and falls from there.
#
# <details><summary>Answer</summary>
#
# **a)** Each region that is added is at most as good as those already in. With all regions it is the mean of the map.
#
# - b) The score is a mean and not a sum. What does one more region do to it if it is worse than all the others?
# - c) That may be so of the right name's lead over others. The score itself is a mean of the best.
#
# The cells under “k from 1 to all” show it.
#
# </details>
#
# 2. For which regions has the top-k score of one class, with k = 10, a derivative that is not zero?
#
#    - a) For all of them, for the best ones the largest.
#    - b) For its 10 best, 1/10 each.
#    - c) For the best region alone.
#
# <details><summary>Answer</summary>
#
# **b)** Each of the ten contributes a tenth to the mean, and no other region does. The loss contains all classes, and
# so k regions for each.
#
# - a) Count those that enter the mean. What happens to it when another region changes a little?
# - c) So it is with k = 1.
#
# The cells under “Sparse also means: only k regions for each class have a say” show it.
#
# </details>
#
# 3. With the sample textures, after training, the best regions of two of them lie on their half of the photo. What
#    brought that about?
#
#    - a) The new contexts.
#    - b) Both together, and neither of them alone.
#    - c) The local projection.
#
# <details><summary>Answer</summary>
#
# **c)** Alone it achieves about as much as both. The regions had to change more than the words.
#
# - a) With the new texts and the old regions that fraction is hardly larger than with nothing learned.
# - b) With the textures, one of them alone achieves about as much as both. Look at the four bars (they may differ with
#   your photos).
#
# The cells under “Was it the prompts or the projection?” show it.
#
# </details>

# %% [markdown]
# ## Exercises
#
# 1. Two classes, $k = R$. Which simpler method is this, when the backbone is `mini`?
#
# <details><summary>Answer</summary>
#
# A global prompt, exactly, up to a factor. `mini` divides by the norm or by the damping, whichever is more (notebooks
# 01 and 02), and the norms of its regions and photos lie far below the damping. So before training every cosine is a
# dot product divided by a *constant*. The mean of the regions is the image feature (notebook 02), so the mean of their
# dot products is that of the photo. What is left is the factor: 46 / 120 = 0.38, the damping of photos over that of
# regions. Check: `explanation.with_topk([R] * 4).local_scores[:, 0] / explanation.global_scores[:, 0]` is the same
# number for every name. The winner is the same, but all differences are smaller, so it sounds less sure.
#
# With a plain cosine each region would first be divided by its length, and the two would only be similar.
#
# </details>
#
# 2. Is the winner at $k = 1$ always the winner at larger $k$?
#
# <details><summary>Answer</summary>
#
# No. One region can look like anything. In the first figure of this notebook, with the sample photo, the winner stays
# the winner, and only lines below it cross. Notebook 09 has photos where the first place changes: a small $k$ gives
# it to the intruder in the corner, a large $k$ to the larger thing.
#
# </details>
#
# 3. The projection has $V^2$ numbers, the contexts of four local prompts have $4 \cdot C \cdot T$ ($C$ vectors of $T$
#    numbers for each prompt, notebook 04). Why does $P$ start at the identity and not at random?
#
# <details><summary>Answer</summary>
#
# With random numbers the regions would no longer be comparable with text, and a few photos are too few to learn that
# again. From the identity the training starts at zero-shot quality. For `mini`, `P.numel()` is 262,144 and
# `taught.model_.prompts.local_contexts.numel()` is 4,096.
#
# </details>
#
# **Next:** [04, prompts](04_prompts.ipynb): what a context is, and how it passes the text encoder.
