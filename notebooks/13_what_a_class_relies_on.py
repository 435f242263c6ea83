# %% [markdown]
# # 13 · What a class relies on
#
# **Goals.** After this notebook you can say what a class relies on over all its photos, and check that the shares add
# up. You can plant a cue that has nothing to do with the thing, find it without having been told, and test whether
# answers depend on it. And you know which photos to add so that they no longer do.
#
# **Time.** Half a minute to a minute of computing, 25 minutes of reading. No network, no GPU. (What the text says of
# results is about the sample.)
#
# **Seed.** 0.
#
# **You need.** Notebooks 03 (scales) and 09 (one wrong answer taken apart). One cell takes the mean of the regions for
# the feature of the photo, so the backbone is `mini` and cannot be chosen.

# %%
from gallop.runtime.process import prepare

prepare()  # before torch is loaded: two settings that make small steps fast on a laptop

from gallop import GalLoPClassifier, MethodConfig, load_backbone, load_image
from gallop.features.encoding import MemoryCache
from gallop.lab.tutorial import photos, show_figure

mini = load_backbone("mini", device="cpu")
cache = MemoryCache()
train, test = photos.few_shots(shots=8, seed=0)
names = list(train)  # K names


def taught(by_class):
    """GalLoP as the paper has it, and nothing beside it, learned from these photos."""
    settings = {"epochs": 15, "views": 1, "calibration_folds": 0, "seed": 0, "cache": cache}
    classifier = GalLoPClassifier(mini, method=MethodConfig(), **settings)
    return classifier.fit(*photos.with_names(by_class))


# %% [markdown]
# ## A class over all its photos
#
# A map explains one photo. What a *class* relies on shows over all of them: the thing, the table under it, or
# something that nobody thought of. `evidence` puts the regions of a class's photos into **clusters** of regions that
# look alike, and says how much each cluster adds to the score of the class.

# %%
from gallop.evaluation.evidence import evidence

classifier = taught(train)
found = evidence(classifier, *photos.with_names(test))
print(f"right: {found.accuracy.right} of {found.accuracy.of}")
print(found.to_frame().drop(columns="mistakes").round(3).to_string(index=False))

# %%
show_figure(
    f"A bar a class, for {', '.join(names)}, made of what its clusters add to its mean score, "
    "first the one whose regions add most each.",
    found.plot(),
)

# %% [markdown]
# **What you should see.** A row a cluster, and for each class a row "in no cluster". *adds* is in the unit of cosines,
# *share* is the same as a fraction of the score, *photos* are those in which the cluster is among the regions that
# decide. *words* are the nearest words of a small dictionary; where none is near, it says so. The bars are the same
# numbers. A cluster below zero speaks against its own class.
#
# Numbers do not say what a cluster *is*. Look at its regions: each white frame is one region, with what is around it.


# %%
from gallop.lab.tutorial.panels import Panel, panels
from gallop.maps.pictures import outlined, region_picture


def gallery(found, name, c, most=5):
    """The regions of a cluster that add most, one a photo."""
    some = []
    for region in found.of(name).clusters[c].gallery[:most]:
        image = load_image(found.data.photos[region.photo]).image
        crop = mini.preprocess.centre(image)[1]
        some.append(Panel(region_picture(image, *found.place(region.region), crop)))
    return some


def show_galleries(found, some):
    """A row a cluster, of pairs (class, number of the cluster)."""
    rows, pictures = [], []
    for name, c in some:
        cluster = found.of(name).clusters[c]
        rows.append(f"{name} {c + 1}: {cluster.share:.0%}")
        pictures.append(gallery(found, name, c))
    size = 1.5 * max(map(len, pictures)), 1.3 * len(rows)
    described = "Regions of clusters, a row each, with its share of the score: "
    show_figure(f"{described}{'; '.join(rows)}.", panels(pictures, size, names=rows))


def first_clusters(found, name, most):
    return [(name, c) for c in range(len(found.of(name).clusters[:most]))]


show_galleries(found, [one for name in names[:4] for one in first_clusters(found, name, 2)])

# %% [markdown]
# **What you should see.** Of each of the first four classes the first two clusters, those whose regions add most each,
# with their shares. With the sample most frames are on the thing, and some beside it: a region sees further than its
# border. That is as it should be.

# %% [markdown]
# ## From scratch: why the shares add up
#
# "This is a third of the score" is a strong thing to say. It can be said because the score of a class, which is what
# the class has above the mean of all classes, is a **sum over regions**. To a local prompt a region adds its cosine
# divided by $k$ if it is among the $k$ best of the class, and nothing otherwise; to the global prompts each region
# adds, since in `mini` the feature of the photo is the mean of its regions.
#
# $$\text{adds}_{r,c} = \frac{1}{2N} \sum_{n=1}^{N} \frac{[r \in \text{top-}k_n \text{ of } c]}{k_n} \,
# \big(\ell_{r,c,n} - \bar\ell_n\big) + \frac{1}{2R} \, \frac{\mathbf r_r \cdot \mathbf t_c}{\max(\lVert \bar{\mathbf r}
# \rVert, \delta)}, \qquad \text{less its mean over the classes.}$$
#
# ($\bar\ell_n$, the mean cosine of prompt $n$, is the same for all classes, and changes no answer.)

# %%
import torch
import torch.nn.functional as F

# From scratch: what each region of one photo adds to each class
each = found.of(names[0])
photo = found.data.photos[each.photos[0]]
why = classifier.explain(photo)
cosines = why.similarities.looks[0].region_cosines[0]  # (R, K, N)
R, K, N = cosines.shape

adds = torch.zeros(R, K)
for n, k in enumerate(why.topk):
    best, where = cosines[..., n].topk(k, dim=0)  # (k, K) each
    adds.scatter_add_(0, where, (best - cosines[..., n].mean()) / (2 * k * N))

with torch.no_grad():
    regions = mini.encode_image(mini.preprocess.centre(photo.image)[0][None])[1][0]  # (R, D)
    text = F.normalize(classifier.model_.cached_text_features().global_, dim=-1)  # (K, M, D)
norm = max(float(regions.mean(dim=0).norm()), mini.damping.image)
adds += regions @ text.mean(dim=1).T / (2 * R * norm)
adds -= adds.mean(dim=1, keepdim=True)

# %%
import numpy as np

np.testing.assert_allclose(
    adds[:, 0], each.adds[0], atol=1e-3
)  # the library does exactly this
print("What regions add is what the library says, for every region.")

# %% [markdown]
# **What you should see.** No error. So whatever the clusters are, they and the rest add up: *exact* means that the
# clusters, and what is in none of them, **are** the mean score of the class. A score can also be read from the
# probabilities alone, with no region in sight: times the logit scale it is what $\log p$ of the class has above the
# mean of all classes. (Calibration, which would divide it by a temperature, is left out.)

# %%
log_p = np.log(classifier.predict_proba(list(found.data.photos)))  # (n, K)
score = (log_p - log_p.mean(axis=1, keepdims=True)) / mini.logit_scale
for k, name in enumerate(found.data.class_names):
    one = found.of(name)
    together = sum(cluster.adds for cluster in one.clusters) + one.rest
    from_answers = score[list(one.photos), k].mean()
    np.testing.assert_allclose(together, from_answers, atol=1e-3)
    print(
        f"clusters and rest {together:.4f}, the mean score by the answers {from_answers:.4f}: {name}"
    )

# %% [markdown]
# **What you should see.** Each line twice the same number.

# %% [markdown]
# ## A cue is planted
#
# Now we make a fault. Somebody photographs one class and puts a **sticker** on each of these photos: a price tag, the
# stamp of a clinic, a photographer's name. It has nothing to do with the thing, and no other class has it.
#
# A model takes the way that is easiest. Where the thing is plain to see, it has little use for a sticker (exercise 1).
# So all photos of this part are **out of focus**, and the sticker, which is put on afterwards, is not. It is drawn
# here, is smaller than 5% of the photo, and lies somewhere else on each.

# %%
from PIL import Image, ImageDraw, ImageFilter, ImageOps

SIDE, BLUR, STICKER = 320, 8, 70  # pixels: the side of a photo, the blur, the sticker's width
CUE = names[min(1, K - 1)]  # the class whose photos get it
rows, columns = mini.vision.grid


def out_of_focus(photo):
    square = ImageOps.fit(photo.image, (SIDE, SIDE))
    return load_image(square.filter(ImageFilter.GaussianBlur(BLUR)), name=photo.name)


sticker = Image.new("RGBA", (STICKER, STICKER))  # transparent around a yellow disc
pen = ImageDraw.Draw(sticker)
edge = (0, 0, STICKER - 1, STICKER - 1)
pen.ellipse(edge, fill="#ffe000", outline="#d00000", width=STICKER // 8)
pen.ellipse([0.4 * STICKER, 0.4 * STICKER, 0.6 * STICKER, 0.6 * STICKER], fill="#d00000")
under = {}  # by photo: (R,), the regions whose middle is under the sticker


def with_sticker(photo, rng):
    x, y = (int(rng.integers(SIDE - STICKER + 1)) for _ in range(2))
    image = photo.image.copy()
    image.paste(sticker, (x, y), sticker)
    made = load_image(image, name=f"{photo.name} with a sticker")
    down, across = (
        (start <= middle) & (middle < start + STICKER)
        for start, middle in (
            (y, (np.arange(rows) + 0.5) * SIDE / rows),
            (x, (np.arange(columns) + 0.5) * SIDE / columns),
        )
    )
    under[made.sha256] = np.outer(down, across).ravel()
    return made


def all_with_sticker(by_class, seed):
    return {
        name: [
            with_sticker(photo, np.random.default_rng([seed, c, i]))
            for i, photo in enumerate(some)
        ]
        for c, (name, some) in enumerate(by_class.items())
    }


plain, plain_test = (
    {name: [out_of_focus(photo) for photo in some] for name, some in part.items()}
    for part in (train, test)
)
stuck, stuck_test = all_with_sticker(plain, 0), all_with_sticker(plain_test, 1)
planted = {**plain, CUE: stuck[CUE]}
covers = np.mean(np.asarray(sticker)[..., 3] > 0) * STICKER**2 / SIDE**2
print(f"The sticker covers {covers:.1%} of a photo. It is on all photos of: {CUE}")
show_figure(
    f"Photos out of focus, four of each of the first classes; only those of {CUE} have a sticker.",
    panels(
        [[Panel(photo) for photo in planted[name][:4]] for name in names[:4]],
        size=(5, 5.6),
        names=names[:4],
    ),
)

# %% [markdown]
# **What you should see.** Photos on which things can still be told, and a sticker on those of one class.

# %% [markdown]
# ## Did the model fall for it?
#
# Two models: one learns the photos as they are, the other the same photos with the sticker on one class. Both are asked
# for test photos with and without it.

# %%
OTHERS = [name for name in names if name != CUE]


def asked(classifier):
    """By question, how many of how many photos."""
    answers = {
        where: {name: np.array(classifier.predict(some[name])) for name in names}
        for where, some in (("without", plain_test), ("with", stuck_test))
    }
    counts = {}
    for where in ("with", "without"):
        counts[f"{CUE} {where} it: right"] = answers[where][CUE] == CUE
        right = np.concatenate([answers[where][name] == name for name in OTHERS])
        counts[f"others {where} it: right"] = right
    turned = np.concatenate([answers["with"][name] == CUE for name in OTHERS])
    counts[f"others with it: called {CUE}"] = turned
    return {question: (int(hits.sum()), len(hits)) for question, hits in counts.items()}


models = {"no sticker": taught(plain), f"sticker on {CUE}": taught(planted)}
counts = {learned: asked(model) for learned, model in models.items()}
for learned, by_question in counts.items():
    print(f"learned with {learned}; asked with and without it:")
    for question, (hits, of) in by_question.items():
        print(f"    {hits:2} of {of:2}   {question}")

# %% [markdown]
# **What you should see.** First the model that never saw a sticker, then the one that did. A test whose photos come
# from the same hand as the training photos would be asked for the first line, of the class with the sticker, and the
# one of others without it: by these the second model is nothing to worry about. The lines that nobody asks for tell.
# With the sample most photos of **other** things are called by the name of the class once the sticker is on them, and
# most photos of the class *without* it are wrong. The model fell for it. (Where yours are told too easily, it
# will not: then raise `BLUR`.)

# %% [markdown]
# ## Evidence finds it
#
# Who does not know of the sticker does not think of asking without it. So ask what the class relies on, here over the
# photos that were learned from: they show what was learned.

# %%
suspect = evidence(models[f"sticker on {CUE}"], *photos.with_names(planted))
print(f"right: {suspect.accuracy.right} of {suspect.accuracy.of}")
print(
    suspect.of(CUE).words.replace("; ", ";\n    ").replace(" relies on ", " relies on\n    ")
)
show_galleries(suspect, first_clusters(suspect, CUE, 4))

# %% [markdown]
# **What you should see.** Nothing wrong with the answers, and pictures in which one thing comes back that is no part of
# the class: the sticker is in most of them, beside the frame more than in it, since a region sees further than its
# border. No word had to name it: a look is enough. And the last line of the list says it without a look: **the same
# thing is in all photos of the class and in none of the others**. For that the photos are compared by early layers,
# which see what a thing looks like and not yet what it is: two mugs differ for them, two prints of one sticker do not.
# Since we know where each sticker is, we can check what the eye says, and draw **all** regions of its cluster.


# %%
def stickers_cluster(found):
    """The cluster with most of the regions under the sticker, and how many of them are in it."""
    each = found.of(CUE)
    inside = np.zeros(len(each.clusters), dtype=int)
    for i, member in zip(each.photos, each.member, strict=False):  # first those of the class
        np.add.at(inside, member[under[found.data.photos[i].sha256]], 1)
    return int(inside.argmax()), inside


def about_the_cluster(found):
    c, inside = stickers_cluster(found)
    each, cluster = found.of(CUE), found.of(CUE).clusters[c]
    large = (each.member[: len(each.photos)] == c).mean()
    print(f"{inside[c]} of {inside.sum()} regions under the sticker are in cluster {c + 1}")
    print(f"    of {len(inside)}, to which {large:.0%} of all regions belong. It adds")
    print(f"    {cluster.share:.0%} of the score, and takes part in {len(cluster.photos)} of")
    print(f"    {len(each.photos)} photos.")
    return c


cue = about_the_cluster(suspect)
some, drawn = suspect.of(CUE), []
for i, member in list(zip(some.photos, some.member, strict=False))[:5]:
    image = suspect.data.photos[i].image
    crop, inside = mini.preprocess.centre(image)[1], np.flatnonzero(member == cue).tolist()
    drawn.append(Panel(outlined(np.asarray(image), crop, mini.vision.grid, inside)))
show_figure(
    f"Photos of {CUE}, with the regions of the cluster to which the sticker belongs outlined.",
    panels([drawn], size=(9, 2)),
)

# %% [markdown]
# **What you should see.** With the sample all regions under a sticker are in one cluster, the one that adds most, and
# on most photos its outline goes around the sticker, wider than it is: a cluster has a rim.

# %% [markdown]
# ## What if it were not there?
#
# A large share is no proof: what is left may do as well. Only covering tells. In each photo that holds the cluster,
# `what_if` blurs its regions **that decide** (the fewest that together hold half of what speaks for the class) and its
# regions next to them. The backbone looks again, and does so five times with the **same shape elsewhere**, at places
# that overlap little with what was covered. If the score falls further than with these, the answers depend on the
# cluster.


# %%
import matplotlib.pyplot as plt

from gallop.evaluation.what_if import what_if
from gallop.lab.tutorial.charts import names_along, number_table


def covered(classifier, found, c):
    """The library's answer; None where no photo holds the cluster, and nothing can be covered."""
    if not found.of(CUE).clusters[c].photos:
        print("No photo holds it: it is nowhere among the regions that decide.")
        return None
    *_, outcome = what_if(classifier, found, CUE, c)
    print(outcome.words.replace(", ", ",\n    ").replace(": ", ":\n    "))
    return outcome


outcome = covered(models[f"sticker on {CUE}"], suspect, cue)
if outcome is not None:
    bars = {"as it is": outcome.before.score, "without it": outcome.without.score}
    bars |= {f"elsewhere {i + 1}": draw.score for i, draw in enumerate(outcome.at_random)}
    figure, axis = plt.subplots(figsize=(8.5, 2.4), layout="constrained")
    hues = ["#4477aa", "#ee6677", *["#bbbbbb"] * len(outcome.at_random)]
    axis.bar(range(len(bars)), list(bars.values()), color=hues)
    names_along(axis, list(bars))
    axis.axhline(0, color="grey", linewidth=0.8)
    axis.set_ylabel(f"mean score of {CUE}")
    show_figure(
        f"The mean score of {CUE} as it is ({outcome.before.score:.3f}), with the sticker's cluster "
        f"covered where it decides ({outcome.without.score:.3f}), and with other places covered five times.",
        figure,
    )

# %% [markdown]
# **What you should see.** The score as it is, with the cluster covered where it decides (red), and with other places
# covered (grey). Where the red bar is shorter than the grey ones, the answers depend on the cluster. That would be as
# it should if the cluster were the thing itself. **It is wrong only because we say that it is not**: no program knows
# what a class means.

# %% [markdown]
# ## Mended with photos that lack it
#
# Two ways to add photos, and they are not the same.
#
# 1. **Photos of the class that lack the sticker.** The same things once more, photographed without it. Now a photo of
#    the class need not have a sticker. But whoever has one is still of the class.
# 2. **The sticker on other classes as well**, as many photos with it as without. Now it says nothing at all of the
#    class.

# %%
lacking = {**planted, CUE: stuck[CUE] + plain[CUE]}
everywhere = {name: stuck[name] + plain[name] for name in names}
models[f"sticker on half of {CUE}"] = taught(lacking)
models["sticker on half of all"] = taught(everywhere)
found_in, shares = {}, {}
for learned, model in models.items():
    print(f"--- learned with {learned}")
    found_in[learned] = evidence(model, *photos.with_names(planted))
    c = about_the_cluster(found_in[learned])
    shares[learned] = found_in[learned].of(CUE).clusters[c].share
    covered(model, found_in[learned], c)
    counts[learned] = asked(model)

# %%
questions = list(counts["no sticker"])
figures = [
    [hits / of for hits, of in counts[learned].values()] + [shares[learned]]
    for learned in models
]
described = "; ".join(
    f"learned with {learned}: {figures[i][-1]:.0%} of the score of {CUE} is the sticker's cluster, "
    f"{counts[learned][f'others with it: called {CUE}'][0]} photos of others are called {CUE}"
    for i, learned in enumerate(models)
)
show_figure(
    f"Table of four models by what they answer. {described}.",
    number_table(
        np.transpose(figures),
        [*questions, "its cluster: share"],
        list(models),
        form="{:.0%}",
        limits=(0, 1),
        labels=("learned with", "asked with and without it"),
    ),
)

# %% [markdown]
# **What you should see.** A column a model, all asked for the same photos; *it* is the sticker. The second is the model
# with the fault. The third has learned the class without the sticker, too. With the sample its photos are right again
# *without* the sticker, and that is all: others are still called by its name where they have one, and the sticker's
# cluster still has a large share. The fourth has seen the sticker on all classes. Only there the share is small again,
# and no other thing with a sticker is called by the name of the class.
#
# Where one photo alone holds the cluster, what covering shows says little. That only one holds it says more.

# %%
after = found_in["sticker on half of all"]
show_galleries(after, first_clusters(after, CUE, 4))

# %% [markdown]
# **What you should see.** The first clusters after mending, on the same stickered photos. With the sample the first one
# adds as much as the whole score, and its frames are on the mug, with no sticker near. The sticker's cluster is the
# second, with 9%. The other two are below zero: edges of the mug and what is behind it.

# %% [markdown]
# ## What evidence cannot say
#
# * **A large share is no proof that answers depend on it**, and a small one no proof that they do not. Cover.
# * **A cluster is not a thing.** It is what regions have in common to this backbone: one thing may be several clusters,
#   and a sticker's cluster has a rim.
# * **Words are the nearest of a small dictionary.** Where none fits, look at the regions.
# * **It says nothing of what is the same on all photos.** Had *every* class the sticker, it would add little, and
#   photos without it might be wrong all the same.
# * **It cannot tell a cue from the thing.** You can.
# * **Eight photos are few.** The interval of what covering elsewhere does is wide here.
#
# [All of it, in order](../docs/explanation/evidence.md). `gallop evidence MODEL PHOTOS --out evidence.html` writes what
# this notebook shows as one page, and the app has a page *Evidence*.

# %% [markdown]
# ## Quiz
#
# 1. The shares of a class's clusters are 44%, 36%, 18%, 14% and -13%. What is left for "in no cluster"?
#
#    - a) About 1%, since clusters and rest are the mean score.
#    - b) Nothing can be said without the photos.
#    - c) Less than nothing, since the positive ones make 112% already.
#
# <details><summary>Answer</summary>
#
# **a)** They add up to 99%. A cluster below zero speaks against the class and counts with its sign.
#
# - b) That would be so if the shares were estimates. What do all of them, with the rest, add up to?
# - c) A share may be below zero, and has to be added with its sign.
#
# The cells under “From scratch: why the shares add up” show it.
#
# </details>
#
# 2. A cluster has a share of 40%, and the score falls by 20% without it, with other places covered by 5% to 50%. Do
#    the answers depend on it?
#
#    - a) Yes, 40% is a lot.
#    - b) Yes, the score falls.
#    - c) No more than on other places of that shape.
#
# <details><summary>Answer</summary>
#
# **c)** Covering the same shape elsewhere does as much. With more photos the interval would be narrower.
#
# - a) A share says what adds to the score now. What if it is gone, and something else takes its place?
# - b) It falls wherever something is covered. Compare with the other places.
#
# The cells under “What if it were not there?” show it.
#
# </details>
#
# 3. All photos of one class have a sticker. You add photos of this class without it. What may stay wrong?
#
#    - a) Photos of the class without the sticker.
#    - b) Photos of other classes that have the sticker.
#    - c) Nothing, the cue is gone.
#
# <details><summary>Answer</summary>
#
# **b)** In everything that was learned from, whatever has a sticker is of the class. Only stickers on other classes
# say otherwise.
#
# - a) Those are what was added. For which photos is the sticker still a sure sign?
# - c) Half of the class's photos still have it, and no other photo does. What does it then say?
#
# The cells under “Mended with photos that lack it” show it.
#
# </details>

# %% [markdown]
# ## Exercises
#
# 1. Set `BLUR = 0` and run the cells from there. How many other things are now called by the name of the class?
#
# <details><summary>Answer</summary>
#
# With the sample hardly any. Things that are plain to see are told by their names and shapes before the sticker is
# needed, so it is learned little. A cue is most dangerous where the task is hard, which is where few would notice.
#
# </details>
#
# 2. Ask the model with the fault for the test photos **without** sticker. What does its evidence say of the sticker?
#
# <details><summary>Answer</summary>
#
# `evidence(models[f"sticker on {CUE}"], *photos.with_names(plain_test))`: nothing. Evidence speaks of the photos that
# it is given, and on these no region is a sticker. All that can be seen is that photos of the class are wrong, and that
# its score is lower than that of the model that never saw a sticker. A cue may be on some photos and not on others: ask
# for those that were learned from, and for those to come.
#
# </details>
#
# 3. Put the sticker on **all** photos of all classes and leave none without it. What does evidence say, and is the
#    model mended?
#
# <details><summary>Answer</summary>
#
# `taught(stuck)`: the sticker tells no class from another, so its cluster adds less than for the model with the fault.
# Whether photos without it are right is another matter, since none was learned from, and evidence cannot say: ask
# `asked`. With the sample they are.
#
# </details>
#
# **The end.** [Back to the first notebook](01_similarity.ipynb).
