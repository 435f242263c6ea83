# %% [markdown]
# # 02 · Regions: where on the photo a name fits
#
# **Goals.** After this notebook you can say what a region feature is; compute it for three kinds of image encoder;
# explain why the output of attention will not do; and read a region map.
#
# **Time.** About a minute of computing, 25 minutes of reading. No network, no GPU.
#
# **Seed.** 0, for two networks with random weights.
#
# **You need.** [Notebook 01](01_similarity.ipynb): encoders, cosine, `mini`. What attention is.

# %%
from gallop.runtime.process import prepare

prepare()  # before torch is loaded

# %% [markdown]
# ## A photo, cut into regions
#
# Notebook 01 compared the *entire* photo with a name. GalLoP's local prompts look at its **regions**: the cells of a
# grid. For each region the image encoder gives a vector, the **region feature** (the paper says *local feature*).
#
# Sizes: $R$ regions (rows times columns of the grid), $V$ numbers for each, $D$ numbers in the space shared with text,
# the **joint space**.
#
# This notebook opens the file of `mini` and builds its parts again, so the backbone is `mini` and cannot be chosen.

# %%
import numpy as np

from gallop import GalLoPClassifier, MethodConfig, available_models, load_backbone
from gallop.lab.tutorial import photos, show_figure
from gallop.lab.tutorial.panels import Panel, panels

collection = photos.by_class()
names = list(collection)
photo = collection[names[0]][0]

mini = load_backbone("mini", device="cpu")
pixels, crop = mini.preprocess.centre(photo.image)  # (3, H, W), and what was cropped
image, regions = mini.encode_image(pixels[None])  # (B, D) and (B, R, V), B = 1
rows, columns = mini.vision.grid

figure = panels([[Panel(photo)]], size=(5, 3.4))
down = np.linspace(crop.top, crop.bottom, rows + 1)
across = np.linspace(crop.left, crop.right, columns + 1)
figure.axes[0].hlines(down, crop.left, crop.right, color="white", linewidth=0.6)
figure.axes[0].vlines(across, crop.top, crop.bottom, color="white", linewidth=0.6)
show_figure(
    "The photo with the square that the model sees, and a white grid of "
    f"{rows} by {columns} regions on it.",
    figure,
)
print("regions", tuple(regions.shape), f"= (B, R, V) with R = {rows} x {columns}")

# %% [markdown]
# **What you should see.** The square that the model sees, and the grid on it. What lies outside the square has no
# region.

# %% [markdown]
# ## Image encoder 1: a convolutional network
#
# The image encoder of `mini` is a convolutional network (a *trunk*) and then one matrix. The trunk's last feature map
# has a vector of 1280 numbers for each cell of the grid. The usual next step takes the mean over all cells, and then
# the matrix $W$ brings it to the joint space:
#
# $$\mathbf z = W \Big(\frac1R \sum_{i=1}^{R} \mathbf x_i\Big) + \mathbf b .$$
#
# For regions we leave the mean out, and send every cell through the matrix:
#
# $$\mathbf r_i = W \mathbf x_i + \mathbf b .$$
#
# We build it from the file of weights. No part of this project takes part.

# %%
from safetensors.torch import load_file

file = next(available_models()["mini"].glob("*.safetensors"))
weights = {
    key: value.float() if value.is_floating_point() else value
    for key, value in load_file(file).items()
}

# %%
import timm
import torch

# From scratch: a plain EfficientNet-Lite0 of timm, the weights, and the pixels of our photo
trunk = timm.create_model("tf_efficientnet_lite0", num_classes=0, output_stride=16).eval()
start = "visual.trunk."
trunk.load_state_dict(
    {key.removeprefix(start): value for key, value in weights.items() if key.startswith(start)}
)
W, b = weights["visual.head.proj.weight"], weights["visual.head.proj.bias"]  # (D, 1280), (D,)

with torch.no_grad():
    cells = trunk.forward_features(pixels[None])[0]  # (1280, rows, columns)
    x = cells.flatten(1).T  # (R, 1280), row by row
    my_regions = x @ W.T + b  # (R, D)
    my_image = x.mean(dim=0) @ W.T + b  # (D,)

print("one region:", tuple(my_regions[0].shape), " all:", tuple(my_regions.shape))

# %%
torch.testing.assert_close(my_regions, regions[0], atol=1e-3, rtol=1e-4)
torch.testing.assert_close(my_image, image[0], atol=1e-3, rtol=1e-4)
torch.testing.assert_close(my_regions.mean(dim=0), image[0], atol=1e-3, rtol=1e-4)
print(
    "The library's regions and its image feature are these, "
    "and the mean of the regions is the image feature."
)

# %% [markdown]
# **What you should see.** No error. The third comparison is worth a thought: mean and matrix are both linear, so
# their order does not matter. The image feature *is* the mean of the region features. So regions and text are
# comparable without any training. How well they compare is another matter, which notebook 03 takes up. (In `mini`,
# $V = D$.)

# %% [markdown]
# ## A region map
#
# Now compare every region with one name. $R$ cosines, laid out as the grid, are a **region map**.
#
# As in notebook 01, `mini` divides by the norm or by a constant, whichever is more. The constant for regions is another
# one than that for photos, and larger. An empty piece of sky has a short region vector, and the constant keeps its
# cosine small. (A plain cosine would divide by the short length and make it as large as any other.)

# %%
with torch.no_grad():
    text = mini.text.encode_texts([f"A photo of a {name}" for name in names])  # (K, D)
delta = mini.damping.region

# %%
# From scratch: cosines of all regions with all names
lengths = my_regions.square().sum(dim=1).sqrt().clamp(min=delta)  # (R,)
my_maps = (my_regions / lengths[:, None]) @ (text / text.norm(dim=1, keepdim=True)).T  # (R, K)
my_map = my_maps[:, 0].reshape(rows, columns)

# %%
from gallop.maps.map_style import Style, Subject
from gallop.maps.pictures import map_picture

classifier = GalLoPClassifier(mini, method=MethodConfig()).zero_shot(names)
explanation = classifier.explain(photo)
for k, name in enumerate(names):
    # (rows, columns)
    library_map = torch.from_numpy(explanation.region_scores(name, prompt=0))
    torch.testing.assert_close(
        my_maps[:, k].reshape(rows, columns), library_map, atol=1e-5, rtol=0
    )

best = explanation.label  # the name whose global and local scores have the highest mean
in_cells = Style(drawn="Cells")  # by default a map passes over from region to region
drawn = map_picture(Subject(explanation, best), prompt=0, style=in_cells)
title = f"region map of '{best}', the name that wins"
show_figure(
    f"Left the photo. Right its map of '{best}', brighter where a region is more like the name; "
    "the best regions are outlined.",
    panels([[Panel(photo, "the photo"), Panel(drawn, title)]], size=(9, 3.2)),
)
map_of_best = explanation.region_scores(best, prompt=0)
print(f"cosines of regions with '{best}': {map_of_best.min():.3f} to {map_of_best.max():.3f}")

# %% [markdown]
# **What you should see.** Bright where the photo looks like the name to the model; with the sample photo, on the
# cat's face. Weak regions fade, and the photo behind the map is nearly grey, so that its colours do not mix with
# the map's. Colours say which region fits *better than others*, not whether it fits. The outlined regions are the best
# ones: notebook 03 tells what they are for.

# %% [markdown]
# The same map to point at (on the site, or with a running kernel). Move the mouse over it or walk with the arrow keys;
# click a region to ask which name it is most like. Choose another name, and watch the map.
#
# <!-- explainer: tutorial -->

# %%
from gallop.maps.explainer.state import ExplainerState
from gallop.maps.explainer.widget import Explainer

explainer = Explainer(explanation, state=ExplainerState(best, style=in_cells))
explainer

# %% [markdown]
# ## Image encoder 2: a vision transformer
#
# CLIP's best-known image encoder is a ViT. It cuts the photo into patches, one *token* each, adds a *class token*, and
# sends all tokens through blocks of attention and MLP. Only the class token was ever trained to be compared with
# text.
#
# Can we take the other tokens as region features? Not as they come out. To see why, we need a ViT. CLIP's weights take
# a download, so here is a small one with **random weights**. What random weights *can* show: which output depends on
# which input, since that is a matter of how the block is built. What they *cannot* show: where a name is on the photo,
# or how strongly a trained attention mixes. So no map of this ViT is read as a map of anything.

# %%
import open_clip

from gallop.backbones import Backbone, Preprocess

torch.manual_seed(0)
vision = {"image_size": 224, "patch_size": 16, "width": 128, "layers": 4, "head_width": 32}
language = {"context_length": 32, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1}
vit = open_clip.CLIP(embed_dim=64, vision_cfg=vision, text_cfg=language)
standard = Preprocess(224, open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
library_vit = Backbone("random ViT", vit, open_clip.SimpleTokenizer(), standard)

vit_pixels, _ = standard.centre(photo.image)  # (3, H, W)
last = vit.visual.transformer.resblocks[-1]
caught = {}
hook = last.register_forward_pre_hook(lambda module, inputs: caught.update(tokens=inputs[0]))
vit_image, vit_regions = library_vit.encode_image(vit_pixels[None])  # (1, D), (1, R, V)
vit.encode_image(vit_pixels[None])  # the network's forward pass, for the hook
hook.remove()
# (1 + R, V): what enters the last block; the class token comes first
tokens = caught["tokens"][0]
print("tokens", tuple(tokens.shape), "= (1 + R, V)")

# %% [markdown]
# **What you should see.** One class token and $R = 14 \times 14$ regions.
#
# The last block, as every ViT has it, with tokens $\mathbf x_i$ and weights $a_{ij}$ that add up to one over $j$. LN is
# a layer norm, and "out" the matrix that ends the attention. The biases ($\mathbf b_v$ and so on in the code) are left
# out here:
#
# $$\mathbf u_i = \mathbf x_i + \text{out}\Big(\sum_j a_{ij} \, W_v \, \text{LN}(\mathbf x_j)\Big), \qquad
# \text{output}_i = \mathbf u_i + \text{MLP}(\text{LN}(\mathbf u_i)).$$
#
# The **value path** gives every token full attention to itself and none to others: $a_{ii} = 1$. What stays is
#
# $$\mathbf u_i = \mathbf x_i + \text{out}\big(W_v \, \text{LN}(\mathbf x_i)\big).$$
#
# The MLP of the block then follows for each region as it always does.

# %%
# From scratch: the last block in full, and its value path
V = tokens.shape[1]
W_q, W_k, W_v = last.attn.in_proj_weight.split(V)  # (V, V) each
b_q, b_k, b_v = last.attn.in_proj_bias.split(V)


def rest_of_the_block(x, mixed):
    u = x + last.attn.out_proj(mixed)
    return u + last.mlp(last.ln_2(u))


def full_block(x):  # (L, V) -> (L, V)
    n = last.ln_1(x)
    q, k, v = n @ W_q.T + b_q, n @ W_k.T + b_k, n @ W_v.T + b_v
    # (H, L, V / H)
    heads = [
        part.unflatten(1, (last.attn.num_heads, -1)).transpose(0, 1) for part in (q, k, v)
    ]
    # (H, L, L)
    a = (heads[0] @ heads[1].transpose(1, 2) / heads[0].shape[2] ** 0.5).softmax(dim=-1)
    return rest_of_the_block(x, (a @ heads[2]).transpose(0, 1).flatten(1))


def value_path(x):  # (L, V) -> (L, V)
    return rest_of_the_block(x, last.ln_1(x) @ W_v.T + b_v)


# %%
encoder = vit.visual
# the class token, with all its attention
my_vit_image = encoder.ln_post(full_block(tokens)[0]) @ encoder.proj
my_vit_regions = encoder.ln_post(value_path(tokens)[1:])  # the others, with none

torch.testing.assert_close(my_vit_image, vit_image[0], atol=1e-4, rtol=1e-4)
torch.testing.assert_close(my_vit_regions, vit_regions[0], atol=1e-4, rtol=1e-4)
print("The library: image feature by the full block, region features by the value path.")

# %% [markdown]
# **What you should see.** No error. (`ln_post` is one more layer norm, which a ViT has after its last block.) After
# this, GalLoP's *local projection* acts on the $V$ numbers of a region (notebook 03), and only then the encoder's
# matrix, $V \to D$.

# %% [markdown]
# ## Why attention's output will not do
#
# A test that needs no trained weights: change **one** region before the last block, and see which outputs change.

# %%
asked = rows // 2 * columns + columns // 2  # a region in the middle, row by row


def touched(block, region):
    """How far each output (R,) moves when a region is replaced by the upper left one."""
    other = tokens.clone()
    other[1 + region] = tokens[1]
    return (block(other) - block(tokens)).norm(dim=1)[1:]


by_attention, by_value = touched(full_block, asked), touched(value_path, asked)
moved = {"full attention": by_attention, "value path": by_value}  # (R,) each
counts = {way: int((far > 1e-6).sum()) for way, far in moved.items()}
far_log = [
    torch.where(far > 1e-6, far, torch.nan).log10().reshape(14, 14) for far in moved.values()
]
limits = float(far_log[0].nan_to_num(torch.inf).min()), float(by_attention.max().log10())
titles = [f"{way}: {n} of {len(by_value)} regions move" for way, n in counts.items()]
show_figure(
    f"How far each region moves when one is changed. Full attention: "
    f"{counts['full attention']} of {len(by_value)} move. Value path: {counts['value path']}.",
    panels(
        [[Panel(far, t, limits) for far, t in zip(far_log, titles, strict=True)]],
        size=(8, 3.2),
        bar="how far, log10",
    ),
)

# %% [markdown]
# **What you should see.** With attention every region moves, the changed one furthest. With the value path exactly one
# does; cells that do not move are white. Both pictures have the same colour scale, a logarithm. So after attention, the
# feature of one region also holds something of all other places. The value path leaves out the last block's mixing:
# each region stays with its place.
#
# The blocks *before* the last one still mix. That cannot be avoided: without them a token would know nothing.
#
# What does mixing do to a *map*? Our ViT cannot say, since it knows no names; `mini` does, but has no attention. So
# we lend it one, without learned weights: regions attend to those that are like them, and add what they find
# there.

# %%
# From scratch: an attention without weights, on the regions of our photo
unit = my_regions / my_regions.norm(dim=1, keepdim=True)  # (R, D)
a = (unit @ unit.T).softmax(dim=1)  # (R, R), each row adds up to one
mixed = my_regions + a @ my_regions  # (R, D)
mixed_lengths = mixed.square().sum(dim=1).sqrt().clamp(min=delta)
# (R, K)
mixed_maps = (mixed / mixed_lengths[:, None]) @ (text / text.norm(dim=1, keepdim=True)).T

# %%
winner = names.index(best)
before, after = (some[:, winner].reshape(rows, columns) for some in (my_maps, mixed_maps))
limits = float(min(before.min(), after.min())), float(max(before.max(), after.max()))
titles = [
    f"{when}: '{best}'\nlowest {heatmap.min():.3f}, mean {heatmap.mean():.3f}"
    for when, heatmap in {"regions": before, "after the lent attention": after}.items()
]
show_figure(
    f"Two maps of '{best}'. Before the lent attention the lowest value is {before.min():.3f} and "
    f"the mean {before.mean():.3f}; after it {after.min():.3f} and {after.mean():.3f}.",
    panels(
        [[Panel(before, titles[0], limits), Panel(after, titles[1], limits)]],
        size=(8, 3),
        bar="cosine",
    ),
)

# %% [markdown]
# **What you should see.** The shape stays, since a region attends to itself too, but all values of the map rise, those
# of the background with them: compare the lowest values, and the means. (Both maps have the same colours.) Every region
# now holds something of what the photo is about. CLIP's attention was trained
# to gather, so there the effect is stronger. The value path comes from MaskCLIP (Zhou et al., 2022), which needed
# maps with clear edges.

# %% [markdown]
# ## Image encoder 3: a ResNet
#
# CLIP's ResNets end with an *attention pool*: all cells of the last map are mixed into one vector, and there is no
# output for a single cell. The same idea helps: take the pool's value matrix and its output matrix, and apply them
# to each cell. There is no positional embedding in it.
#
# $$\mathbf r_i = W_\text{out} (W_v \mathbf x_i + \mathbf b_v) + \mathbf b_\text{out} .$$

# %%
torch.manual_seed(0)
small_resnet = {"image_size": 224, "layers": [1, 1, 1, 1], "width": 32, "head_width": 32}
resnet = open_clip.CLIP(embed_dim=64, vision_cfg=small_resnet, text_cfg=language)
library_resnet = Backbone("random ResNet", resnet, open_clip.SimpleTokenizer(), standard)
# (1, D), (1, R, D)
resnet_image, resnet_regions = library_resnet.encode_image(vit_pixels[None])

# %%
# From scratch: value and output projection at each cell of the last map
body, pool = resnet.visual, resnet.visual.attnpool
with torch.no_grad():
    x = body.stem(vit_pixels[None])
    for layer in (body.layer1, body.layer2, body.layer3, body.layer4):
        x = layer(x)
    x = x[0].flatten(1).T  # (R, channels)
    values = x @ pool.v_proj.weight.T + pool.v_proj.bias
    my_resnet_regions = values @ pool.c_proj.weight.T + pool.c_proj.bias  # (R, D)

# %%
torch.testing.assert_close(my_resnet_regions, resnet_regions[0], atol=1e-4, rtol=1e-4)
print(
    "regions",
    tuple(resnet_regions.shape),
    "= (B, R, D), a grid of",
    library_resnet.vision.grid,
)

# %% [markdown]
# **What you should see.** No error, and a coarser grid: this network makes the map 32 times smaller than the photo.

# %% [markdown]
# ## Region maps for the three encoders
#
# Two of our encoders are random and know no names. But we can ask every encoder: *which regions are like this one?*
# The map holds the cosine of each region with the chosen one, after the mean over all regions is taken away (random
# networks give all regions much in common).

# %%
import torch.nn.functional as F

encoders = {
    "CNN trunk (mini, trained)": (regions[0], mini.vision.grid),
    "ViT, value path (random)": (vit_regions[0], (14, 14)),
    "ViT, attention's output (random)": (encoder.ln_post(full_block(tokens)[1:]), (14, 14)),
    "ResNet (random)": (resnet_regions[0], library_resnet.vision.grid),
}


def alike(features, size, place):
    """Cosines (rows, columns) with the region at a place (down, across), both from 0 to 1."""
    down, across = (
        min(int(part * count), count - 1) for part, count in zip(place, size, strict=True)
    )
    unit = F.normalize(features - features.mean(dim=0), dim=1)
    return (unit @ unit[down * size[1] + across]).reshape(size)


place = (0.4, 0.55)
maps = [alike(*what, place) for what in encoders.values()]


# %%
def at_cell(size):
    """The middle of the region at the place, both from 0 to 1."""
    return [(int(part * n) + 0.5) / n for part, n in zip(place, size, strict=True)]


seen = photo.image.crop((crop.left, crop.top, crop.right, crop.bottom))
row = [Panel(seen, "what the encoders see")]
row += [Panel(cosines, title, (-1, 1)) for cosines, title in zip(maps, encoders, strict=True)]
figure = panels([row], size=(13, 3), bar="cosine")
for axis, cosines in zip(figure.axes, (maps[0], *maps), strict=False):
    down, across = at_cell(cosines.shape)
    for colour, side, width in (("black", 16, 5.0), ("white", 14, 2.5)):
        cross = {"color": colour, "markersize": side, "markeredgewidth": width}
        axis.plot(across, 1 - down, "+", transform=axis.transAxes, **cross)
show_figure(
    "The square of the photo with a cross, and four maps of how like the region at the cross "
    "every region is, one for each backbone; each is brightest at the cross.",
    figure,
)

# %% [markdown]
# **What you should see.** On the left the part of the photo that all four encoders got. Each map is brightest at the
# white cross, in the middle of the chosen region: a region is most like itself. Even a random encoder
# finds places that look similar, because similar pixels give similar numbers; what it lacks is meaning. The two maps of
# the ViT are nearly the same here: with random weights, attention adds little, and about the same everywhere.
#
# In a running notebook, choose the region yourself. On the site, the four maps above stand for it.

# %%
import ipywidgets as widgets
from IPython.display import display
from plotly.subplots import make_subplots

from gallop.lab.tutorial.live_charts import LiveChart

down = widgets.FloatSlider(value=place[0], min=0, max=1, step=0.05, description="down")
across = widgets.FloatSlider(value=place[1], min=0, max=1, step=0.05, description="across")
figure = make_subplots(1, len(encoders), subplot_titles=list(encoders))
for column in range(1, len(encoders) + 1):
    figure.add_heatmap(
        zmin=-1, zmax=1, colorscale="Cividis", showscale=False, row=1, col=column
    )
figure.update_yaxes(autorange="reversed", visible=False).update_xaxes(visible=False)
figure.update_annotations(font_size=10)
figure.update_layout(width=900, height=270, margin={"t": 30, "b": 10})
chart = LiveChart(figure)


def ask(change=None):
    asked = down.value, across.value
    chart.draw(*({"z": alike(*what, asked).tolist()} for what in encoders.values()))


for slider in (down, across):
    slider.observe(ask, "value")
ask()
display(widgets.VBox([down, across, chart.widget]))

# %% [markdown]
# ## Quiz
#
# 1. The regions of mini were not trained to be compared with a text. Why can they be?
#
#    - a) Any two vectors of the same width can be compared.
#    - b) Each region gets a separate caption in CLIP's training.
#    - c) Mean and matrix can change places, so the image feature is the mean of the region features.
#
# <details><summary>Answer</summary>
#
# **c)** What was trained to fit a text is the mean of just these vectors. How well each of them fits is another
# matter.
#
# - a) A cosine can be computed of them, but need not mean anything. Think of what the image feature is made of.
# - b) That training had one text for each photo and none for a part of it.
#
# The cells under “Image encoder 1: a convolutional network” show it.
#
# </details>
#
# 2. One region is changed before the last block of a ViT. How many outputs move on the value path?
#
#    - a) All of them, the changed one furthest.
#    - b) One.
#    - c) None, since the class token alone is compared with a text.
#
# <details><summary>Answer</summary>
#
# **b)** On the value path a token only attends to itself, so each region keeps its place.
#
# - a) That is so with attention, which mixes all tokens. The value path leaves that out.
# - c) That is true of CLIP's training. Here the question is which outputs a change can reach.
#
# The cells under “Why attention's output will not do” show it.
#
# </details>
#
# 3. What can a ViT with random weights not show?
#
#    - a) Which output depends on which input.
#    - b) Whether two ways to compute the value path agree.
#    - c) Where a name is on a photo.
#
# <details><summary>Answer</summary>
#
# **c)** It has learned no name, so no map of it is right or wrong.
#
# - a) That is how the block is built, before anything is learned.
# - b) Two programs can be compared with any weights, and here they are.
#
# The cells under “Image encoder 2: a vision transformer” show it.
#
# </details>

# %% [markdown]
# ## Exercises
#
# 1. Why does the library compute the queries and attention weights of a ViT's last block for the class token alone?
#
# <details><summary>Answer</summary>
#
# The class token is the only one whose attention output is used: it becomes the image feature. All others take the
# value path. So queries, attention weights and output of the others would be computed for nothing.
#
# </details>
#
# 2. For `mini` the mean of the regions is the image feature. Is it so for the ViT?
#
# <details><summary>Answer</summary>
#
# No. There the image feature comes from the class token, which gathers what it likes by attention and passes an MLP.
# Nothing makes it a mean. Check: `(vit_regions[0] @ encoder.proj).mean(dim=0)` and `vit_image[0]` differ.
#
# </details>
#
# 3. Replace two regions instead of one in `touched`. How many outputs move on the value path?
#
# <details><summary>Answer</summary>
#
# Two: each output depends on one input alone. (One, if you replace the upper left region by itself.)
#
# </details>
#
# 4. With a network, load `load_backbone("ViT-B-16/openai")` and draw its region map of your photo.
#
# <details><summary>Answer</summary>
#
# `GalLoPClassifier("ViT-B-16/openai").zero_shot(names).explain(photo)`. The weights are some 350 MB and are
# cached for the next time. Without a network you get a sentence that says so.
#
# </details>
#
# **Next:** [03, sparse top-k and scales](03_topk_and_scales.ipynb): from a map to one number.
