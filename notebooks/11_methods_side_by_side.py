# %% [markdown]
# # 11 · Methods side by side
#
# **Goals.** After this notebook you can say what five few-shot methods learn from the same photos, write each of them
# in thirty lines, compare them fairly, and name what each of them cannot do.
#
# **Time.** Half a minute of computing, 25 minutes of reading. No network, no GPU. (What the text
# says of results is about the full run on the sample; with `FAST=1` trainings are cut short, and end elsewhere.)
#
# **Seed.** 0.
#
# **You need.** Notebooks 03 (scales), 05 (prompt dropout) and 06 (training).

# %%
from gallop.runtime.process import prepare

prepare()  # before torch is loaded: two settings that make small steps fast on a laptop

BACKBONE = "mini"  # or CLIP itself, "ViT-B-16/openai": notebook 01 says what then changes

# %% [markdown]
# ## The same photos, the same features
#
# Candles, mugs, teapots and vases: eight photos of each to learn from, six to test with; and nine photos of other
# things, which a good method notices. (With `GALLOP_PHOTOS`, your folder; the other things stay those of the
# sample.)
#
# The backbone is frozen and runs once. All methods get the same numbers of each photo, so what differs afterwards is
# the method and nothing else: features of four random views of each shot, as trainings take them, and of the centre
# crop.

# %%
import time

from gallop.features.cache import MemoryCache
from gallop.features.encoding import TrainingViews, encode_centres
from gallop.lab.methods import CoOp, GalLoPMethod, LinearProbe, Setup, TipAdapter, ZeroShot
from gallop.lab.tutorial import frozen_backbone, photos, show_figure
from gallop.sample import sample_photos

SHOTS, VIEWS, EPOCHS = (4, 2, 6) if photos.FAST else (8, 4, 30)
mini = frozen_backbone(BACKBONE)
shots, test = photos.few_labelled(SHOTS, seed=0)
names = list(shots.class_names)  # K names
other = [p for p in sample_photos() if p.part == "other"]
other = [p for p in other if photos.shows_none_of(p.path.stem, names)]

cache = MemoryCache()
setup = Setup(mini, seed=0, cache=cache)
start = time.process_time()
views = TrainingViews(mini, shots.photos, shots.hashes, views=VIEWS, seed=0, cache=cache)
for _ in views.encode():
    pass
known, unknown, centre = (
    list(encode_centres(mini, some, cache))
    for some in (test.photos, [p.path for p in other], shots.photos)
)
encoding = time.process_time() - start
print(f"{len(shots)} shots and {len(test)} test photos of K = {len(names)} classes", end=", ")
print(f"{len(other)} of other things; the backbone took {encoding:.0f} CPU seconds")

# %% [markdown]
# **What you should see.** How many photos there are, and
# the time that the backbone took. No method can do without it: what follows is what each of them costs beside.
#
# From here on there are only tensors. Sizes: $n$ shots, $B$ photos that are asked about, $K$ classes, $R$ regions, $D$
# the joint width.

# %%
import numpy as np
import torch

from gallop.lab.methods.tip_adapter import class_weights

n, K, labels, truth = len(shots), len(names), torch.tensor(shots.labels), np.array(test.labels)
s, delta, region_delta = mini.logit_scale, mini.damping.image, mini.damping.region
every = torch.arange(n)
view_global = [views.batch(every, v).global_.float() for v in range(VIEWS)]  # (n, D) each
view_regions = [views.batch(every, v).regions.float() for v in range(VIEWS)]  # (n, R, D)
shot_centres = torch.cat([part.global_ for part in centre]).float()  # (n, D)
shot_regions = torch.cat([part.regions for part in centre]).float()  # (n, R, V)
asked = torch.cat([part.global_ for part in (*known, *unknown)]).float()  # (B, D)
asked_regions = torch.cat([part.regions for part in (*known, *unknown)]).float()  # (B, R, V)
asked_features = [*known, *unknown]
# what takes a region to the joint space; mini's are there
of_encoder = mini.vision.region_projection
to_joint = (  # (V, D)
    torch.eye(asked_regions.shape[-1]) if of_encoder is None else of_encoder.float().cpu()
)

text = class_weights(mini, shots.class_names)  # (K, D): the names alone, in seven templates
words = mini.text.embed("A photo of a")  # (C, T), where every context starts
tokens = mini.text.tokenize(names, context_tokens=len(words))


def text_encoder(contexts):  # (P, C, T) -> (K, P, D): every name after every context
    return mini.text.encode(contexts, tokens)


# %%
answers, learned, seconds, unlike = {}, {}, {}, {}  # by method, for the table at the end


def timed(name, learn):
    start = time.process_time()
    fitted = learn()
    seconds[name] = time.process_time() - start
    return fitted


def same(name, mine, fitted, tolerance=1e-4):
    """My probabilities are those of the library's method."""
    theirs = np.concatenate([fitted.predict(part).probabilities for part in asked_features])
    np.testing.assert_allclose(mine.numpy(), theirs, atol=tolerance)
    assert (mine.numpy().argmax(axis=1) == theirs.argmax(axis=1)).all()
    answers[name] = mine.numpy()  # (B, K)
    right = int((mine.numpy()[: len(truth)].argmax(axis=1) == truth).sum())
    print(
        f"{name}: {right} of {len(truth)} are right; the library says the same of every photo"
    )


# %% [markdown]
# ## 0. Zero-shot: nothing is learned
#
# The base of all other methods: the class is the text that is nearest. (`mini` divides an image's vector by its
# norm or by a constant, whichever is more: notebook 01.)

# %%
import torch.nn.functional as F

# From scratch: cosines with one sentence a class, "A photo of a ..."


def unit(images, least):  # divided by the norm, or by a constant where that is more
    return images / images.norm(dim=-1, keepdim=True).clamp(min=least)


with torch.no_grad():
    sentence = F.normalize(text_encoder(words[None])[:, 0], dim=-1)  # (K, D)
zero_cosines = unit(asked, delta) @ sentence.T  # (B, K)
zero = (s * zero_cosines).softmax(dim=-1)

# %%
from gallop.core.scores import Cosines, gl_mcm, mcm

same("zero-shot", zero, ZeroShot().fit(shots, setup))
learned["zero-shot"], seconds["zero-shot"] = 0, 0.0
unlike["zero-shot"] = mcm(Cosines(zero_cosines, zero_cosines[:, None])).numpy()

# %% [markdown]
# **What you should see.** No error, and how many of the test photos the names alone get right.

# %% [markdown]
# ## 1. Tip-Adapter: the shots vote
#
# [Zhang et al., 2022](https://arxiv.org/abs/2207.09519). Nothing is trained. The shots' features are stored as *keys*
# $F$ ($n \times D$), their labels as *values* $L$ ($n \times K$). A photo $\mathbf f$ asks each key how near it is, and
# near keys vote for their class, beside the text $W$:
#
# $$\text{logits} = s \, \mathbf f W^\top + \alpha \, \exp\!\big(-\beta \, (1 - \mathbf f F^\top)\big) \, L .$$

# %%
# From scratch: Tip-Adapter


def tip_adapter(alpha=1.0, beta=5.5):
    each = torch.stack([F.normalize(view, dim=-1) for view in view_global])
    keys = F.normalize(each.mean(dim=0), dim=-1)  # (n, D): the mean of a shot's views
    values = F.one_hot(labels, K).float()  # (n, K)

    def logits(images):
        near = (-beta * (1 - F.normalize(images, dim=-1) @ keys.T)).exp()  # (B, n)
        return s * unit(images, delta) @ text.T + alpha * near @ values

    return logits, keys


tip_logits, keys = timed("Tip-Adapter", tip_adapter)
tip = tip_logits(asked).softmax(dim=-1)

# %%
same("Tip-Adapter", tip, TipAdapter(weight=1.0, sharpness=5.5, views=VIEWS).fit(shots, setup))
learned["Tip-Adapter"], unlike["Tip-Adapter"] = 0, -tip.amax(dim=-1).numpy()
print(f"stored: {keys.numel():,} numbers of {n} shots; each further shot adds {keys.shape[1]}")

# %% [markdown]
# **What you should see.** No error. It has learned nothing and *keeps* everything: what it is grows with the shots.

# %% [markdown]
# ## 2. Linear probe: no word of text
#
# [Radford et al., 2021](https://arxiv.org/abs/2103.00020), appendix A.3. A vector $\mathbf w_c$ and a number $b_c$ for
# each class, fitted to the shots' unit features by cross-entropy; half the squared weights are the price ($C = 100$):
#
# $$\min_{W, \mathbf b} \; C \sum_i \text{CE}\big(W \mathbf f_i + \mathbf b, \, y_i\big)
# + \tfrac12 \lVert W \rVert^2 .$$

# %%
# From scratch: multinomial logistic regression, by L-BFGS in double precision


def linear_probe(C=100.0):
    x = F.normalize(shot_centres.double(), dim=-1)  # (n, D)
    weights = torch.zeros(K, x.shape[1], dtype=torch.double, requires_grad=True)
    bias = torch.zeros(K, dtype=torch.double, requires_grad=True)
    fit = torch.optim.LBFGS(
        [weights, bias],
        max_iter=2000,
        tolerance_grad=1e-9,
        tolerance_change=1e-16,
        line_search_fn="strong_wolfe",
    )

    def price():
        fit.zero_grad()
        loss = F.cross_entropy(x @ weights.T + bias, labels)
        loss = loss + weights.square().sum() / (2 * C * n)
        loss.backward()
        return loss

    fit.step(price)
    return weights.detach(), bias.detach()


probe_w, probe_b = timed("linear probe", linear_probe)
probe = (F.normalize(asked.double(), dim=-1) @ probe_w.T + probe_b).softmax(dim=-1).float()

# %%
if K > 2:  # for two classes scikit-learn's regression has one vector, whose price is another
    same("linear probe", probe, LinearProbe(strength=100.0).fit(shots, setup), 1e-3)
else:
    fitted = LinearProbe(strength=50.0).fit(shots, setup)  # one vector, the difference of two
    same("linear probe", probe, fitted, 1e-3)
learned["linear probe"] = probe_w.numel() + probe_b.numel()
unlike["linear probe"] = -probe.amax(dim=-1).numpy()

# %% [markdown]
# **What you should see.** No error. The problem is convex: every solver gets the same answer.

# %% [markdown]
# ## 3. Discriminant: no step at all
#
# Fisher's linear discriminant, for CLIP in [Wang et al., 2024](https://arxiv.org/abs/2402.04087). Each class is a cloud
# around its mean $\boldsymbol\mu_c$, and all clouds have one shape, the covariance $\Sigma$. Then the best answer is
# linear, and a formula:
#
# $$\mathbf w_c = \Sigma^{-1} \boldsymbol\mu_c, \qquad
# b_c = \log \tfrac{n_c}{n} - \tfrac12 \, \boldsymbol\mu_c^\top \Sigma^{-1} \boldsymbol\mu_c .$$
#
# A few dozen shots do not tell a covariance of $D = 512$ numbers. So $\Sigma$ is drawn half the way to a sphere.
# $\mathbf f$ is the mean of the regions here (in `mini` this is the image feature), and scores are divided by a
# temperature of 50. What the library calls a *head* is linear in the same mean: ridge regression (`head="ridge"`).

# %%
# From scratch: the discriminant


def mean_region(regions):
    return F.normalize(regions.mean(dim=1) @ to_joint, dim=-1)  # (B, D)


def fisher(shrinkage=0.5):
    x = mean_region(shot_regions).double()
    mean = torch.stack([x[labels == c].mean(dim=0) for c in range(K)])  # (K, D)
    prior = torch.stack([(labels == c).double().mean() for c in range(K)])
    apart = x - mean[labels]
    sigma = apart.T @ apart / n  # (D, D)
    sphere = sigma.trace() / len(sigma) * torch.eye(len(sigma), dtype=torch.double)
    sigma = (1 - shrinkage) * sigma + shrinkage * sphere
    weights = torch.linalg.solve(sigma, mean.T).T
    return weights, prior.log() - (mean * weights).sum(dim=1) / 2


fisher_w, fisher_b = timed("discriminant", fisher)
fisher_scores = mean_region(asked_regions).double() @ fisher_w.T + fisher_b


# %%
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.5)
lda.fit(mean_region(shot_regions).double().numpy(), labels.numpy())
theirs = torch.from_numpy(lda.decision_function(mean_region(asked_regions).double().numpy()))
ours = (
    fisher_scores if K > 2 else fisher_scores.diff(dim=1)[:, 0]
)  # of two classes it has one score
torch.testing.assert_close(ours / ours.std(), theirs / ours.std(), atol=1e-3, rtol=1e-3)
fisher_p = (fisher_scores / 50).softmax(dim=-1).float()
answers["discriminant"] = fisher_p.numpy()
learned["discriminant"] = fisher_w.numel() + fisher_b.numel()
unlike["discriminant"] = -fisher_p.amax(dim=-1).numpy()
right = int((fisher_p.numpy()[: len(truth)].argmax(axis=1) == truth).sum())
print(f"discriminant: {right} of {len(truth)} are right; scikit-learn's scores are the same")

# %% [markdown]
# **What you should see.** No error. As many numbers as the linear probe, from one solved system.

# %% [markdown]
# ## 4. CoOp: one prompt
#
# [Zhou et al., 2022](https://arxiv.org/abs/2109.01134). The images stay as they are; the *sentence* moves. The four
# vectors of "A photo of a" are learned by cross-entropy, through the text encoder, and all classes share them. This is
# GalLoP with $M = 1$, $N = 0$ and no dropout.

# %%
import math

# From scratch: stochastic gradient descent, for CoOp and GalLoP alike


def train(parameters, loss_of, lr=0.1, batch=32):
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(parameters, lr=lr, momentum=0.9, weight_decay=0.01)
    for epoch in range(EPOCHS):
        for group in optimizer.param_groups:
            group["lr"] = 0.5 * lr * (1 + math.cos(math.pi * epoch / EPOCHS))
        for some in torch.randperm(n, generator=generator).split(batch):
            loss = loss_of(some, epoch % VIEWS, generator)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


# %%
# From scratch: CoOp
def coop():
    context = words.detach().clone()[None].requires_grad_()  # (1, C, T)

    def loss(some, view, generator):
        torch.rand(len(some), 1, generator=generator)  # the draw of one prompt out of one
        sentence = F.normalize(text_encoder(context)[:, 0], dim=-1)  # (K, D)
        return F.cross_entropy(
            s * unit(view_global[view][some], delta) @ sentence.T, labels[some]
        )

    train([context], loss)
    return context.detach()


context = timed("CoOp", coop)
with torch.no_grad():
    coop_cosines = unit(asked, delta) @ F.normalize(text_encoder(context)[:, 0], dim=-1).T

# %%
from gallop import TrainConfig, load_image

recipe = TrainConfig(epochs=EPOCHS, lr=0.1, batch_size=32, views=VIEWS)
same("CoOp", (s * coop_cosines).softmax(dim=-1), CoOp(preset=recipe).fit(shots, setup), 1e-3)
learned["CoOp"] = context.numel()
unlike["CoOp"] = mcm(Cosines(coop_cosines, coop_cosines[:, None])).numpy()

# %% [markdown]
# **What you should see.** No error. The fewest learned numbers of all, and each step needs the text encoder, forth and
# back.

# %% [markdown]
# ## 5. GalLoP: several prompts, some of them for regions
#
# [Lafon et al., 2024](https://arxiv.org/abs/2407.01400). $M = 4$ global prompts, of which dropout keeps one for each
# photo; $N = 4$ local prompts, each with a different scale $k$; and a matrix $P$ that moves the regions before they
# are compared. The loss is the sum of two cross-entropies (notebook 06), the answer the mean of both branches.
#
# This is the paper's method and nothing beside it: no head (`head="none"`) and one look at the photo
# (`detail=1`).

# %%
# From scratch: GalLoP's local scores
M, TOPK, KEPT = 4, (5, 10, 15, 20), 1


def local_scores(regions, sentences, P):  # (B, R, D), (K, N, D) -> top-k means (B, K, N)
    cosines = torch.einsum(
        "brd,knd->brkn", unit(regions @ P.T @ to_joint, region_delta), sentences
    )
    best = [cosines[..., i].topk(k, dim=1).values.mean(dim=1) for i, k in enumerate(TOPK)]
    return torch.stack(best, dim=-1)


# %%
# From scratch: what it learns
def gallop():
    contexts = words.detach().repeat(M + len(TOPK), 1, 1).requires_grad_()  # (M + N, C, T)
    P = torch.eye(view_regions[0].shape[-1], requires_grad=True)

    def loss(some, view, generator):
        kept = torch.rand(len(some), M, generator=generator).argsort(dim=1)[:, :KEPT]
        sentences = F.normalize(text_encoder(contexts), dim=-1)  # (K, M + N, D)
        image = unit(view_global[view][some], delta)
        global_ = torch.einsum("bd,kmd->bkm", image, sentences[:, :M])
        global_ = global_.gather(2, kept[:, None].expand(-1, K, -1)).mean(dim=2)  # (B, K)
        local = local_scores(view_regions[view][some], sentences[:, M:], P)
        each = [F.cross_entropy(s * part, labels[some]) for part in local.unbind(dim=-1)]
        return F.cross_entropy(s * global_, labels[some]) + sum(each) / len(each)

    train([contexts, P], loss)
    return contexts.detach(), P.detach()


contexts, P = timed("GalLoP", gallop)

# %%
# From scratch: and its answer, the mean of both branches
with torch.no_grad():
    sentences = F.normalize(text_encoder(contexts), dim=-1)
    global_ = torch.einsum("bd,kmd->bkm", unit(asked, delta), sentences[:, :M]).mean(dim=2)
    local = local_scores(asked_regions, sentences[:, M:], P).mean(dim=2)
    gallop_cosines = (global_ + local) / 2  # (B, K)
    places = (
        unit(asked_regions @ P.T @ to_joint, region_delta) @ sentences[:, M:].mean(dim=1).T
    )
my_gallop = (s * gallop_cosines).softmax(dim=-1)

# %%
method = GalLoPMethod(preset=recipe, head="none", detail=1.0, global_prompts=M, topk=TOPK)
fitted = method.fit(shots, setup)
same("GalLoP", my_gallop, fitted, 1e-3)
learned["GalLoP"] = contexts.numel() + P.numel()
unlike["GalLoP"] = gl_mcm(Cosines(global_, places)).numpy()  # no top-k: all of (B, R, K)
theirs = np.concatenate([fitted.predict(part).ood["GL-MCM"] for part in asked_features])
np.testing.assert_allclose(unlike["GalLoP"], theirs, atol=1e-3)
print(f"of its numbers {P.numel():,} are the matrix P, {contexts.numel():,} are prompts")

# %% [markdown]
# **What you should see.** No error. Most of what GalLoP learns is the matrix $P$; it starts as the identity, so it
# begins with the answers of zero-shot.

# %% [markdown]
# ## Side by side
#
# *Right*: of the test photos. *Learned*: numbers that were fitted. *CPU seconds*: of one processor, for learning
# alone, without the backbone. *Unknown*: the AUROC of the test photos against the photos of other things, by the score
# that goes with the method (notebook 07): how often a photo of another thing looks stranger than a test photo; 50% is
# chance. *Noticed*: of the other things, at the limit that lets 95% of these test photos pass.

# %%
from gallop.evaluation.metrics import auroc

known_count = len(truth)
right = {name: (p[:known_count].argmax(axis=1) == truth) for name, p in answers.items()}
apart = {name: auroc(x[:known_count], x[known_count:]) for name, x in unlike.items()}
noticed = {
    name: int((x[known_count:] > np.quantile(x[:known_count], 0.95)).sum())
    for name, x in unlike.items()
}
print(f"{'':14} {'right':>9} {'learned':>9} {'CPU s':>7} {'unknown':>8} {'noticed':>8}")
for name in answers:
    print(
        f"{name:14} {right[name].sum():>3} of {known_count:<3} {learned[name]:>8,} "
        f"{seconds[name]:>7.2f} {apart[name]:>8.0%} {noticed[name]:>3} of {len(other)}"
    )

# %% [markdown]
# **What you should see.** On the sample each method that has learned gets 23 of 24 right, and zero-shot 22. So **24
# photos cannot tell these methods apart**, and no more can 9 unknown ones. What does differ is what is learned and
# what it costs. The two linear methods solve a small problem, with the sample in less than a tenth of a second. Of
# those that learn, CoOp has the fewest numbers, as many for two classes as for forty, but every step passes the text
# backbone. GalLoP learns by far the most, nearly all of them in $P$, for regions that the others do not look at, and
# takes longest.
#
# Look at the last two columns as well. On the sample's rendered photos the probe notices more than GalLoP. Do not
# take that home: on real photos, at the limit that keeps 95% of the known ones, 47% of the unknown ones pass a probe
# and 22% pass GalLoP, by L-MCM, the score of the regions
# ([benchmarks](../benchmarks/README.md#methods-ablations-and-the-papers-claims)).

# %% [markdown]
# ## The picture
#
# For each method every photo is a dot: how probable the name is that the photo got. Test photos that are right are
# on top, wrong ones in the middle, photos of other things below.

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(
    1, len(answers), figsize=(11, 2.6), sharey=True, layout="constrained"
)
for axis, (name, p) in zip(axes, answers.items(), strict=True):
    sure, hit, rng = p.max(axis=1), right[name], np.random.default_rng(0)
    groups = {
        "other things": (sure[known_count:], "#777777"),
        "wrong": (sure[:known_count][~hit], "#cc6677"),
        "right": (sure[:known_count][hit], "#4477aa"),
    }
    for height, (values, colour) in enumerate(groups.values()):
        place = height + rng.uniform(-0.3, 0.3, len(values))  # across a row it means nothing
        axis.plot(values, place, "o", color=colour, alpha=0.7, markersize=4)
    axis.set_yticks(range(3), list(groups))
    axis.axvline(1 / K, color="grey", linestyle=":", linewidth=1)
    axis.set_title(name, fontsize=9)
    axis.set(xlabel="probability", xlim=(1 / K - 0.05, 1.05))
show_figure(
    "For each method a dot a photo over its probability: right ones on top, wrong ones in the "
    "middle, photos of other things below.",
    figure,
)

# %% [markdown]
# **What you should see.** What the table hides: how sure they are. With the sample the discriminant is the surest of
# all, of its one mistake and of other things, too, and zero-shot and Tip-Adapter are the least sure. That is a matter
# of temperature, and no matter of right and wrong (notebook 07 calibrates it). For each method some grey dots lie as
# far right as blue ones: photos of other things that get a name with confidence. A probability says which of the
# classes fits best, never whether any does.

# %% [markdown]
# ## What decided an answer
#
# The methods differ most in what they can *show*. Tip-Adapter can name the shots that voted. The two linear methods
# are sums over regions: $\mathbf w_c$ times the mean of the regions is the mean of $\mathbf w_c$ times each region, so
# their score can be taken apart exactly, region by region. CoOp has one cosine of the entire photo, and no map. GalLoP
# has compared the regions themselves, and only its best $k$ entered the score.

# %%
i = int(np.argmin([min(p[b, truth[b]] for p in answers.values()) for b in range(known_count)]))
c, grid = int(truth[i]), mini.vision.grid
votes = (-5.5 * (1 - F.normalize(asked[i], dim=-1) @ keys.T)).exp()
voters = votes.argsort(descending=True)[:3].tolist()


def linear_map(weights):  # less its mean over the classes: what speaks for c is positive
    return (
        asked_regions[i].double() @ to_joint.double() @ (weights[c] - weights.mean(dim=0))
    ).reshape(grid)


pixels, crop = mini.preprocess.centre(load_image(test.paths[i]).image)
square = load_image(test.paths[i]).image.crop((crop.left, crop.top, crop.right, crop.bottom))
maps = {"discriminant": linear_map(fisher_w), "GalLoP": places[i, :, c].reshape(grid)}
if mini.vision.mean_is_global:  # else the image feature is no sum over regions
    maps = {"linear probe": linear_map(probe_w), **maps}

# %%
from matplotlib.patches import Rectangle

from gallop.lab.tutorial.panels import Panel, panels

row = [Panel(square, f"{names[c]}?")]
for voter in voters:
    title = f"Tip-Adapter:\n{names[labels[voter]]}, {votes[voter]:.2f}"
    row.append(Panel(load_image(shots.paths[voter]), title))
row += [Panel(square, f"{name}:\nfor {names[c]}") for name in maps]
figure = panels([row], size=(11, 2.3))
width, height = square.size
for axis, (name, heatmap) in zip(figure.axes[-len(maps) :], maps.items(), strict=True):
    place = (-0.5, width - 0.5, height - 0.5, -0.5)
    axis.imshow(heatmap, cmap="magma", alpha=0.65, extent=place)
    best = np.argsort(-np.asarray(heatmap), axis=None, kind="stable")[:10]
    for cell in best if name == "GalLoP" else ():  # these enter its score with k = 10
        cell_width, cell_height = width / grid[1], height / grid[0]
        corner = cell % grid[1] * cell_width - 0.5, cell // grid[1] * cell_height - 0.5
        style = {"fill": False, "color": "white", "linewidth": 0.8}
        axis.add_patch(Rectangle(corner, cell_width, cell_height, **style))
show_figure(
    "The photo that the methods disagree about, the three shots that Tip-Adapter's cache puts "
    "first, and the maps of the methods that have one.",
    figure,
)
for name, p in answers.items():
    print(f"{name:14} {names[c]} {p[i, c]:.0%}, says {names[p[i].argmax()]}")

# %% [markdown]
# **What you should see.** The photo about which the methods disagree most, the shots that are most like it to
# Tip-Adapter, and maps. Those of the two linear methods show how much each region speaks for the photo's class
# (bright) or against it, and add up to the score. With the sample the photo is of a vase: Tip-Adapter says so, and
# both linear methods say teapot. In GalLoP's map the outlined regions are the ten best, and only these count in the
# score with $k = 10$.

# %% [markdown]
# ## What each cannot do
#
# A class of which there is a name and no photo shows how the methods differ. We give them the names of the other
# things, beside the classes, and ask for the photos of these. A method whose classes are texts needs only the text
# encoder; a probe or a discriminant has no vector for such a class and no way to get one.

# %%
more = [p.path.stem for p in other]  # named after what is on them
all_tokens = mini.text.tokenize([*names, *more], context_tokens=len(words))
with torch.no_grad():
    start_text = F.normalize(mini.text.encode(words[None], all_tokens)[:, 0], dim=-1)
    coop_text = F.normalize(mini.text.encode(context, all_tokens)[:, 0], dim=-1)
    sentences_all = F.normalize(mini.text.encode(contexts, all_tokens), dim=-1)
    strange, strange_regions = asked[known_count:], asked_regions[known_count:]
    each = {"zero-shot": unit(strange, delta) @ start_text.T}
    each["CoOp"] = unit(strange, delta) @ coop_text.T
    global_cosines = torch.einsum(
        "bd,kmd->bkm", unit(strange, delta), sentences_all[:, :M]
    ).mean(dim=2)
    locals_ = local_scores(strange_regions, sentences_all[:, M:], P).mean(dim=2)
    each["GalLoP"] = (global_cosines + locals_) / 2
wanted = torch.arange(len(more)) + K
for name, cosines in each.items():
    hits = int((cosines.argmax(dim=1) == wanted).sum())
    print(f"{name:10} names {hits} of {len(more)} things that it has never seen a photo of")

# %% [markdown]
# **What you should see.** One or two of nine, where a guess among all names gets none or one. It is little: `mini`
# reads single words poorly, and *top* and *present* mean many things. A probe cannot even try. And what was learned
# from the classes does not help with others: with the sample CoOp and GalLoP find no more of them than zero-shot.
#
# | | needs | cannot |
# |---|---|---|
# | zero-shot | names | learn anything from a photo |
# | Tip-Adapter | names, and every shot for ever | stay small as shots are added; say where it looked |
# | linear probe | shots of every class | answer for a name without photos; use what a name means |
# | discriminant | shots of every class | the same; and classes that are no single cloud (a *chair* from all sides) |
# | CoOp | names, the text encoder to train | say where it looked; treat two classes with different contexts |
# | GalLoP | names, the text encoder, regions | tell how parts lie to each other: a top-k mean has forgotten it |
#
# None of them can see what the frozen backbone does not see. And with the sample all of these figures come from so few
# photos that one of them is four points of accuracy: what this notebook compares is what the methods *are*. How good
# they are is measured on thousands of photos
# ([benchmarks](../benchmarks/README.md#methods-ablations-and-the-papers-claims)).

# %% [markdown]
# ## Quiz
#
# 1. Which of these stores something of every single shot, and so grows with their number?
#
#    - a) The linear probe.
#    - b) CoOp.
#    - c) Tip-Adapter.
#
# <details><summary>Answer</summary>
#
# **c)** Its keys are the shots' features, a row for each of them. It learns nothing and stores everything.
#
# - a) It has one vector per class, whether there were two shots of it or two hundred.
# - b) It has four context vectors, whatever they were learned from.
#
# The cells under “1. Tip-Adapter: the shots vote” show it.
#
# </details>
#
# 2. A class has a name and no photo. Which of these can answer for it at once?
#
#    - a) CoOp and GalLoP.
#    - b) The linear probe and the discriminant.
#    - c) None of them, since all of them learn from photos.
#
# <details><summary>Answer</summary>
#
# **a)** Their classes are texts, and the learned contexts go in front of any name.
#
# - b) Their vectors are computed from photos of the class, and this class has none.
# - c) Ask what is learned. Is it something of the class, or something that all classes share?
#
# The cells under “What each cannot do” show it.
#
# </details>
#
# 3. What makes the map of the linear probe exact, when its score is of the full photo?
#
#    - a) It is trained on the regions.
#    - b) The image feature is the mean of the regions, and a linear score of a mean is the mean of the scores.
#    - c) Nothing does; such maps are a guess.
#
# <details><summary>Answer</summary>
#
# **b)** So the contributions of the regions add up to the score, and nothing is left over. (A backbone whose image
# feature is no mean has no such map.)
#
# - a) It never sees a region while it is fitted, only unit vectors of full photos.
# - c) A gradient may be a guess. Here mean and matrix can change places.
#
# The cells under “What decided an answer” show it.
#
# </details>

# %% [markdown]
# ## Exercises
#
# 1. Set $\alpha = 0$ in `tip_adapter`, then $\alpha = 1000$. What do you get?
#
# <details><summary>Answer</summary>
#
# With 0 the text alone, with seven templates: zero-shot, nearly. With 1000 the shots alone: a soft nearest neighbour,
# which has no use for names. In between both are heard; the best $\alpha$ depends on how well the backbone reads.
#
# </details>
#
# 2. The discriminant is fitted in milliseconds and GalLoP is not. Give two reasons to train prompts all the same.
#
# <details><summary>Answer</summary>
#
# Its classes stay texts: a class without photos can be added, and a score for "none of these" is taken of cosines,
# not of a classifier that has to choose. And it is made of regions, so it can be asked where, at several scales.
#
# </details>
#
# 3. The library can take prompts and a linear head together. Compare `head="ridge"` with `head="none"`.
#
# <details><summary>Answer</summary>
#
# `GalLoPClassifier(head="ridge", seed=0).fit(list(shots.paths), shots.names)`. Its answer is a mean of both
# log-probabilities. Its score for "none of these" stays that of the prompts.
#
# </details>
#
# **Next:** [12, maps side by side](12_maps_side_by_side.ipynb): which of the ways to draw a map can be believed.
