"""What changes in a notebook when the value of one of its widgets is set: runs after the notebook, in its kernel.

Where ``browser_state`` of an explainer is set, it is as the browser does when a hand lets go.
"""

WIDGETS = {
    "01_similarity": """
sure = max(bars.figure.data[0].y)
scale_slider.value = 0.1
assert max(bars.figure.data[0].y) - 1 / K < 0.02 < sure - 1 / K
name_box.value = "cat, dog"
assert answer.value.startswith("cat: ") and "dog: " in answer.value
name_box.value = "cat, CAT"
assert "the same" in answer.value
""",
    "02_regions": """
explainer.browser_state = explainer.state.as_dict() | {"class_name": names[1], "region": 7, "turn": 1}
assert (explainer.state.class_name, explainer.state.region) == (names[1], 7)
down.value = across.value = 0.0
for trace, (features, size) in zip(chart.figure.data, encoders.values()):
    z = torch.tensor(trace.z)
    assert z.shape == size and z.argmax() == 0 and abs(z[0, 0] - 1) < 1e-5
""",
    "03_topk_and_scales": """
for k in (3, R):
    explainer.browser_state = explainer.state.as_dict() | {"topk": [k] * 4, "turn": k}
    assert explainer.state.topk == (k,) * 4
    assert abs(explainer.explained.local_scores[winner, 0] - float(in_order[:k, winner].mean())) < 1e-6
""",
    "04_prompts": """
before = chart.figure.data[0].y[worst]
assert abs(before - float(right_p[worst])) < 1e-4
step_slider.value = 0.1
assert chart.figure.data[0].y[worst] > before and abs(sum(chart.figure.data[0].y) - 1) < 1e-4
""",
    "05_dropout_and_diversity": """
for p, kept in ((0.75, 1), (0.5, 2), (0.0, 4)):
    p_slider.value = p
    assert all(row.count("■") == kept for row in drawn.value.split("\\n"))
members.value = (0, 1, 2, 3)
assert verdict.value == f"accuracy {results[0.75][0, :, 1].mean():.1%}"
members.value = ()
assert "at least one" in verdict.value
""",
    "06_training": """
runs = []
epochs_slider.value = 3
for rate in (0.001, 0.1):
    lr_slider.value = rate
    train_button.click()
    runs.append([list(trace.y) for trace in live.figure.data])
    steps = 3 * -(-B // 32)
    assert all(list(trace.x) == list(range(1, steps + 1)) for trace in live.figure.data)
    for total, of_global, of_local in zip(*runs[-1][:3]):
        assert abs(total - of_global - of_local) < 1e-4
assert abs(runs[0][0][0] - runs[1][0][0]) < 1e-4, "the first step starts from the same prompts"
assert abs(runs[0][0][-1] - runs[1][0][-1]) > 1e-3, "and another learning rate leads elsewhere"
""",
    "07_none_of_these": """
for chosen, kept in (("MCM", 100), ("L-MCM", 50), ("GL-MCM", 0)):
    score_choice.value, place_slider.value = chosen, kept
    a, b = scores[chosen][is_known], scores[chosen][~is_known]
    at = bars.figure.layout.shapes[0].x0
    assert (a <= at).mean() >= kept / 100
    assert list(bars.figure.data[0].x) == list(a) and list(bars.figure.data[1].x) == list(b)
    assert f"{(a > at).mean():.0%} of the known" in verdict.value
    assert f"{(b <= at).mean():.0%} of the unknown" in verdict.value
explainer.browser_state = explainer.state.as_dict() | {"class_name": names[-1], "prompt": 2, "turn": 1}
assert (explainer.state.class_name, explainer.state.prompt, explainer.state.topk) == (names[-1], 2, suspect.topk)
""",
    "08_another_domain": """
strength.value = 0.0
clear, shown = list(chances.figure.data[0].y), picture.value
assert np.allclose(clear, list(gallop.explain(test_photos[photo_choice.value]).probabilities.values()), atol=1e-4)
pictures = {shown}
strength.value = 1.0
for kind in photos.DOMAINS:
    kind_choice.value = kind
    pictures.add(picture.value)
    changed = gallop.explain(photos.domain(test_photos[photo_choice.value], kind))
    assert np.allclose(chances.figure.data[0].y, list(changed.probabilities.values()), atol=1e-4)
assert len(pictures) == 4
first, second = pair.children
look_prompt.value = 2
assert [(shown.state.prompt, shown.state.topk) for shown in pair.children] == [(1, tuple(topk))] * 2
look_kind.value = "blur"
assert pair.children[0] is first and pair.children[1] is not second and pair.children[1].state.prompt == 1
assert all(shown.data["compact"] and shown.state.class_name == test_names[0] for shown in pair.children)
""",
    "09_debugging_alignment": """
assert min(on_thing["mug"], on_thing["teapot"]) > 0.8 and abs(np.mean(list(on_thing.values())) - 0.63) < 0.03
assert all(0.25 < on_thing[kind] < 0.5 and on_thing[kind] > 2 * chance[kind] for kind in ("candle", "vase"))
assert in_third["candle"][2] == 0 and all(abs(sum(parts) - 1) < 1e-6 for parts in in_third.values())
lower = [mask[2 * len(mask) // 3 :].sum() / mask.sum() for kind, mask in
         ((thing.class_name, mask[mask.any(axis=1)]) for thing, mask in zip(things, masks)) if kind == "candle"]
assert np.mean(lower) > 0.5
k_choice.value = rows * columns
everywhere = classifier.explain(scenes[case_choice.value]).with_topk([rows * columns] * N).label
assert answer.value.startswith(f"With k = {rows * columns} everywhere: {everywhere}.")
assert box.children[0].state.topk == (rows * columns,) * N
k_choice.value = 7
assert (box.children[0].state.prompt, box.children[0].state.topk) == (culprit, (7,) * N)
for i in cases[:2]:
    case_choice.value = i
    assert box.children[0].state.against == truth[i] and answer.value.endswith(f"The label is {truth[i]}.")
    assert box.children[0].state.class_name != truth[i]
""",
    "10_your_own_data": """
import datetime, io
for i in order[:3]:
    test_choice.value = i
    assert not reply.value and box.children[0].explained.label == names[predicted[i]]

def put(content):
    upload.value = [dict(name="x", type="", size=len(content), content=content, last_modified=datetime.datetime.now())]

put(b"Taken on a sunny day.")
assert "not a picture" in reply.value and not box.children
png = io.BytesIO()
photos.sample("cat").image.save(png, "PNG")
put(png.getvalue())
best = classifier.explain(photos.sample("cat")).label
assert not reply.value and box.children[0].explained.label == best
""",
    "11_methods_side_by_side": """
assert list(answers) == list(learned) == list(seconds) == list(unlike) and len(answers) == 6
assert all(p.shape == (len(asked), K) and abs(p.sum(axis=1) - 1).max() < 1e-4 for p in answers.values())
assert learned["linear probe"] == learned["discriminant"] == K * (asked.shape[1] + 1)
assert learned["CoOp"] * (M + len(TOPK)) + P.numel() == learned["GalLoP"]
for kind, scores in (("linear probe", probe_w), ("discriminant", fisher_w)):
    mean = (linear_map(scores).mean() / asked_regions[i].mean(dim=0).norm()).item()
    own = scores @ F.normalize(asked[i].double(), dim=-1)
    assert abs(mean - (own[c] - own.mean()).item()) < 1e-3 * own.abs().max().item(), "the map adds up to the score"
""",
    "12_maps_side_by_side": """
from benchmarks.maps.ways import Look, grad_cam as benchmark_grad_cam
seen = mini.preprocess.centre(pictures[0])[0][None]
look = Look(1.0, grid, seen, ImageFeatures(*mini.encode_image(seen)))
theirs = torch.stack([benchmark_grad_cam(model, text, look, k) for k in range(K)], dim=-1)
assert torch.allclose(ways["Grad-CAM"][0] / ways["Grad-CAM"][0].max(), theirs / theirs.max(), atol=1e-3)
assert model.config == MethodConfig()
assert all(pointing(ways[way])[0] == 0.25 and abs(pointing(ways[way])[3] - 1) < 1e-6 for way in BLIND)
assert all(abs(found[0, 0] - curves["GalLoP"][0, 0]) < 1e-6 for found in curves.values())
""",
    "13_what_a_class_relies_on": """
called = {learned: by_question["others with it: called mug"][0] for learned, by_question in counts.items()}
own = {learned: by_question["mug without it: right"][0] for learned, by_question in counts.items()}
assert called["sticker on mug"] > 9 and max(called["no sticker"], called["sticker on half of all"]) < 2
assert called["sticker on half of mug"] > 4 and own["sticker on mug"] < 3
assert min(own["sticker on half of mug"], own["no sticker"]) > 3
assert outcome.stands_out and shares["sticker on mug"] == max(c.share for c in suspect.of(CUE).clusters)
assert shares["sticker on half of all"] < shares["sticker on half of mug"] / 2 < shares["sticker on mug"] / 2
assert covers < 0.05 and all(under[photo.sha256].any() for photo in stuck["mug"])
assert asked(taught(stuck))["mug without it: right"][0] > 3, "what exercise 3 says"
BLUR = 0
plain, plain_test = ({name: list(map(out_of_focus, some)) for name, some in part.items()} for part in (train, test))
stuck, stuck_test = all_with_sticker(plain, 0), all_with_sticker(plain_test, 1)
assert asked(taught({**plain, CUE: stuck[CUE]}))["others with it: called mug"][0] < 3, "what exercise 1 says"
""",
}
