# %% [markdown]
# # 04 · Prompts: contexts as vectors
#
# **Goals.** After this notebook you can say what a learned context is and where it goes; compute a text feature by
# hand; explain causal attention; and show why the beginning of a prompt has to be computed only once.
#
# **Time.** About a minute of computing, 30 minutes of reading. No network, no GPU.
#
# **Seed.** 0, for one random change of a context.
#
# **You need.** [Notebook 01](01_similarity.ipynb). What a transformer block is.

# %%
from gallop.runtime.process import prepare

prepare()  # before torch is loaded

from gallop import GalLoPClassifier, MethodConfig, available_models, load_backbone
from gallop.lab.tutorial import photos, show_figure

mini = load_backbone("mini", device="cpu")
collection = photos.by_class()
names = list(collection)  # K class names
K = len(names)

# %% [markdown]
# ## Words, tokens, vectors
#
# The text encoder does not read words. A *tokenizer* cuts the text into **tokens**, numbers of a fixed vocabulary, and
# a table gives each token a vector of $T$ numbers, its *embedding*. Two special tokens frame the text: `SOS` (start)
# and `EOT` (end).
#
# We take table and weights from the file of `mini`, and the tokenizer from open_clip; so here the backbone is `mini`
# and cannot be chosen.

# %%
import open_clip
from safetensors.torch import load_file

file = next(available_models()["mini"].glob("*.safetensors"))
w = {
    key: value.float()
    for key, value in load_file(file).items()
    if not key.startswith("visual.")
}
tokenizer = open_clip.SimpleTokenizer()
SOS, EOT = tokenizer.sot_token_id, tokenizer.eot_token_id
table = w["token_embedding.weight"]  # (vocabulary, T)
T = table.shape[1]

for text in ["A photo of a", *names[:4]]:
    ids = tokenizer.encode(text)
    print(f"{text:20} {len(ids)} tokens: {[tokenizer.decode([i]).strip() for i in ids]}")
print("table", tuple(table.shape), "= (vocabulary, T)")

# %% [markdown]
# **What you should see.** "A photo of a" has four tokens. A common name has one; rare ones are cut into pieces.
#
# ## The context
#
# A prompt is the sequence
#
# $$[\text{SOS}] \; [\mathbf v_1] \, [\mathbf v_2] \cdots [\mathbf v_C] \; [\text{class name}] \; [\text{EOT}] .$$
#
# The vectors $\mathbf v_1 \ldots \mathbf v_C$ are the **context**. With the embeddings of "A photo of a" it is the
# sentence of notebook 01, with $C = 4$. But the encoder does not ask where the vectors come from. They need not be
# words: they may be *any* numbers, and so they can be learned. That is all a "learned prompt" is: $C \times T$
# numbers. CoOp (2022) learns one such context. GalLoP learns $M$ global and $N$ local ones.

# %%
import torch

from gallop.model.prompted import initial_prompts

prompts = initial_prompts(mini, MethodConfig(global_prompts=4, topk=(5, 10, 15, 20)))
words = table[tokenizer.encode("A photo of a")]  # (C, T)
C = len(words)

print("global contexts", tuple(prompts.global_contexts.shape), "= (M, C, T)")
print("local contexts ", tuple(prompts.local_contexts.shape), "= (N, C, T)")
for context in prompts.contexts():  # all M + N of them
    torch.testing.assert_close(context.detach(), words)

# %% [markdown]
# **What you should see.** Two small tensors, and no error: at the start every context is "A photo of a", in GalLoP as
# here.

# %% [markdown]
# ## From scratch: a text encoder
#
# Each block: attention, then an MLP, each added to what came in. Attention is **causal**: token $i$ may look at token
# $j$ only if $j \le i$,
#
# $$a_{ij} \propto \begin{cases} \exp(\mathbf q_i \cdot \mathbf k_j / \sqrt{d}) & j \le i \\ 0 & j > i \end{cases} .$$
#
# Attention has several *heads*; $d$ is the width of one, and the $\sqrt d$ keeps the products from growing with it. The
# last token, `EOT`, has seen everything before it. So the feature of the text is read there.
#
# The argument `past` is for later: keys and values of tokens that come before ours.

# %%
import torch.nn.functional as F

# From scratch: the small parts, on weights w
HEADS, BLOCKS = 4, 4


def norm(x, name):
    return F.layer_norm(x, (T,), w[f"{name}.weight"], w[f"{name}.bias"])


def linear(x, name):
    return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])


# %%
# From scratch: one block
def block(x, number, past=None):  # (B, L, T) -> (B, L, T), keys and values
    name = f"transformer.resblocks.{number}"
    inside = norm(x, f"{name}.ln_1")
    qkv = F.linear(inside, w[f"{name}.attn.in_proj_weight"], w[f"{name}.attn.in_proj_bias"])
    # (B, heads, L, d)
    q, k, v = (part.unflatten(2, (HEADS, -1)).transpose(1, 2) for part in qkv.chunk(3, dim=2))
    if past is not None:
        k, v = (
            torch.cat([p.expand(len(x), -1, -1, -1), new], dim=2)
            for p, new in zip(past, (k, v), strict=True)
        )
    # causal
    allowed = torch.ones(q.shape[2], k.shape[2]).tril(diagonal=k.shape[2] - q.shape[2]).bool()
    a = (
        (q @ k.transpose(2, 3) / q.shape[3] ** 0.5)
        .masked_fill(~allowed, -torch.inf)
        .softmax(dim=3)
    )
    x = x + linear((a @ v).transpose(1, 2).flatten(2), f"{name}.attn.out_proj")
    return x + linear(
        F.gelu(linear(norm(x, f"{name}.ln_2"), f"{name}.mlp.c_fc")), f"{name}.mlp.c_proj"
    ), (k, v)


# %%
# From scratch: from vectors to a feature
# vectors (B, L, T) at places start, start + 1, ...
def run(x, start=0, past=(None,) * BLOCKS):
    x = x + w["positional_embedding"][start : start + x.shape[1]]
    states, every_keys_values = [], []
    for number in range(BLOCKS):
        x, keys_values = block(x, number, past[number])
        states.append(x)
        every_keys_values.append(keys_values)
    return states, every_keys_values  # each block's output, and its keys and values


def feature(last):  # (B, T) at EOT -> (B, D)
    return norm(last, "ln_final") @ w["text_projection"]


def prompt(context, name):  # (C, T), text -> (L, T)
    return torch.cat([table[[SOS]], context, table[[*tokenizer.encode(name), EOT]]])


# (K, D)
my_text = torch.cat([feature(run(prompt(words, name)[None])[0][-1][:, -1]) for name in names])

# %%
with torch.no_grad():
    library_text = mini.text.encode_texts([f"A photo of a {name}" for name in names])  # (K, D)
    tokens = mini.text.tokenize(names, context_tokens=C)
    library_prompts = mini.text.encode(prompts.contexts(), tokens)  # (K, M + N, D)

torch.testing.assert_close(my_text, library_text, atol=1e-4, rtol=1e-4)
torch.testing.assert_close(my_text, library_prompts[:, 0], atol=1e-4, rtol=1e-4)
print(
    "text features",
    tuple(my_text.shape),
    "equal to the library's, from words and from contexts",
)

# %% [markdown]
# **What you should see.** No error. These few lines are a CLIP text encoder.

# %% [markdown]
# ## A context need not be words
#
# We leave the words: once by a step at random, and once by a step that *helps*. A photo tells which step that is. We
# want its class to become more probable, so we take the derivative of the log-probability by the context. Nothing
# else changes: the backbone is frozen. We choose the photo whose class name fits worst so far.

# %%
from gallop.lab.tutorial.panels import Panel, panels

# (K, 3, H, W)
pixels = torch.stack([mini.preprocess.centre(collection[name][0].image)[0] for name in names])
every, _ = mini.encode_image(pixels)  # (K, D): one photo of each class
delta, s = mini.damping.image, mini.logit_scale
every = every / every.square().sum(dim=1, keepdim=True).sqrt().clamp(min=delta)  # notebook 01
# each photo with its class name
right_p = (s * every @ F.normalize(my_text, dim=1).T).softmax(dim=1).diagonal()
worst = int(right_p.argmin())
unit_image = every[worst]
seen = Panel(collection[names[worst]][0], f"p({names[worst]}) = {right_p[worst]:.0%}")
show_figure(
    f"The photo of {names[worst]}, whose class name has a probability of {right_p[worst]:.0%}.",
    panels([[seen]], size=(2, 2.2)),
)

# %% [markdown]
# **What you should see.** The photo, and how probable its class name is with "A photo of a".


# %%
# From scratch: the probability of a photo's class, as a function of the context
def log_probability(context):  # (C, T) -> log p of the right class
    # (K, D)
    text = torch.cat(
        [feature(run(prompt(context, name)[None])[0][-1][:, -1]) for name in names]
    )
    cosines = text / text.norm(dim=1, keepdim=True) @ unit_image
    return (s * cosines).log_softmax(dim=0)[worst]


context = words.clone().requires_grad_()
log_probability(context).backward()
uphill = context.grad / context.grad.norm() * words.norm()  # (C, T)
generator = torch.Generator().manual_seed(0)
anywhere = torch.randn(words.shape, generator=generator)
anywhere = anywhere / anywhere.norm() * words.norm()

# %%
from gallop.lab.tutorial.charts import line_chart, number_table

steps = torch.linspace(0, 0.5, 6 if photos.FAST else 11)
with torch.no_grad():
    lines = {
        "along the derivative": [log_probability(words + step * uphill) for step in steps],
        "at random": [log_probability(words + step * anywhere) for step in steps],
    }
show_figure(
    "Log-probability over the length of the step. Along the derivative it goes from "
    f"{lines['along the derivative'][0]:.2f} to {lines['along the derivative'][-1]:.2f}; at random "
    f"it ends at {lines['at random'][-1]:.2f}.",
    line_chart(
        steps,
        lines,
        labels=("length of the step, in lengths of the context", f"log p({names[worst]})"),
    ),
)

# %% [markdown]
# **What you should see.** Both lines start where "A photo of a" is. Along the derivative the line rises from the
# first step on; far from its start it may turn, for a derivative only knows what is near. In a random direction it may
# go anywhere; with the sample it hardly moves. What lies along the way are no words any more, and the encoder does not
# mind.


# %%
def answer_at(step):
    """The probabilities (K,) by a context so far along the derivative."""
    with torch.no_grad():
        moved = words + step * uphill
        # (K, D)
        text = torch.cat(
            [feature(run(prompt(moved, name)[None])[0][-1][:, -1]) for name in names]
        )
        return (s * F.normalize(text, dim=1) @ unit_image).softmax(dim=0).tolist()


# %%
import ipywidgets as widgets
from IPython.display import display

from gallop.lab.tutorial.live_charts import live_bars

step_slider = widgets.FloatSlider(value=0.0, min=0, max=0.5, step=0.02, description="step")
chart = live_bars(names, height=260)


def move(change=None):
    chart.draw({"y": answer_at(step_slider.value)})


step_slider.observe(move, "value")
move()
display(widgets.VBox([step_slider, chart.widget]))

# %% [markdown]
# **What you should see.** In a running notebook, the bars move with the slider. On the site there is no slider: the
# picture above shows what each step does to the worst name.
#
# ## What a context can say
#
# A context can only say what the text encoder reads. `mini` reads some words for kinds of picture: *sketch*, *blurry*,
# *dark*, *monochrome*, *several* and a few more. They move the feature of a name to where such pictures of it lie. We
# make three kinds of picture of every photo and ask which sentence, with the photo's own name, they move towards.

# %%
from PIL import ImageFilter, ImageOps

sentences = {
    "plain": "A photo of a",
    "blurred": "A blurry photo of a",
    "dark": "A dark photo of a",
    "sketch": "A sketch of a",
}
# (kinds, K, D)
said = F.normalize(
    torch.stack(
        [
            mini.text.encode_texts([f"{start} {name}" for name in names])
            for start in sentences.values()
        ]
    ),
    dim=2,
)


def sketched(photo):
    lines = ImageOps.autocontrast(
        ImageOps.grayscale(photo).filter(ImageFilter.FIND_EDGES), cutoff=2
    )
    return ImageOps.invert(lines).convert("RGB")


makers = {
    "plain": lambda photo: photo,
    "blurred": lambda photo: photo.filter(ImageFilter.BoxBlur(9)),
    "dark": lambda photo: photo.point(lambda value: value // 5),
    "sketch": sketched,
}
plain_photos = [collection[name][0].image for name in names]
seen_as = []  # for each kind (K, D)
for make in makers.values():
    made = torch.stack([mini.preprocess.centre(make(photo))[0] for photo in plain_photos])
    seen_as.append(F.normalize(mini.encode_image(made)[0], dim=1))

# Of each kind of picture, how far it moved towards each sentence, on the mean over the photos
towards = torch.stack(
    [((now - seen_as[0]) * (said - said[0])).sum(dim=2).mean(dim=1) for now in seen_as[1:]]
)
show_figure(
    "Rows: kinds of picture. Columns: sentences. How far the image feature moves, from the plain photo, towards where "
    "the sentence moves the text feature.",
    number_table(
        towards[:, 1:].numpy(), list(makers)[1:], list(sentences)[1:], bar="cosine gained"
    ),
)
print("cosine with the plain sentence:")
for kind, text in zip(sentences, said, strict=True):
    print(f"  {sentences[kind]:22} {(text * said[0]).sum(dim=1).mean():.2f}")

# %% [markdown]
# **What you should see.** The largest number of each row is the one of its own sentence. A learned context has this
# room, and all between the words. Do not try to *read* it from the words nearest to its vectors: they say little about
# what it does (after the step above they are still "a photo of a"). What it does shows in the text feature that comes
# out; `classifier.prompts.in_words(name)` takes that apart into the features of other sentences.

# %% [markdown]
# ## Causal: what comes later changes nothing before
#
# Two prompts with the same context and different names. We compare what each block makes of each token.

# %%
first, second = names[0], names[1]
a, b = prompt(words, first), prompt(words, second)
length = min(len(a), len(b))
# a list of (1, L, T), one for each block
states_a, states_b = run(a[None])[0], run(b[None])[0]
# (blocks, L)
difference = torch.stack(
    [
        (x[0, :length] - y[0, :length]).norm(dim=1)
        for x, y in zip(states_a, states_b, strict=True)
    ]
)
show_figure(
    f"How far apart the tokens of '{first}' and '{second}' are, by block and token: dark up to the "
    "name, brighter from where the names differ.",
    number_table(
        difference,
        [f"block {i + 1}" for i in range(BLOCKS)],
        ["SOS", "A", "photo", "of", "a", "name", *["after"] * (length - 2 - C)],
        size=(7, 2.6),
        title=f"how far apart the tokens of '{first}' and '{second}' are",
        bar="norm of difference",
    ),
)
print(f"largest difference before the name: {difference[:, : 1 + C].max():.1e}")

# %% [markdown]
# **What you should see.** A dark left part: `SOS` and the context are the *same* in both prompts, in every block, up
# to rounding. Only the name and what follows differ (where both names begin with the same token, what follows that).
# Two facts follow.
#
# 1. **What comes after EOT never matters.** CLIP pads each text to a fixed length (77 tokens) with zeros after EOT. We
#    may cut that off.
# 2. **The prefix can be shared.** `[SOS] context` comes before every class name, and in each block a later token takes
#    nothing from an earlier one but its key and its value. With these at hand, the name and EOT compute the very sums
#    of the full prompt. So keys and values of the prefix need computing once for each prompt, not once for each prompt
#    and class. The name must keep its place for that: its first token
#    is still at place $1 + C$, after `SOS` and the context, and gets the positional embedding of that place
#    (`start=1 + C` below).

# %%
# From scratch: padded, cut, and with a shared prefix
LENGTH = len(w["positional_embedding"])  # the length that texts are padded to


def padded(context, listed):  # every name at full length
    rows = torch.stack(
        [
            F.pad(p, (0, 0, 0, LENGTH - len(p)))
            for p in (prompt(context, name) for name in listed)
        ]
    )
    ends = torch.tensor([C + 1 + len(tokenizer.encode(name)) for name in listed])
    return feature(run(rows)[0][-1][torch.arange(len(rows)), ends])


def cut(context, listed):  # the same, as long as the longest name needs
    ends = torch.tensor([C + 1 + len(tokenizer.encode(name)) for name in listed])
    rows = [prompt(context, name) for name in listed]
    rows = torch.stack([F.pad(p, (0, 0, 0, int(ends.max()) + 1 - len(p))) for p in rows])
    return feature(run(rows)[0][-1][torch.arange(len(rows)), ends])


def shared(context, listed):  # the prefix once, then the names alone
    _, prefix = run(torch.cat([table[[SOS]], context])[None])
    ids = [[*tokenizer.encode(name), EOT] for name in listed]
    longest = max(map(len, ids))
    rows = torch.stack([F.pad(table[i], (0, 0, 0, longest - len(i))) for i in ids])
    ends = torch.tensor([len(i) - 1 for i in ids])
    return feature(run(rows, start=1 + C, past=prefix)[0][-1][torch.arange(len(rows)), ends])


# %%
import time

many = open_clip.IMAGENET_CLASSNAMES[: 40 if photos.FAST else 100]
contexts = prompts.contexts().detach()  # (M + N, C, T)
library_tokens = mini.text.tokenize(many, context_tokens=C)
ways = {
    "padded": lambda: torch.stack([padded(context, many) for context in contexts], dim=1),
    "cut after EOT": lambda: torch.stack([cut(context, many) for context in contexts], dim=1),
    "shared prefix": lambda: torch.stack(
        [shared(context, many) for context in contexts], dim=1
    ),
    "the library": lambda: mini.text.encode(contexts, library_tokens),
}
seconds, features = {}, {}
with torch.no_grad():
    for label, way in ways.items():
        tries = []
        for _ in range(1 if photos.FAST else 2):
            start = time.perf_counter()
            features[label] = way()  # (K, M + N, D)
            tries.append(time.perf_counter() - start)
        seconds[label] = min(tries)
for text_features in features.values():
    torch.testing.assert_close(text_features, features["the library"], atol=1e-4, rtol=1e-4)
print(f"{len(many)} names x {len(contexts)} prompts: all four ways give the same features.")

# %% [markdown]
# **What you should see.** No error: all ways agree. Now what they cost.

# %%
import matplotlib.pyplot as plt

lengths = [len(tokenizer.encode(name)) + 1 for name in many]  # with EOT
longest = max(lengths)
passed = {  # tokens that pass the encoder
    "padded": len(contexts) * len(many) * LENGTH,
    "cut after EOT": len(contexts) * len(many) * (1 + C + longest),
    "shared prefix": len(contexts) * (1 + C + len(many) * longest),
    "the library": len(contexts) * (1 + C + sum(lengths)),
}
figure, axes = plt.subplots(1, 2, figsize=(11, 2.4), layout="constrained")
for axis, what, values, form in zip(
    axes, ("tokens", "seconds"), (passed, seconds), (",", ",.3g"), strict=True
):
    axis.barh(list(values), list(values.values()), color="#4477aa")
    for place, value in enumerate(values.values()):
        axis.text(value, place, f" {value:{form}}", va="center", fontsize=9)
    axis.invert_yaxis()
    axis.set(xlim=(0, 1.2 * max(values.values())), xlabel=what)
show_figure(
    "Bars of tokens and of seconds for four ways. Tokens: "
    + ", ".join(f"{way} {count:,}" for way, count in passed.items()),
    figure,
)

# %% [markdown]
# **What you should see.** Fewer tokens from top to bottom, and less time. The times depend on your machine and on
# what else it does; the order is what counts. The library also packs several names into one row, with a mask that
# keeps them apart, so that a long name pads no other (its count here leaves out the gaps of the packing).
#
# In training this is the main cost: photos are encoded once and cached, but every step sends *all* names and
# *all* prompts through the text encoder, forwards and backwards. CLIP pads to 77 tokens, and there the gain is larger
# still.

# %% [markdown]
# ## From contexts to a classifier
#
# Where do the contexts go? Into `GalLoPClassifier`. Untrained, its text features are the ones we computed.

# %%
model = GalLoPClassifier(mini, method=MethodConfig()).zero_shot(names).model_
with torch.no_grad():
    text = model.text_features()
print(
    f"global {tuple(text.global_.shape)} = (K, M, D), "
    f"local {tuple(text.local.shape)} = (K, N, D)"
)
torch.testing.assert_close(text.global_[:, 0], my_text, atol=1e-4, rtol=1e-4)
learned = sum(parameter.numel() for parameter in model.prompts.parameters())
print(f"numbers that training may change: {learned:,}")

# %% [markdown]
# **What you should see.** One feature for each class and prompt. Most of the numbers to learn belong to the local
# projection of notebook 03; the contexts are few.

# %% [markdown]
# ## Quiz
#
# 1. What is learned when a prompt is learned?
#
#    - a) Which words of the vocabulary to put before the name.
#    - b) The vectors before the name.
#    - c) The vector of the class name.
#
# <details><summary>Answer</summary>
#
# **b)** They start as the embeddings of "A photo of a" and may become any numbers. The backbone and the names stay as
# they are.
#
# - a) The encoder takes vectors and does not ask whether a word belongs to them.
# - c) Then nothing would be there for a class that comes later. What do all classes have in common?
#
# The cells under “The context” show it.
#
# </details>
#
# 2. Keys and values of the context are computed once for all class names. What makes that exact?
#
#    - a) Attention is causal, so the context never sees the name behind it.
#    - b) The backbone is frozen.
#    - c) It is not exact, but the differences are too small to matter.
#
# <details><summary>Answer</summary>
#
# **a)** Its tokens are the same before every name, in every block. Later tokens only take keys and values from earlier
# ones.
#
# - b) That keeps them the same from step to step, not from name to name.
# - c) Look at the largest difference that is printed.
#
# The cells under “Causal: what comes later changes nothing before” show it.
#
# </details>
#
# 3. Where does a text encoder of CLIP read the feature of a text?
#
#    - a) At SOS, the token that every text has.
#    - b) In the mean of all tokens.
#    - c) At EOT.
#
# <details><summary>Answer</summary>
#
# **c)** It is the last one, so it is the only one that has seen everything.
#
# - a) What has SOS seen, where a token may look at what comes before it and no further?
# - b) Most of them have not seen the full text. One has.
#
# The cells under “From scratch: a text encoder” show it.
#
# </details>

# %% [markdown]
# ## Exercises
#
# 1. Could the prefix be shared if the class name came *before* the context?
#
# <details><summary>Answer</summary>
#
# No. Then every context token would see the name and be different for each class. (The names could be shared between
# prompts instead.)
#
# </details>
#
# 2. Could it be shared in a text encoder whose attention is not causal?
#
# <details><summary>Answer</summary>
#
# No: the context would see the name that comes after it. The library refuses such encoders with a sentence, since its
# fast path would compute them wrongly.
#
# </details>
#
# 3. A prompt for a class that was not there in training: what has to be computed?
#
# <details><summary>Answer</summary>
#
# The new name after each of the $M + N$ learned contexts, nothing else. The contexts do not belong to a class; that
# is why `add_class` needs no training.
#
# </details>
#
# **Next:** [05, prompt dropout and diversity](05_dropout_and_diversity.ipynb): how several prompts become different.
