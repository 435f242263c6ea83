# %% [markdown]
# # 01 · A photo, some names, and CLIP's similarity
#
# **Goals.** After this notebook you can say how CLIP compares a photo with words; compute its answer by hand; and
# explain what the temperature, the templates and the list of names do to it.
#
# **Time.** About a minute of computing, 20 minutes of reading. No network, no GPU.
#
# **Seed.** None is needed: nothing here is random.
#
# **You need.** Vectors, cosine and softmax. Nothing about CLIP.

# %%
from gallop.runtime.process import prepare

prepare()  # before torch is loaded: two settings that make small steps fast on a laptop

from gallop import GalLoPClassifier, MethodConfig, parse_names

BACKBONE = (
    "mini"  # or CLIP itself, "ViT-B-16/openai": "Another backbone" says what then changes
)
METHOD = MethodConfig()  # GalLoP as the paper has it, and nothing beside it

# %% [markdown]
# ## A photo and some names
#
# A classifier usually has its classes built in. CLIP does not. It takes a photo and **any** list of names, and says
# which name fits best. Nothing is trained for that: this is called *zero-shot*.
#
# The sample photos come with scikit-image and scikit-learn. For your photos, set the environment variable
# `GALLOP_PHOTOS` to a folder with one folder of photos for each of 2 to 40 classes, split into `train/` and `test/` or
# not: before Jupyter starts, or by `%env GALLOP_PHOTOS=my/photos` in a cell above this one. (Where the code asks for
# `photos.FAST`: that is true when `FAST=1` is set, and makes everything short, for the tests.) What the text says about
# single sample photos, such as the astronaut, will then not be about yours.

# %%
from gallop.lab.tutorial import frozen_backbone, photos, show_figure
from gallop.lab.tutorial.panels import Panel, panels

collection = photos.by_class()  # class name -> photos
names = list(collection)  # K names
K = len(names)
photo = collection[names[0]][0]

shown = names[:7]
show_figure(
    f"One photo of each class, side by side: {', '.join(shown)}.",
    panels([[Panel(collection[name][0], name) for name in shown]], size=(12, 2.2)),
)

# %% [markdown]
# **What you should see.** One photo of each class, up to seven. The first one is our photo for the next steps.

# %% [markdown]
# ## Two encoders, one space
#
# CLIP has two networks, the *encoders*. Together they are the *backbone*.
#
# * The image encoder takes a photo and gives one vector $\mathbf z$ of $D$ numbers.
# * The text encoder takes a sentence and gives one vector $\mathbf t$ of $D$ numbers.
#
# Both live in the same space. A photo of a cat and the words "A photo of a cat" are meant to point in nearly the same
# direction. Such a sentence is called a **prompt**; the class name is put into it.
#
# We use `mini`, a small model that comes with this project. Its encoders are *frozen*: nothing changes them, in this
# notebook or in any other.
#
# **Another backbone.** `BACKBONE`, above, is the one place that says which. With `BACKBONE = "ViT-B-16/openai"` it is
# CLIP itself: some 350 MB from the network, once, and on a GPU where there is one; without a GPU a photo takes many
# times as long as with `mini`. What then changes: $\delta$ is 0 and $s$ is 100; it knows far more names, people among
# them; a region has $V = 768$ numbers, which a matrix of the image encoder brings to $D = 512$; trainings take the
# paper's learning rate, which wants more epochs than these notebooks have; and what the text says of results is about
# `mini`. Only 02 and 04, which take `mini` apart piece by piece, stay with it.

# %%
import torch

clip = frozen_backbone(BACKBONE)

# (3, 224, 224): resized, centre crop, normalised
pixels, crop = clip.preprocess.centre(photo.image)
# (B, D) with B = 1; the regions are for notebook 02
image, regions = (x.cpu() for x in clip.encode_image(pixels[None].to(clip.device)))
with torch.no_grad():
    text = clip.text.encode_texts([f"A photo of a {name}" for name in names]).cpu()  # (K, D)

print("pixels", tuple(pixels.shape))
print("image ", tuple(image.shape), "= (B, D)")
print("text  ", tuple(text.shape), "= (K, D)")
# two numbers that come with the backbone; the next section says what for
delta, s = clip.damping.image, clip.logit_scale
print(f"length of the photo's row {image[0].norm():.1f}, delta {delta:.0f}, s {s:.1f}")

# %% [markdown]
# **What you should see.** Two tables of numbers with the same width $D$: one row for the photo, one row for each name.
# Below them the length of the photo's row, and two numbers that come with `mini`: the next section needs them. (CLIP's
# $s$ is 100, and its $\delta$ is 0.)

# %% [markdown]
# ## From scratch: cosine, then softmax
#
# How well does name $c$ fit? CLIP takes the cosine of the angle between the two vectors,
#
# $$\cos(\mathbf z, \mathbf t_c) =
# \frac{\mathbf z \cdot \mathbf t_c}{\lVert\mathbf z\rVert \, \lVert\mathbf t_c\rVert},$$
#
# and turns the $K$ cosines into probabilities with a softmax:
#
# $$p(c \mid \text{photo}) =
# \frac{\exp(s \cos(\mathbf z, \mathbf t_c))}{\sum_{j=1}^{K} \exp(s \cos(\mathbf z, \mathbf t_j))},
# \qquad s = 1/\tau .$$
#
# $\tau$ is the **temperature**, $s$ the **logit scale**. CLIP learned $s$ together with its encoders, and it is large.
# From then on it is frozen like them: GalLoP does not learn it either.
#
# One thing is special about `mini`: its cosine divides by the norm $\lVert\mathbf z\rVert$ or by a constant $\delta$,
# whichever is more. So a photo that holds little gets small cosines. In CLIP's models $\delta = 0$, which is the
# plain cosine. The code calls $\delta$ the **damping**. The photos of these notebooks all have a norm far below it. So
# before training, a cosine of `mini` is the dot product with $\mathbf t_c / \lVert\mathbf t_c\rVert$, divided by one
# and the same constant.

# %%
# From scratch: nothing but torch, and the vectors of a real photo
z, t = image[0], text  # (D,), (K, D)
z = z / z.square().sum().sqrt().clamp(min=delta)
t = t / t.square().sum(dim=1, keepdim=True).sqrt()
my_cosines = t @ z  # (K,)

exponentials = torch.exp(s * my_cosines)
my_probabilities = exponentials / exponentials.sum()  # (K,)

for name, cosine, probability in zip(names, my_cosines, my_probabilities, strict=True):
    print(f"{name:20}  cosine {cosine:+.3f}   probability {probability:6.1%}")

# %% [markdown]
# **What you should see.** Small cosines, and probabilities in the same order but further apart. Compare cosines with
# each other only: with `mini`, 0.1 is already a lot.

# %% [markdown]
# ## The library does exactly this
#
# `GalLoPClassifier(...).zero_shot(names)` takes a list of names without learning anything. `explain` then gives
# everything that is known about one photo. Its `global_scores` are the cosines of the entire photo, shape $(K, M)$:
# one column for each of $M$ prompts. As long as nothing is learned, all $M$ prompts are "A photo of a", so all
# columns are equal.

# %%
classifier = GalLoPClassifier(clip, method=METHOD).zero_shot(names)
explanation = classifier.explain(photo)

library_cosines = torch.from_numpy(explanation.global_scores)  # (K, M)
library_probabilities = torch.tensor(list(explanation.global_probabilities.values()))  # (K,)

for column in library_cosines.T:
    torch.testing.assert_close(my_cosines, column, atol=1e-5, rtol=0)
torch.testing.assert_close(my_probabilities, library_probabilities, atol=1e-4, rtol=0)
print(
    "largest difference of a cosine:",
    f"{(my_cosines - library_cosines[:, 0]).abs().max():.1e}",
)

# %% [markdown]
# **What you should see.** No error, and a difference that is nothing but rounding.

# %% [markdown]
# ## The temperature
#
# The softmax looks at *differences* of cosines, times $s$. So $s$ decides how sure the answer sounds. Which name wins
# does not depend on it.
#
# In a running notebook, move the slider. On the site, where nothing can be moved, the picture below it shows every $s$.

# %%
import ipywidgets as widgets
from IPython.display import display

from gallop.lab.tutorial.live_charts import live_bars

# the best eight, so that long lists stay readable
top = my_cosines.argsort(descending=True)[:8]
top_names = [names[i] for i in top]


def softmax_at(scale):
    return (scale * my_cosines).softmax(dim=0)[top]


scale_slider = widgets.FloatLogSlider(
    value=clip.logit_scale, base=10, min=-1, max=3, step=0.05, description="logit scale s"
)
bars = live_bars(top_names)


def redraw(change=None):
    bars.draw({"y": softmax_at(scale_slider.value).tolist()})


scale_slider.observe(redraw, "value")
redraw()
display(widgets.VBox([scale_slider, bars.widget]))

# %% [markdown]
# The same as a still picture: each line is one name, from a small $s$ on the left to a large one on the right.

# %%
from gallop.lab.tutorial.charts import line_chart, names_along, number_table

scales = torch.logspace(-1, 3, 100)
curves = torch.stack([softmax_at(scale) for scale in scales])  # (100, 8)
show_figure(
    f"Lines of probability over the logit scale, one a name. At the left all are near 1/{K}; "
    f"at the right {names[int(my_cosines.argmax())]} has nearly all, and no two lines cross.",
    line_chart(
        scales,
        dict(zip(top_names, curves.T, strict=True)),
        log=True,
        dotted={"the backbone's s": clip.logit_scale},
        level={"1 / K": 1 / K},
        labels=("logit scale s = 1 / temperature", "probability"),
        legend="beside",
        size=(8, 3),
    ),
)

# %% [markdown]
# **What you should see.** On the left every name has $1/K$ (the thin grey line): the softmax hardly hears the
# cosines. On the right one name has everything. No two lines swap their order on the way.

# %% [markdown]
# ## All photos, all names
#
# Now every photo against every name, by the library's `predict_proba`. It takes the mean of two scores: this one of the
# entire photo, and one of its best regions, which notebooks 02 and 03 explain. Each row is a photo, each column a name;
# a row adds up to one.

# %%
one_each = [collection[name][0] for name in names]
probabilities = classifier.predict_proba(one_each)  # (B, K): rows are photos
right = (probabilities.argmax(axis=1) == range(K)).sum()
show_figure(
    f"A table of {K} photos by {K} names, brighter where more probable. "
    f"{right} rows are brightest on the diagonal.",
    number_table(
        probabilities,
        names,
        names,
        limits=(0, 1),
        labels=("name", "photo"),
        bar="probability",
    ),
)
print(f"{right} of {K} photos get the right name; chance is 1 of {K}.")

# %% [markdown]
# **What you should see.** A bright diagonal, as far as `mini` knows the names. With the sample photos one row goes
# wrong: the astronaut. `mini` was made from a classifier of animals and things and knows hardly anything about
# people, so it names what else it sees. Zero-shot is only as good as what the backbone knows. That is why one wants to
# *learn* from a few photos.

# %% [markdown]
# ## Templates
#
# "A photo of a {}" is one **template**. Others are possible, and several can be used together: one takes the mean of
# their cosines. This is called an *ensemble*. Here each template takes the place of one prompt, so `global_scores`
# is (K, M) with one column for each template.

# %%
templates = [
    "A photo of a {}",
    "a close photo of a {}",
    "a drawing of a {}",
    "a {} in the dark",
]
with_templates = GalLoPClassifier(clip, global_prompts=len(templates), method=METHOD)
with_templates.zero_shot(names, templates=templates)
scores = torch.from_numpy(with_templates.explain(photo).global_scores)  # (K, M)
show_figure(
    f"Cosines of the photo with {len(top)} names (columns) by {len(templates)} templates (rows); "
    f"they go from {scores[top].min():.3f} to {scores[top].max():.3f}.",
    number_table(scores[top].T, templates, top_names, form="{:.3f}", size=(8, 2.6)),
)

# %% [markdown]
# **What you should see.** A row for each template, a column for each of the best names. The rows are not the same:
# each template moves the cosines, some hardly, some more. It is not known in advance which words suit a task.

# %%
# From scratch: the ensemble is a mean over templates, taken before the softmax
ensemble = scores.sum(dim=1) / scores.shape[1]  # (K,)
my_ensemble = torch.exp(s * ensemble) / torch.exp(s * ensemble).sum()

# %%
library_ensemble = torch.tensor(
    list(with_templates.explain(photo).global_probabilities.values())
)
torch.testing.assert_close(my_ensemble, library_ensemble, atol=1e-4, rtol=0)
print("The ensemble of", len(templates), "templates says:", names[int(my_ensemble.argmax())])

# %% [markdown]
# **What you should see.** No error: the library's ensemble is that mean.
#
# This is where GalLoP starts. It does not search for better *words*. It replaces the words "A photo of a" by vectors
# and learns those: several of them for the entire photo (*global prompts*, as here) and several for its parts (*local
# prompts*, from the next notebook on).

# %% [markdown]
# ## The list of names matters
#
# A probability says how well a name fits *compared with the others on the list*. In a running notebook, type
# another list, separated by commas, and press Enter. On the site, the picture below shows the answer without the best
# name.

# %%
name_box = widgets.Text(
    value=", ".join(top_names[:3]), description="names", continuous_update=False
)
answer = widgets.Label()


def ask(change=None):
    try:
        asked = GalLoPClassifier(clip, method=METHOD).zero_shot(parse_names(name_box.value))
        explanation = asked.explain(photo)
        answer.value = " · ".join(
            f"{name}: {p:.0%}" for name, p in explanation.global_probabilities.items()
        )
    except ValueError as error:  # no name, or one that cannot be used
        answer.value = str(error)


name_box.observe(ask, "value")
ask()
display(widgets.VBox([name_box, answer]))

# %%
import matplotlib.pyplot as plt

without = (
    GalLoPClassifier(clip, method=METHOD)
    .zero_shot([name for name in names if name != names[0]])
    .explain(photo)
)
left = sorted(without.global_probabilities.items(), key=lambda pair: -pair[1])[:8]
figure, axis = plt.subplots(figsize=(8, 2.2), layout="constrained")
axis.bar(range(len(left)), [p for _, p in left], color="#4477aa")
names_along(axis, [name for name, _ in left])
axis.set(ylabel="probability", ylim=(0, 1))
axis.set_title(f"The same photo when '{names[0]}' is not on the list", fontsize=9)
show_figure(
    f"Bars of probability without {names[0]}: "
    + ", ".join(f"{name} {p:.0%}" for name, p in left[:4]),
    figure,
)

# %% [markdown]
# **What you should see.** The right name is gone, and its probability goes to the others: the bars still add up to
# one. A softmax cannot say "none of these". Notebook 07 is about that.

# %% [markdown]
# ## Quiz
#
# 1. The logit scale is doubled. What happens to the answer for a photo?
#
#    - a) Another name may come first.
#    - b) The same name wins, and sounds surer.
#    - c) Nothing, since probabilities add up to one anyway.
#
# <details><summary>Answer</summary>
#
# **b)** A softmax depends on differences. Twice the scale makes them twice as large and does not change their order.
#
# - a) All cosines are multiplied by the same number. Does that change which of them is the largest?
# - c) They do at every scale. How they are distributed is another matter.
#
# The cells under “The temperature” show it.
#
# </details>
#
# 2. Four templates are used together. Of what does the library take the mean?
#
#    - a) Of the four probabilities of a name.
#    - b) Of the four text vectors, so that one is left.
#    - c) Of the four cosines of a name.
#
# <details><summary>Answer</summary>
#
# **c)** The mean of the cosines goes into one softmax. This is what the paper does with its prompts, too.
#
# - a) The mean is taken one step earlier. Look for the softmax in the code.
# - b) That is nearly the same, and not quite. The second exercise says what length has to do with it.
#
# The cells under “Templates” show it.
#
# </details>
#
# 3. The photo's right name is taken off the list. What does the softmax say?
#
#    - a) The other names share all there is, and one of them comes first.
#    - b) All the names that are left stay near zero.
#    - c) That the photo is none of these.
#
# <details><summary>Answer</summary>
#
# **a)** Probabilities add up to one, whatever is on the list. A softmax has no way to say "none of these".
#
# - b) They were near zero beside the right name. What do the bars add up to without it?
# - c) For that it would need a place to put the probability. Add up the bars.
#
# The cells under “The list of names matters” show it.
#
# </details>

# %% [markdown]
# ## Exercises
#
# 1. Add 0.5 to every cosine. What happens to the probabilities? And if you double every cosine and halve $s$?
#
# <details><summary>Answer</summary>
#
# Nothing, both times. A constant appears as a factor $\exp(0.5\,s)$ above and below the fraction and cancels.
# Doubling and halving leaves every product $s \cos$ as it was. Try: `(s * (my_cosines + 0.5)).softmax(0)`.
#
# </details>
#
# 2. Is it the same to average the *text vectors* of the templates first and then to take one cosine?
#
# <details><summary>Answer</summary>
#
# Not quite. The mean of unit vectors is shorter than 1, and how much shorter differs from class to class; taking the
# cosine divides by that length. So the two are the same, up to a common factor, only if the templates agree with each
# other equally well in every class. The paper, and this library, average the cosines.
#
# </details>
#
# 3. What is the probability if the list has one name only? What does that tell you?
#
# <details><summary>Answer</summary>
#
# It is 1, whatever the photo shows: there is nothing to compare with. Type one name into the box above and see.
#
# </details>
#
# **Next:** [02, regions](02_regions.ipynb): where on the photo a name fits.
