# %% [markdown]
# # 12 · Maps side by side
#
# **Goals.** After this notebook you can draw a map in six ways, build a test that a map can fail, and say which maps
# answer to a *name* and which only show where a photo is busy. You know what attention rollout and query-query
# attention are, and what a network with random weights can and cannot tell of them.
#
# **Time.** Half a minute to a minute of computing, 30 minutes of reading. No network, no GPU. (What the text says of
# results is about the full run on the sample; with `FAST=1` it is cut short, and ends elsewhere.)
#
# **Seed.** 0.
#
# **You need.** Notebooks 02 (regions), 03 (scales) and 09 (deletion). Grad-CAM, below, takes the regions for the last
# layer, so the backbone is `mini` and cannot be chosen.

# %%
from gallop.runtime.process import prepare

prepare()  # before torch is loaded: two settings that make small steps fast on a laptop

# %% [markdown]
# ## A test that a map can fail
#
# A map is a claim: *here is what speaks for this name*. The sample project states where each thing is, to a pixel or
# two, so the claim can be checked. But look at the photos: one thing each, near the middle. A map that always points to
# the middle does well, whatever is asked. Such a test cannot be failed, so it says nothing.
#
# So we put **four photos into one picture**, one of each class, in a random order, and ask for each of the four names
# (the *grid pointing game*, [Böhle et al., 2021](https://arxiv.org/abs/2104.00032)). A map that does not listen to the
# name points to the same place four times, and is right exactly once.
#
# (This test needs to know where things are, so it is played on the sample, with `GALLOP_PHOTOS` too. Your photos
# come at the end.)

# %%
import numpy as np
from PIL import Image, ImageEnhance

from gallop import (
    GalLoPClassifier,
    MethodConfig,
    TrainConfig,
    load_backbone,
    load_image,
    read_folder,
)
from gallop.lab.tutorial import photos, show_figure
from gallop.sample import sample_folder, sample_mask, sample_photos

SIDE = 224
tests = [photo for photo in sample_photos() if photo.part == "test"]
names = sorted({photo.class_name for photo in tests})  # K = 4 names
by_name = {name: [photo for photo in tests if photo.class_name == name] for name in names}
rng = np.random.default_rng(0)


def quarter(photo):  # pixels, and where the thing is
    image = load_image(photo.path).image.resize(
        (SIDE // 2, SIDE // 2), Image.Resampling.BICUBIC
    )
    mask = Image.fromarray(sample_mask(photo)).resize(image.size)
    return np.asarray(image), np.asarray(mask)


pictures, truth = [], []  # each picture, and by name the mask (SIDE, SIDE) of its thing
for number in range(2 if photos.FAST else 6):
    order = rng.permutation(len(names))
    picture, masks = np.zeros((SIDE, SIDE, 3), np.uint8), {}
    for place, which in enumerate(order):
        pixels, mask = quarter(by_name[names[which]][number])
        top, left = (SIDE // 2 * part for part in divmod(place, 2))
        there = slice(top, top + SIDE // 2), slice(left, left + SIDE // 2)
        picture[there] = pixels
        masks[names[which]] = np.zeros((SIDE, SIDE), bool)
        masks[names[which]][there] = mask
    pictures.append(Image.fromarray(picture))
    truth.append(masks)
questions = [(i, name) for i in range(len(pictures)) for name in names]
print(f"{len(pictures)} pictures, {len(questions)} questions")

# %% [markdown]
# **What you should see.** 24 questions. Now the model that is asked: GalLoP as the paper has it, taught with the
# sample's train photos, each of which shows one thing.

# %%
import torch.nn.functional as F

mini = load_backbone("mini", device="cpu")
method = MethodConfig()
settings = {"epochs": 6, "views": 1} if photos.FAST else {"epochs": 30, "views": 4}
classifier = GalLoPClassifier(
    mini, preset=TrainConfig(**settings), method=method, calibration_folds=0, seed=0
)
classifier.fit(read_folder(sample_folder(), split="train"))
model, text = classifier.model_, classifier.model_.cached_text_features()
names = list(model.class_names)
K, grid, R = len(names), mini.vision.grid, int(np.prod(mini.vision.grid))
# (V, D): the local projection, then the encoder's matrix
projection = model.paper.region_projection().detach()
# (K, D) each: the mean local and the mean global prompt of a name
local = F.normalize(text.local.detach(), dim=-1).mean(dim=1)
global_ = F.normalize(text.global_.detach(), dim=-1).mean(dim=1)
delta, region_delta = mini.damping.image, mini.damping.region

# %% [markdown]
# ## Six ways to draw a map
#
# All of them use the same features of the same backbone. With region $\mathbf r_i$ (after the local projection) and the
# text $\mathbf t$ of a name, of unit length:
#
# 1. **Value path, GalLoP's map.** $\mathbf r_i \cdot \mathbf t / \max(\lVert \mathbf r_i \rVert, \delta)$, the cosine
#    that enters the score. (In a network without attention, as `mini`, the value path is the cell itself.)
# 2. **Plain cosine.** The same without $\delta$: short, empty regions count as much as any.
# 3. **Class activation map.** $\mathbf r_i \cdot \mathbf t$, no norm at all.
# 4. **Grad-CAM** ([Selvaraju et al., 2017](https://arxiv.org/abs/1610.02391)), of the *global* prompts' score: the
#    gradient of the score by the last layer, averaged over places, says which channels matter; their weighted sum,
#    without what is negative, is the map.
# 5. **Lent attention.** Each region becomes a mean of the regions that are like it, then the cosine. This is what
#    query-query attention does in a ViT, on an encoder that has no attention.
# 6. **Random.** Any order is as good as another.


# %%
import torch


# From scratch: maps (B, R, K) of the regions (B, R, V) of all pictures, for all names at once
def gallop_map(regions):
    moved = regions @ projection
    return moved @ local.T / moved.norm(dim=-1, keepdim=True).clamp(min=region_delta)


def plain_cosine(regions):
    return F.normalize(regions @ projection, dim=-1) @ local.T


def activation_map(regions):
    return regions @ projection @ local.T


def lent_attention(regions, sharpness=20.0):
    moved = regions @ projection
    alike = F.normalize(moved, dim=-1)  # (B, R, D)
    weights = (sharpness * alike @ alike.transpose(1, 2)).softmax(dim=-1)  # (B, R, R)
    return F.normalize(weights @ moved, dim=-1) @ local.T


def at_random(regions):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(*regions.shape[:2], len(local), generator=generator)


# %%
# From scratch: Grad-CAM. In mini the image feature is the mean of the regions, so they are the last layer
def grad_cam(regions):
    layer = regions.clone().requires_grad_()  # (B, R, D)
    mean = layer.mean(dim=1)
    scores = mean @ global_.T / mean.norm(dim=-1, keepdim=True).clamp(min=delta)  # (B, K)
    maps = []
    for k in range(scores.shape[1]):
        (gradient,) = torch.autograd.grad(scores[:, k].sum(), layer, retain_graph=True)
        channels = gradient.mean(dim=1, keepdim=True)  # (B, 1, D): the weight of each channel
        maps.append((layer.detach() * channels).sum(dim=-1).clamp(min=0))
    return torch.stack(maps, dim=-1)


# %% [markdown]
# The least that a map of a name has to be better than is a map of *no* name. Three that look at the picture alone:


# %%
# From scratch: text-blind maps (B, R, K), the same for every name
def in_cells(values):  # (H, W) -> (R,), means over the cells of the grid
    values = torch.as_tensor(np.ascontiguousarray(values), dtype=torch.float32)
    return F.adaptive_avg_pool2d(values[None], grid)[0].flatten()


def centre(picture):
    y, x = (torch.arange(count).add(0.5).div(count).sub(0.5) for count in grid)
    return -torch.hypot(y[:, None], x[None]).flatten()


def edges(picture):
    down, across = np.gradient(np.asarray(picture, dtype=np.float64).mean(axis=2))
    return in_cells(np.hypot(down, across))


def odd_colour(picture):
    values = np.asarray(picture, dtype=np.float64)
    colours = torch.stack([in_cells(values[..., channel]) for channel in range(3)], dim=-1)
    return (colours - colours.mean(dim=0)).norm(dim=-1)


def for_all_names(of_picture, some):
    return torch.stack([of_picture(picture) for picture in some])[..., None].expand(-1, -1, K)


# %%
LISTEN = {
    "GalLoP": gallop_map,
    "plain cosine": plain_cosine,
    "activation map": activation_map,
    "Grad-CAM": grad_cam,
    "lent attention": lent_attention,
    "random": at_random,
}
BLIND = {"centre (blind)": centre, "edges (blind)": edges, "odd colour (blind)": odd_colour}


def all_maps(some):
    """Of pictures, by way: (B, R, K)."""
    with torch.no_grad():
        regions = mini.encode_image(torch.stack([mini.preprocess.centre(p)[0] for p in some]))[
            1
        ]
    maps = {way: draw(regions) for way, draw in LISTEN.items()}
    return maps | {way: for_all_names(draw, some) for way, draw in BLIND.items()}


ways = all_maps(pictures)
explained = [classifier.explain(picture) for picture in pictures]
for i, why in enumerate(explained):  # the library's map is the first
    for k, name in enumerate(names):
        mean = np.mean([why.region_scores(name, n) for n in range(len(why.topk))], axis=0)
        np.testing.assert_allclose(ways["GalLoP"][i, :, k].reshape(grid), mean, atol=1e-5)
print("GalLoP's map is the library's, for every picture and name.")

# %% [markdown]
# **What you should see.** No error.

# %% [markdown]
# ## Maps that do not listen
#
# One picture, asked for each of its four names. The named thing is outlined, the dot is the best region. Colours run
# from the lowest to the highest value of each map.


# %%
from matplotlib.figure import Figure

from gallop.maps.map_style import COLOURS, GREYED


def map_grid(pictures, maps, titles, outlines=()):
    """A picture a row, a way a column; a map lies over all of its picture."""
    size = 1.35 * (1 + len(maps)), 1.35 * len(pictures) + 0.35
    figure = Figure(figsize=size, layout="constrained")
    for row, axes in enumerate(figure.subplots(len(pictures), 1 + len(maps), squeeze=False)):
        axes[0].imshow(pictures[row])
        axes[0].set_title(titles[row].replace("$", r"\$"), fontsize=8)
        width, height = pictures[row].size
        for axis, (way, heatmaps) in zip(axes[1:], maps.items(), strict=True):
            values = np.asarray(heatmaps[row], dtype=np.float64)
            axis.imshow(ImageEnhance.Color(pictures[row]).enhance(1 - GREYED))
            over = {"extent": (0, width, height, 0), "interpolation": "nearest"}
            axis.imshow(values, cmap=COLOURS[0], alpha=0.7, **over)
            y, x = np.unravel_index(int(values.argmax()), values.shape)
            best = (x + 0.5) * width / values.shape[1], (y + 0.5) * height / values.shape[0]
            axis.plot(*best, marker="o", markersize=5, color="white", markeredgecolor="black")
            axis.set_title(way if row == 0 else "", fontsize=8)
        for axis in axes:
            axis.set_axis_off()
            for outline in outlines[row : row + 1]:
                axis.contour(outline, [0.5], colors="white", linewidths=1)
    return figure


shown = [
    "GalLoP",
    "plain cosine",
    "Grad-CAM",
    "lent attention",
    "edges (blind)",
    "centre (blind)",
]
show_figure(
    f"One picture of four photos, a row each for {', '.join(names)}, and its maps by "
    f"{', '.join(shown)}: the first four change with the name, the two blind ones do not.",
    map_grid(
        [pictures[0]] * K,
        {way: [ways[way][0, :, k].reshape(grid).numpy() for k in range(K)] for way in shown},
        [f"{name}?" for name in names],
        [truth[0][name] for name in names],
    ),
)

# %% [markdown]
# **What you should see.** Asked for the candle, the mug and the teapot, the first four maps go to the photo of that
# thing, though the best region often lies beside the thing itself: a region sees further than its border. Asked
# for the vase, all four go to the *candle*. They listen, and are wrong all the same (of the four names, vase and candle
# are the second most alike, notebook 09). The two columns on the right show one map four times. They never heard the
# question.

# %% [markdown]
# ## Pointing
#
# Over all pictures and names:
#
# * **photo**: does the best region lie in the photo of the named thing? Chance is 25%.
# * **thing**: does it lie on the thing itself, with half of its area or more? (*pointing game*)
# * **top**: which fraction of the ten best regions does?
# * **alike**: how alike are the maps of two names, as a correlation? A map that does not listen has 1.
# * **alone**: as *thing*, on the 24 test photos as they are, with one thing on each.


# %%
# From scratch: pointing
def on_thing(scores, mask):  # (R,), (H, W) -> of the first ten regions, best first
    return (in_cells(mask) >= 0.5)[scores.argsort(descending=True, stable=True)[:10]].float()


def in_photo(scores, mask):
    row, column = divmod(int(scores.argmax()), grid[1])
    middle = [
        places.mean() / side for places, side in zip(np.nonzero(mask), mask.shape, strict=True)
    ]
    best = (row + 0.5) / grid[0], (column + 0.5) / grid[1]
    return all((a < 0.5) == (b < 0.5) for a, b in zip(best, middle, strict=True))


def pointing(maps):  # (B, R, K)
    rows = []
    for i, name in questions:
        k, mask = names.index(name), truth[i][name]
        first = on_thing(maps[i, :, k], mask)
        alike = torch.corrcoef(maps[i].T)[k]  # (K,)
        others = float((alike.sum() - alike[k]) / (K - 1))
        rows.append(
            (in_photo(maps[i, :, k], mask), float(first[0]), float(first.mean()), others)
        )
    return np.mean(np.array(rows, dtype=float), axis=0)


# %%
single = [load_image(photo.path).image for photo in tests]
single_masks = [sample_mask(photo) for photo in tests]
alone = {
    way: np.mean(
        [
            float(on_thing(maps[i, :, names.index(photo.class_name)], single_masks[i])[0])
            for i, photo in enumerate(tests)
        ]
    )
    for way, maps in all_maps(single).items()
}
print(f"{'':20} {'photo':>6} {'thing':>6} {'top':>6} {'alike':>6} {'alone':>6}")
for way, maps in ways.items():
    photo, thing, top, alike = pointing(maps)
    print(f"{way:20} {photo:>6.0%} {thing:>6.0%} {top:>6.0%} {alike:>6.2f} {alone[way]:>6.0%}")

# %% [markdown]
# **What you should see.** Look at the last column first. On photos of one thing, the middle of the photo wins with
# 83%, and even edges (75%) are on the thing more often than GalLoP's map (67%). A test of maps on such photos
# tests where things are placed.
#
# With four photos it turns round. The blind maps find the right photo 25% of the time, as they must, and their *alike*
# is 1. The maps that listen find it in 67% to 92% of the cases. That much is certain. But which of them is best, 24
# questions cannot tell: between 83% and 92% lie two questions. GalLoP's map is not the best one here, and dividing
# by $\delta$, which keeps empty regions dark, has not helped it to find the photo. (The activation map is GalLoP's:
# all regions of `mini` are shorter than $\delta$, so both divide by a constant or by nothing, and the order is the
# same.)
#
# *Thing* and *top* are low for everybody. In a quarter of the picture a candle is narrower than a region, so hardly any
# region has half of its area on it. These maps tell the photo, and not the outline.

# %% [markdown]
# ## Deletion
#
# Pointing asks where *we* see the thing. Deletion asks what the *model's score* depends on: take the best regions of a
# map away first, and watch the score of the name fall. A good map makes it fall early
# ([Petsiuk et al., 2018](https://arxiv.org/abs/1806.07421)). Taken away means: blurred until nothing that is smaller
# than a region is left.
#
# $$\text{area} = \int_0^1 \text{score}(\text{fraction removed}) \; d\,\text{fraction}, \qquad \text{less is better.}$$

# %%
pixels = [mini.preprocess.centre(picture)[0] for picture in pictures]  # (3, H, W) each
counts = np.unique(
    np.rint(R * np.linspace(0, 1, 11) ** 2).astype(int)
)  # closer together at first


# %%
from torchvision.transforms.functional import gaussian_blur


# From scratch: pictures with the first regions of an order gone
def without(i, order):  # -> (S, 3, H, W)
    size = pixels[i].shape[-2:]
    side = size[1] // min(grid)
    radius = min(2 * side, size[1] - 1)
    blurred = gaussian_blur(pixels[i], [2 * radius + 1] * 2, [float(side)] * 2)
    there = torch.ones(len(counts), R)
    for row, count in enumerate(counts.tolist()):
        there[row, order[:count]] = 0
    there = F.interpolate(there.reshape(-1, 1, *grid), size=size, mode="nearest")
    return blurred + there * (pixels[i] - blurred)


def area(curve):  # by the trapezoidal rule, (..., S) -> (...)
    return ((curve[..., 1:] + curve[..., :-1]) / 2 * np.diff(counts / R)).sum(axis=-1)


# %%
from gallop.features.encoding import ImageFeatures
from gallop.model.answers import Rule, answers

encoded_scores = {}  # blind maps have one order for all names, which is encoded once


def curve_of(i, name, order):
    """The score of a name, a cosine of the ensemble, as the regions go in this order."""
    key = i, order.numpy().tobytes()
    if key not in encoded_scores:
        with torch.no_grad():
            encoded = ImageFeatures(*mini.encode_image(without(i, order)))
            # (S, K)
            encoded_scores[key] = answers(
                model.similarities(encoded, text), Rule(method.topk)
            ).scores.numpy()
    return encoded_scores[key][:, names.index(name)]


played = [(i, name) for i, name in questions if i < (1 if photos.FAST else 3)]
curves = {  # (questions, S)
    way: np.stack(
        [
            curve_of(
                i, name, maps[i, :, names.index(name)].argsort(descending=True, stable=True)
            )
            for i, name in played
        ]
    )
    for way, maps in ways.items()
}

# %%
from gallop.predictions.faithfulness import deletion

i, name = played[0]  # the library plays the same game, and at random five times
*_, library = deletion(model, explained[i], name)
np.testing.assert_allclose(curves["GalLoP"][0], library.by_map, atol=1e-4)
print(
    f"{name}: area {area(curves['GalLoP'][0]):.4f}; the library says {library.area_by_map:.4f},",
    end=" ",
)
print("at random", ", ".join(f"{each:.4f}" for each in library.areas_at_random))

# %%
# the fraction of the score that is there on average: 1 with all of the picture, 0 with nothing of it
left, FEW = {}, 4
for way, by_question in curves.items():
    curve = by_question.mean(axis=0)
    left[way] = (area(curve) - curve[-1]) / (curve[0] - curve[-1])
    early = (curve[FEW] - curve[-1]) / (curve[0] - curve[-1])
    print(f"{way:20} {left[way]:>4.0%} of the score left on average,", end=" ")
    print(f"{early:>4.0%} when {counts[FEW]} of {R} regions are gone")

# %%
from gallop.lab.tutorial.charts import line_chart

drawn = ("GalLoP", "Grad-CAM", "edges (blind)", "random")
show_figure(
    "Score of the name over the fraction of regions that are gone: GalLoP and Grad-CAM fall at once, "
    "the edges catch up after a quarter of the regions, a random order falls last.",
    line_chart(
        counts / R,
        {way: curves[way].mean(axis=0) for way in drawn},
        marker="o",
        labels=("fraction of the regions that are gone", "score of the name"),
        size=(7, 3),
    ),
)

# %% [markdown]
# **What you should see.** The library's areas are ours. The maps that listen leave 27% to 29% of the score on average,
# a random order 50%. The middle (55%) and the odd colour (56%) are no better than chance: what they take away first is
# not what the score of *this* name depends on. (These are three pictures with four names each; 27% and 29% are the
# same.)
#
# But edges come near with 31%, and they never heard the name. Why? They take away all four things, and the named one is
# among them. The second number tells more, and so does the picture: when 31 regions are gone, a sixth of the picture,
# GalLoP's map has left 41% of the score and the edges 82%. A map that knows the name takes the right thing *first*.

# %% [markdown]
# ## In a transformer: query-query attention and rollout
#
# Two more ways need attention, and `mini` has none. Each backbone knows which rules for regions it supports.

# %%
from gallop.config import REGION_KINDS, REGION_RULES
from gallop.errors import BackboneError

for kind in REGION_KINDS:
    try:
        mini.with_regions(kind)
        print(f"{kind}: mini has it, {REGION_RULES[kind]}")
    except BackboneError as error:
        print(f"{kind}: refused. The message:", *str(error).split(". "), sep="\n")

# %% [markdown]
# **What you should see.** `mini` has the value path alone. So we take a small ViT with **random weights**, as in
# notebook 02 (CLIP's take a download). What can it show? How a way is *computed*, and *who listens to whom*. What can
# it not show? Where a name is: this network knows none, and no map of it hits or misses anything. To rank ways by
# pictures of a random network is to rank noise.
#
# * **Query-query** ([ClearCLIP, 2024](https://arxiv.org/abs/2407.12442)): in the last block a region listens to those
#   whose *queries* are like its query, and what came before the block, and its MLP, are left out:
#   $\text{out}\big(\text{softmax}(q q^\top / \sqrt{d}) \, v\big)$.
# * **Attention rollout** ([Abnar and Zuidema, 2020](https://arxiv.org/abs/2005.00928)): the attention matrices $A_l$ of
#   all blocks, averaged over heads, half of each token passed on by the residual, multiplied:
#   $\prod_l \tfrac12 (A_l + I)$. The row of the class token is the map.

# %%
import open_clip

from gallop.backbones import Backbone, Preprocess

torch.manual_seed(0)
vision = {"image_size": SIDE, "patch_size": 16, "width": 128, "layers": 4, "head_width": 32}
language = {"context_length": 32, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1}
vit = open_clip.CLIP(embed_dim=64, vision_cfg=vision, text_cfg=language).eval()
standard = Preprocess(SIDE, open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
random_vit = Backbone("random ViT", vit, open_clip.SimpleTokenizer(), standard)
vit_pixels = standard.centre(pictures[0])[0][None]

blocks, entering = list(vit.visual.transformer.resblocks), []
hooks = [
    block.register_forward_pre_hook(lambda module, given: entering.append(given[0][0]))
    for block in blocks
]
with torch.no_grad():
    vit.encode_image(vit_pixels)
for hook in hooks:
    hook.remove()
print(f"{len(entering)} blocks, each is given {tuple(entering[0].shape)} = (1 + R, V)")


# %%
# From scratch: attention weights of one block, between any two of query, key and value
def heads_of(block, x):  # -> q, k, v, each (H, 1 + R, V / H)
    each = (block.ln_1(x) @ block.attn.in_proj_weight.T + block.attn.in_proj_bias).chunk(
        3, dim=1
    )
    return [part.unflatten(1, (block.attn.num_heads, -1)).transpose(0, 1) for part in each]


def weights(a, b):
    return (a @ b.transpose(1, 2) / a.shape[2] ** 0.5).softmax(dim=-1)  # (H, 1 + R, 1 + R)


with torch.no_grad():
    last, x = blocks[-1], entering[-1]
    q, k, v = heads_of(last, x)
    mixed = (weights(q, q) @ v).transpose(0, 1).flatten(1)
    my_query_query = vit.visual.ln_post(last.attn.out_proj(mixed))[1:]  # (R, V)

    rollout = torch.eye(len(x))
    for block, given in zip(blocks, entering, strict=True):
        q_l, k_l, _ = heads_of(block, given)
        rollout = (weights(q_l, k_l).mean(dim=0) + torch.eye(len(x))) / 2 @ rollout

# %%
with torch.no_grad():
    library_regions = random_vit.with_regions("query-query").encode_image(vit_pixels)[1][0]
torch.testing.assert_close(my_query_query, library_regions, atol=1e-4, rtol=1e-4)
torch.testing.assert_close(rollout.sum(dim=1), torch.ones(len(x)), atol=1e-4, rtol=0)
print("Query-query is the library's; each row of the rollout adds up to one.")

asked = grid[0] // 2 * grid[1] + grid[1] // 4  # a region on the left, half the way down
rows = {
    "value path": torch.eye(len(x))[1 + asked],
    "query-query": weights(q, q).mean(dim=0)[1 + asked],
    "full attention": weights(q, k).mean(dim=0)[1 + asked],
    "rollout, region": rollout[1 + asked],
    "rollout, class token": rollout[0],
}
for way, row in rows.items():
    me = 0 if "class" in way else 1 + asked
    others = torch.cat([row[:me], row[me + 1 :]])
    count = float((-(row * row.clamp(min=1e-12).log()).sum()).exp())  # e to the entropy
    print(
        f"{way:20} listens to {count:5.1f} of {len(row)} tokens: {row[me]:6.1%} to itself, "
        f"{others.min():.1%} to {others.max():.1%} to each other one"
    )

# %%
vit_grid = random_vit.vision.grid
show_figure(
    "To which regions a region of the random ViT listens: to itself on the value path, to half of "
    "the picture by query-query attention, to nearly all by full attention. In the rollout the "
    "region itself outshines the others; that of the class token is spread over all of them.",
    map_grid(
        [pictures[0]],
        {way: [row[1:].reshape(vit_grid).numpy()] for way, row in rows.items()},
        [f"region {asked}"],
    ),
)

# %% [markdown]
# **What you should see.** On the value path a region listens to itself alone: that is built in. With query-query
# attention it listens to about half of all tokens, those whose patches have much the same light. (To itself it does
# not even listen most: another query that is longer gives a larger product.) With full attention it is nearly
# all of them. In the rollout a token keeps a fraction for itself, which the residual leaves it in each block, and the
# rest is spread over all. Mind the colours of the class token's map: they run from 0.4% to 0.6%. It looks like a map,
# and is all but even; nothing was learned that could make it otherwise.
#
# Now look at the columns once more: is there a *name* in any of them? Query-query gives region *features*, which are
# compared with a text afterwards. **Attention rollout has no text in it at all.** On a trained network, too, it is the
# same map for *mug* and for *vase*: a blind map, like edges. It says where information may have come from, not what
# for.

# %% [markdown]
# ## Your photos
#
# With `GALLOP_PHOTOS` one of each of your first classes, by their names alone; otherwise photos of the sample as they
# are, one thing on each. The dot is the best region.

# %%
if photos.custom_folder() is None:
    mine = {name: load_image(by_name[name][0].path) for name in names}
    asked_of = classifier
else:
    collection = photos.by_class(most=1)
    mine = {name: some[0] for name, some in list(collection.items())[:5]}
    asked_of = GalLoPClassifier(mini, method=method).zero_shot(list(collection))
squares, heatmaps = [], {"GalLoP": [], "edges (blind)": []}
for name, photo in mine.items():
    why = asked_of.explain(photo)
    box = why.crop
    square = photo.image.crop((box.left, box.top, box.right, box.bottom)).resize((SIDE, SIDE))
    squares.append(square)
    heatmaps["GalLoP"].append(np.mean([why.region_scores(name, n) for n in range(4)], axis=0))
    heatmaps["edges (blind)"].append(edges(square).reshape(grid).numpy())
show_figure(
    f"Photos of {', '.join(mine)}, and for each the map of GalLoP and that of the edges.",
    map_grid(squares, heatmaps, [f"{name}?" for name in mine]),
)

# %% [markdown]
# **What you should see.** On the sample, maps that look convincing, in both columns. That is the trap of which the
# beginning speaks: with one thing on a photo you cannot see which of the two has listened.

# %% [markdown]
# ## What to keep
#
# * **A picture of a map proves nothing.** Ours look well, and so do edges. Ask for a name that is *not* where the eye
#   goes; ask twice with different names and compare.
# * **Always play against a blind map.** On photos of one thing the middle of the photo beat all that listened, and in
#   deletion edges were nearly as good.
# * **Two dozen questions do not rank ways.** They tell listening from not listening. For an order of those that listen
#   take hundreds of photos and a trained transformer: `python -m benchmarks.maps` plays these games on both.
# * **Pointing and deletion are different questions**: where the thing is, and what the score depends on. A model may be
#   right about a vase because of the table. Then a true map points beside the vase.
# * **A map of another score explains another score.** Grad-CAM and rollout are of the global feature. GalLoP's map is
#   of the local prompts, and is no explanation *of* the score but a part of it: its best $k$ cells are the local score.
# * **A random network shows how things are computed, and nothing about where they are.**

# %% [markdown]
# ## Quiz
#
# 1. A map shows a bright vase when it is asked for a vase. Why is that no proof?
#
#    - a) It is one, if the vase is outlined to the pixel.
#    - b) Because colours can be chosen at will.
#    - c) Because a map that does not know the name may show the same.
#
# <details><summary>Answer</summary>
#
# **c)** Edges, odd colours and the middle of the photo are bright on a vase for any name. Ask for another one.
#
# - a) Outlines may come from edges. Would the map look different if it were asked for a mug?
# - b) Other colours would not move its best region. Think of a map that never saw the name.
#
# The cells under “Maps that do not listen” show it.
#
# </details>
#
# 2. Four photos are in one picture, and each of the four names is asked. How often does a map that ignores the name
#    find the right photo?
#
#    - a) One time in four.
#    - b) Never.
#    - c) That depends on where the photos are.
#
# <details><summary>Answer</summary>
#
# **a)** It points to one place for all four names, and that place is right for one of them.
#
# - b) Its one best region does lie in some photo, and one of the four questions asks for just that.
# - c) Which of the four questions it gets right does. Count how many of the four.
#
# The cells under “A test that a map can fail” show it.
#
# </details>
#
# 3. What can a ViT with random weights tell about query-query attention?
#
#    - a) Whether its maps hit the thing more often than the value path's.
#    - b) How it is computed, and how many tokens a region listens to there.
#    - c) Nothing at all.
#
# <details><summary>Answer</summary>
#
# **b)** Both hold before any training. How strongly a trained network focuses can only be seen on one.
#
# - a) For that the network would have to know a name, and this one was never trained.
# - c) The formula can be checked against the library, and the number of tokens can be counted.
#
# The cells under “In a transformer: query-query attention and rollout” show it.
#
# </details>

# %% [markdown]
# ## Exercises
#
# 1. Raise the sharpness in `lent_attention` to 1000. Which map does it become, and why?
#
# <details><summary>Answer</summary>
#
# The plain cosine: a region is most like itself, so with a sharp softmax it listens to itself alone.
#
# </details>
#
# 2. The insertion game starts from a blurred picture and puts the best regions back. Write it with `without`.
#
# <details><summary>Answer</summary>
#
# Give it the order reversed and read the curve from its end: what is gone last comes first. (More area is better then.)
#
# </details>
#
# 3. With a network: play this notebook with CLIP's ViT and each kind of regions that it has.
#
# <details><summary>Answer</summary>
#
# `load_backbone("ViT-B-16/openai").with_regions("query-query")` in place of `mini`, and Grad-CAM left out, whose cell
# takes the regions for the last layer. `python -m benchmarks.maps --backbone ViT-B-16/openai` does so with Grad-CAM.
#
# </details>
#
# **Next:** [13, what a class relies on](13_what_a_class_relies_on.ipynb): from one photo to all of a class.
