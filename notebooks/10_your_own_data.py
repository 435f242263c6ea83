# %% [markdown]
# # 10 · Your own data, start to finish
#
# **Goals.** After this notebook you can go from a folder of photos to a classifier you may trust as far as you have
# checked it: read and check the folder, draw shots, train, judge it with an interval, look at its mistakes, let it say
# "none of these", keep it, and load it again.
#
# **Time.** About half a minute of computing, 25 minutes of reading. No network, no GPU. (What the text
# says of results is about the full run on the sample; with `FAST=1` trainings are cut short, and end elsewhere.)
#
# **Seed.** 0.
#
# **You need.** Notebook 06 (training). 07 and 09 help.

# %%
from gallop.runtime.process import prepare

prepare()  # before torch is loaded: two settings that make small steps fast on a laptop

from gallop import (
    GalLoPClassifier,
    MethodConfig,
    draw_shots,
    load_image,
    plot_explanation,
    read_folder,
)

BACKBONE = "mini"  # or CLIP itself, "ViT-B-16/openai": notebook 01 says what then changes
METHOD = MethodConfig()  # GalLoP as the paper has it, and nothing beside it

# %% [markdown]
# ## 1. A folder
#
# One folder for each class; its name is the class name, where `_` is read as a space. It is best to have one part to
# learn from and another to judge by; the two must never mix:
#
# ```
# my photos/
#     train/
#         ant/    001.jpg ...
#         bee/    001.jpg ...
#     test/
#         ant/    101.jpg ...
#         bee/    101.jpg ...
# ```
#
# **To use yours**, start Jupyter with `GALLOP_PHOTOS="/path/to/my photos" jupyter lab`. Then everything below is about
# them.
#
# Without it, we write the sample project into such a folder: candles, mugs, teapots and vases, 8 photos of each to
# learn from and 6 to test with. (They are rendered, not photographed, so everybody may have them.) We also plant two
# faults, as real folders have them: a file that is no photo, and a test photo that is in the train folder as well.


# %%
import shutil
import tempfile
from pathlib import Path

from gallop.lab.tutorial import frozen_backbone, photos, show_figure
from gallop.sample import sample_mask, sample_photos, write_sample

workspace = tempfile.TemporaryDirectory()  # goes away when this notebook is closed


def sample_folder():
    root = Path(workspace.name) / "my photos"
    write_sample(root)  # on the command line: gallop sample "my photos"
    (root / "train" / "vase" / "notes.jpg").write_text("Taken on a sunny day.")
    shutil.copy(root / "test" / "mug" / "mug-09.jpg", root / "train" / "mug" / "copy.jpg")
    return root


root = photos.custom_folder() or sample_folder()


def show_tree(folder, depth=0, most=5):
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    files = sum(path.is_file() for path in folder.iterdir())
    print("    " * depth + folder.name + (f" ({files} files)" if files else ""))
    for path in inside[:most] if depth < 2 else ():
        show_tree(path, depth + 1)
    if len(inside) > most:
        print("    " * (depth + 1) + f"... and {len(inside) - most} folders more")


show_tree(root)

# %% [markdown]
# **What you should see.** The folder's tree, with the number of files of each class; of many the first five. (In the
# sample there are also photos of `other` things and a `model` that learned the `train` photos. We train a new one.)

# %% [markdown]
# ## 2. Read it, and read what was left out
#
# `read_folder` opens every file once. What is no photo is not an error: it is put on a list, with the reason.

# %%
import numpy as np

train_folder, test_folder = read_folder(root, split="train"), read_folder(root, split="test")
everything = {*train_folder.class_names, *test_folder.class_names}
train_folder, test_folder = photos.same_classes(train_folder, test_folder)
names = list(train_folder.class_names)  # K names
if everything - set(names):
    print(f"not in both parts, and left out: {', '.join(sorted(everything - set(names)))}")
K = len(names)
print(f"{K} classes: {', '.join(names)}")
for split, some in (("train", train_folder), ("test", test_folder)):
    counts = np.bincount(some.labels, minlength=K)
    low, high = counts.min(), counts.max()
    each = f"{low}" if low == high else f"{low} to {high}"
    print(f"{split}: {len(some)} photos, {each} a class, {len(some.skipped)} left out")
    for path, reason in some.skipped[:5]:
        print(f"    {path.name}: {reason}")

# %% [markdown]
# **What you should see.** How many photos there are, and which files are none. Look at the smallest class: you cannot
# draw more shots than it has. If train and test are the same number, then your folder has no `train/` and `test/`;
# section 3 takes care of that.

# %% [markdown]
# ### From scratch: is a test photo also a train photo?
#
# The most common mistake with few photos: one picture in both parts, perhaps under another name. Then the accuracy is a
# lie. File names do not tell; pixels do. So we take a fingerprint of the **decoded** pixels.

# %%
train_pixels = [np.asarray(load_image(path).image) for path in train_folder.paths]
test_pixels = [np.asarray(load_image(path).image) for path in test_folder.paths]


# %%
import hashlib


# From scratch: a fingerprint is equal when all pixels are equal
def fingerprint(pixels):
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


in_train = {fingerprint(pixels) for pixels in train_pixels}
leaked = [fingerprint(pixels) in in_train for pixels in test_pixels]
print(f"{sum(leaked)} of {len(leaked)} test photos are in the train folder too")

# %%
from gallop.data import duplicates

pairs = duplicates(train_folder, test_folder)  # the library does exactly this
assert {test_path for _, test_path in pairs} == {
    path for path, is_in in zip(test_folder.paths, leaked, strict=True) if is_in
}
for train_path, test_path in pairs[:3]:
    print(
        f"{train_path.parent.name}/{train_path.name} is "
        f"{test_path.parent.name}/{test_path.name}"
    )

# %% [markdown]
# **What you should see.** With the sample folder one leak, the one we planted. With a good folder of yours, none. With
# a folder that was not split: all of them.
#
# The hash finds equal pictures only. The same scene taken twice, or frames of one film, are a leak too, and you alone
# can know. Split by day, by place, by person, not by file.

# %% [markdown]
# ## 3. Draw the shots
#
# `draw_shots` draws the same number for each class. The draw depends on the seed and on the pictures, not on file
# names. A draw of 4 is part of a draw of 8. Photos that are in both parts are taken out of train first. So no test
# photo is among the shots.

# %%
SHOTS = 4 if photos.FAST else 8
clean = train_folder
if len(pairs) < len(test_folder):  # split already: take leaked photos out of train
    leaks = {path for path, _ in pairs}
    clean = train_folder.take(
        [i for i, path in enumerate(train_folder.paths) if path not in leaks]
    )
else:  # not split: half of the smallest class at most, so that some are left to test with
    SHOTS = max(1, min(SHOTS, int(np.bincount(train_folder.labels).min()) // 2))
shots = draw_shots(clean, SHOTS, seed=0, allow_fewer=True)
test = draw_shots(test_folder.left_over(shots), 20, allow_fewer=True)  # 20 a class are enough
print(f"{len(shots)} shots, {len(test)} test photos, {len(duplicates(shots, test))} in both")

# %%
from gallop.lab.tutorial.panels import Panel, panels

rows = [
    [
        Panel(load_image(path))
        for path, other in zip(shots.paths, shots.labels, strict=True)
        if other == label
    ]
    for label in range(min(K, 6))
]
show_figure(
    f"Up to eight shots each of {', '.join(names[:6])}.",
    panels(rows, size=(9, 1.2 * len(rows)), names=names[:6]),
)

# %% [markdown]
# **What you should see.** Up to eight shots of up to six classes. Take a minute and look: is every label right? Do all
# photos of a class have the same background? With few shots, one wrong label is a large part of a class.

# %% [markdown]
# ## 4. Before any training: zero-shot
#
# It costs nothing and tells two things: whether the names mean something to the model, and what training must beat.

# %%
clip = frozen_backbone(BACKBONE)
zero_shot = GalLoPClassifier(clip, method=METHOD).zero_shot(names)
start = zero_shot.score(list(test.paths), test.names)
print(f"zero-shot {start:.0%}, chance {1 / K:.0%}")
EPOCHS, VIEWS = (6, 1) if photos.FAST else (20, 2)

# %% [markdown]
# **What you should see.** With the sample, far above chance: a good start, and little left to be won. Near chance: the
# names tell the model little, or mean something else to it. Try plainer words, or more of them ("rose hip" and not
# "hip").

# %% [markdown]
# ## 5. Train
#
# The paper's method, with few epochs and views, so that it does not take long; and held-out shots for the threshold and
# for the calibration temperature, one number that makes the answers less sure or surer after training (notebook 07).
# A seed, so that it can be done again. The image features are cached on disk, in your cache folder: a second run is
# quicker.

# %%
import ipywidgets as widgets
from IPython.display import display

from gallop.training.learn import CalibrationEvent, EncodeEvent
from gallop.training.loop import StepEvent

classifier = GalLoPClassifier(clip, epochs=EPOCHS, views=VIEWS, seed=0, method=METHOD)
STAGES = {EncodeEvent: "encoding", StepEvent: "training", CalibrationEvent: "holding out"}
progress = widgets.IntProgress()
display(progress)
for event in classifier.fit_steps(list(shots.paths), shots.names):
    progress.description = STAGES[type(event)]
    encoding = isinstance(event, EncodeEvent)
    progress.max = event.total if encoding else event.steps
    progress.value = event.done if encoding else event.step

# %%
import matplotlib.pyplot as plt

from gallop.lab.tutorial.charts import as_written, line_chart, number_table

history = classifier.history_
steps = [event.step for event in history]
figure, axes = plt.subplots(1, 2, figsize=(9, 2.6), layout="constrained")
curve = {"loss": [event.loss for event in history]}
line_chart(steps, curve, labels=("step", "loss"), legend="", axis=axes[0])
curve = {"accuracy": [event.accuracy for event in history]}
labels = ("step", "accuracy on the batch")
line_chart(steps, curve, labels=labels, limits=(0, 1.05), legend="", axis=axes[1])
show_figure(
    f"Loss and accuracy over the steps: the loss goes from {history[0].loss:.2f} to "
    f"{history[-1].loss:.2f}.",
    figure,
)

# %% [markdown]
# **What you should see.** A loss whose level falls, in jags: two views of each photo take turns, and one is harder,
# and of more than 32 shots each step has other ones. And an accuracy on the shots that rises. This is no result yet.
# It only says that learning works.

# %% [markdown]
# ## 6. From scratch: how good is it, and how sure is that?
#
# Accuracy $a$ is the fraction of right answers among $n$ test photos. With few photos it is a rough number. *Wilson's
# interval* says how rough, and unlike $\pm$ it never leaves $[0, 1]$; $z = 1.96$ for 95%:
#
# $$\frac{a + \frac{z^2}{2n} \pm z \sqrt{\frac{a(1-a)}{n} + \frac{z^2}{4n^2}}}{1 + \frac{z^2}{n}} .$$

# %%
answers = classifier.predict_all(list(test.paths))
probabilities, truth = answers.probabilities, np.array(test.labels)  # (n, K), (n,)


# %%
# From scratch: nothing but numpy, and the probabilities of real photos
def wilson(right, n, z=1.96):
    accuracy = right / n
    middle, half = (
        accuracy + z**2 / (2 * n),
        z * np.sqrt(accuracy * (1 - accuracy) / n + z**2 / (4 * n**2)),
    )
    return (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)


predicted = probabilities.argmax(axis=1)
confusion = np.zeros((K, K), int)
np.add.at(confusion, (truth, predicted), 1)
right, n = int(np.trace(confusion)), len(truth)
low, high = wilson(right, n)
print(
    f"{right} of {n} are right: {right / n:.1%}, "
    f"and with 95% confidence it lies between {low:.1%} and {high:.1%}"
)

# %%
# the library does exactly this
assert np.isclose(right / n, classifier.score(list(test.paths), test.names))

each = confusion.diagonal() / confusion.sum(axis=1)
bounds = np.array([wilson(confusion[k, k], confusion[k].sum()) for k in range(K)])
# %%
show_figure(
    f"Table of labels by answers: {right} of {n} are on the diagonal.",
    number_table(confusion, names, names, form="{}", labels=("predicted", "label")),
)
figure, axis = plt.subplots(figsize=(8, 0.9 + 0.28 * K), layout="constrained")
ends = np.clip([each - bounds[:, 0], bounds[:, 1] - each], 0, 1)
axis.barh(range(K), each, xerr=ends, color="#4477aa", capsize=3)
axis.set_yticks(range(K), [as_written(name) for name in names], fontsize=8)
axis.axvline(1 / K, color="black", linestyle=":", linewidth=1, label="chance")
axis.set(xlim=(0, 1.02), ylim=(K - 0.5, -0.5), xlabel="right, with 95% interval")
axis.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
show_figure(
    "The accuracy of each class, with its interval: "
    + ", ".join(f"{name} {accuracy:.0%}" for name, accuracy in zip(names, each, strict=True)),
    figure,
)
print(f"zero-shot {start:.0%} -> trained {right / n:.0%}")

# %% [markdown]
# **What you should see.** No error. First who is taken for whom, then each class with its interval. With 20 photos a
# class these are long: a class at 80% and one at 95% may well be equally good. With the sample's 6 they are longer
# still, and the step from zero-shot to trained is about one photo: such a test cannot tell the two apart.

# %% [markdown]
# ## 7. Look at the mistakes
#
# Numbers say how many; only looking says why. First the wrong answers, the surest first, and then the right answers,
# the least sure first.

# %%
sure = probabilities.max(axis=1)
order = sorted(
    range(n),
    key=lambda i: (
        predicted[i] == truth[i],
        -sure[i] if predicted[i] != truth[i] else sure[i],
    ),
)
row = []
for i in order[:6]:
    verdict = "wrong" if predicted[i] != truth[i] else "right"
    title = f"{names[truth[i]]}\nanswer {names[predicted[i]]}, {sure[i]:.0%}\n{verdict}"
    row.append(Panel(load_image(test.paths[i]), title))
worst = [
    f"{names[truth[i]]} predicted as {names[predicted[i]]} ({sure[i]:.0%})" for i in order[:6]
]
show_figure(f"Up to six photos: {', '.join(worst)}.", panels([row], size=(12, 2.6)))

# %% [markdown]
# **What you should see.** The six photos that are worth a look before all others. Where there are few mistakes, the row
# is filled up with right answers; if even the least sure of these are near 100%, there is nothing more to look for.
# Of the wrong ones some are hard for you, too; some may have a wrong label. Notebook 09 shows how to find out which
# misled.

# %% [markdown]
# ## 8. Ask it, also about your photos
#
# In a running notebook, choose a test photo or upload a picture; on the site, a photo is shown below. Every file is
# read by the same careful reader, whatever it claims to be; what cannot be read is refused with a sentence. A name that
# is clicked is explained.

# %%
from html import escape

from gallop.errors import ImageError
from gallop.maps.explainer.widget import Explainer

test_choice = widgets.Dropdown(
    options=[(f"{names[truth[i]]}: {test.paths[i].name}", i) for i in order[:50]],
    description="photo",
)
upload = widgets.FileUpload(accept="image/*", multiple=False)
reply, box = widgets.HTML(), widgets.VBox()


def ask(source):
    try:
        explained = classifier.explain(source)
    except ImageError as error:
        reply.value, box.children = escape(str(error)), ()
    else:
        reply.value, box.children = "", [Explainer(explained)]


test_choice.observe(lambda change: ask(test.paths[change["new"]]), "value")
upload.observe(
    lambda change: ask(bytes(change["new"][0]["content"])) if change["new"] else None, "value"
)
ask(test.paths[test_choice.value])
display(widgets.VBox([widgets.HBox([test_choice, upload]), reply, box]))

# %%
# the same as a still picture
first = classifier.explain(test.paths[order[0]])
show_figure(
    f"A {names[truth[order[0]]]}: the photo, the global scores of '{first.label}', and a map for "
    "each local prompt with its best regions outlined.",
    plot_explanation(first),
)

# %% [markdown]
# **What you should see.** In a running notebook, the answer, whether it may be none of these, and the map, whose scales
# you can move. The still picture shows the photo, the scores of the global prompts for the predicted name, and its map
# at all scales. With the sample this is the vase that is taken for a candle: the regions that speak for it lie on the
# foot of the vase and beside it. (On the site, a vase that the model of the sample takes for a teapot can be moved
# here.)
#
# <!-- explainer: test/vase/vase-11.jpg -->

# %% [markdown]
# ### Does it look at the thing?
#
# A right answer for a wrong reason, the table or the wall, will not last. Look at the maps. Of the sample's photos one
# can even count: which fraction of the regions that decided, for the right class, lies on the thing.

# %%
of_sample = {load_image(one.path).sha256: one for one in sample_photos()}
for k, name in enumerate(names):
    covered = []
    for i in np.flatnonzero(truth == k):
        if test.hashes[i] in of_sample:
            mask = sample_mask(of_sample[test.hashes[i]])
            why = classifier.explain(test.paths[i])
            for part in (part for n in range(len(why.topk)) for part in why.regions(name, n)):
                left, top, right, bottom = part.rounded()
                covered.append(mask[top:bottom, left:right].mean())
    if covered:
        print(f"{name:7} {np.mean(covered):.0%} of the regions that decided lie on the thing")
if not covered:
    print("For your photos there is no mask of the thing: look at the maps above.")

# %% [markdown]
# **What you should see.** With the sample: of mugs and teapots nearly all the regions lie on the thing. Of candles
# and vases fewer do, and the others lie beside them: these things are narrow, and a region sees further than its
# border (notebook 09 asks which part of the thing it is). A fraction far below that of the thing's area would be the
# alarm.

# %% [markdown]
# ## 9. "None of these"
#
# The threshold came out of the held-out shots. Here it is, on the test photos and on photos of something else.

# %%
others = [
    load_image(other.path, name=other.path.stem)
    for other in sample_photos()
    if other.part == "other" and photos.shows_none_of(other.path.stem, names)
]
limit, note = classifier.calibration_.threshold, classifier.calibration_.note or "(none)"
print("threshold:", "none" if limit is None else f"{limit:.4f}", f"  note: {note}")
# there is none when each class has a single shot
if classifier.calibration_.threshold is not None:
    print(f"test photos refused: {answers.is_ood.mean():.0%}   (aim: about 5%)")
    for photo, is_ood in zip(others, classifier.is_ood(others), strict=True):
        print(f"    {photo.name:10} {'none of these' if is_ood else 'let through'}")

# %% [markdown]
# **What you should see.** Few of the test photos refused, if any, and most of the strange photos. With the sample
# more test photos are refused than aimed at: a threshold from so few held-out shots is rough. If the note says
# *unreliable*, there were too few shots. If all is refused or nothing, read notebook 07.

# %% [markdown]
# ## 10. Keep it
#
# A checkpoint is a folder with two files: what was learned, and a description. The frozen backbone is not in it, only
# its fingerprint: it loads with the same backbone or not at all.

# %%
model_folder = Path(workspace.name) / "my-model"
classifier.save(model_folder)
for path in sorted(model_folder.iterdir()):
    print(f"{path.name:22} {path.stat().st_size / 1e3:8.0f} kB")

again = GalLoPClassifier.load(model_folder, backbone=clip)
np.testing.assert_allclose(again.predict_proba(list(test.paths)), probabilities, atol=1e-4)
assert again.calibration_ == classifier.calibration_
print("Loaded: the same probabilities, the same threshold.")

# %% [markdown]
# **What you should see.** Two small files, and no error. Choose a folder that lasts instead of a temporary one. On the
# command line the same model answers with
#
# ```
# gallop predict photo.jpg --model my-model
# gallop evaluate my-model "my photos"
# gallop explain photo.jpg --model my-model --out why.png
# ```
#
# and all the steps of this notebook up to here are one line: `gallop train "my photos" --out my-model --shots 8`.
# Without further options it teaches what was best on `mini` and not the paper's method alone: a head beside the
# prompts, and prompts that start from four kinds of photo.

# %% [markdown]
# ## What to write down
#
# When you report how good your classifier is, give all of this:
#
# * the classes, by the exact names that were used,
# * how many shots, drawn how, with which seeds, and that no test photo is among them,
# * how many test photos, where they came from, and the accuracy **with its interval**,
# * zero-shot and chance for comparison,
# * the backbone, the settings you changed, and the seed,
# * what it does with photos that are none of these.
#
# And what `mini` is not for: decisions about people, safety or medicine.

# %% [markdown]
# ## Quiz
#
# 1. A test photo lies among the train photos too, under another name. How is it detected?
#
#    - a) By its file's name and size.
#    - b) By a fingerprint of its decoded pixels.
#    - c) By an accuracy that is too good.
#
# <details><summary>Answer</summary>
#
# **b)** Equal pixels give equal fingerprints, whatever the file is called. It does not find the same scene
# photographed twice.
#
# - a) A copy may have any name, and may have been saved again. What stays the same?
# - c) One photo among many makes no visible difference, and an honest test may be just as good.
#
# The cells under “From scratch: is a test photo also a train photo?” show it.
#
# </details>
#
# 2. With the sample zero-shot has 92% of 24 test photos right, the trained classifier 96%. What follows?
#
#    - a) Nothing yet; the step is about one photo.
#    - b) Training helps, by four points.
#    - c) Training does not help.
#
# <details><summary>Answer</summary>
#
# **a)** The interval of 96% of 24 photos reaches from 79.8% to 99.3%. Such a small test cannot tell the two apart.
#
# - b) How many of the 24 photos are four points? And how far does the interval reach down?
# - c) That would be a finding, too. Does the test tell the two apart at all?
#
# The cells under “6. From scratch: how good is it, and how sure is that?” show it.
#
# </details>
#
# 3. What is not in the folder of a saved classifier?
#
#    - a) The learned contexts.
#    - b) The threshold for "none of these".
#    - c) The weights of the frozen backbone.
#
# <details><summary>Answer</summary>
#
# **c)** They did not change. A fingerprint identifies them, and the model only loads with the same weights.
#
# - a) They are what was learned, so they are saved.
# - b) Look at what is compared after loading.
#
# The cells under “10. Keep it” show it.
#
# </details>

# %% [markdown]
# ## Exercises
#
# 1. You try five learning rates and report the test accuracy of the best. What is wrong, and what is right?
#
# <details><summary>Answer</summary>
#
# The test photos helped to choose, so they are not unseen any more, and the best of five is too good by luck. Choose on
# photos held out from *train*, then ask the test photos once.
#
# </details>
#
# 2. 20 of 20 test photos of a class are right. Is the class always right?
#
# <details><summary>Answer</summary>
#
# `wilson(20, 20)` reaches down to about 84%. A class that is wrong in one of ten photos still gets 20 of 20 right in
# $0.9^{20} \approx 12\%$ of all cases.
#
# </details>
#
# 3. A new class is needed, and there is no photo of it yet. What can you do?
#
# <details><summary>Answer</summary>
#
# `classifier.add_class("its name")`: the learned contexts are put before the new name, as if it had been there. It
# works as far as the backbone knows the word. Check it as soon as there are photos, and mind the threshold (notebook
# 07).
#
# </details>
#
# 4. Everything is right except for photos from one camera. What do you do first?
#
# <details><summary>Answer</summary>
#
# Look at those photos (notebook 09), then give a few of them as shots (notebook 08). And put photos of that camera into
# the test folder, separately, so that the next report says how it does there.
#
# </details>
#
# **Next:** [11, methods side by side](11_methods_side_by_side.ipynb): what else can be learned from the same photos. Or
# on to the app: `make app`.
