"""What changes in a notebook when the value of one of its widgets is set: runs after the notebook, in its kernel."""

WIDGETS = {
    "01_similarity": """
sure = max(bars.data[0].y)
scale_slider.value = 0.1
assert max(bars.data[0].y) - 1 / K < 0.02 < sure - 1 / K
name_box.value = "cat, dog"
assert answer.value.startswith("cat: ") and "dog: " in answer.value
name_box.value = "cat, CAT"
assert "the same" in answer.value
""",
    "02_regions": """
before = grid.panel["map"]
grid.class_name = names[1]
assert grid.panel["map"] != before and names[1] in grid.panel["name"]
down.value = across.value = 0.0
for trace, (features, size) in zip(panels.data, towers.values()):
    z = torch.tensor(trace.z)
    assert z.shape == size and z.argmax() == 0 and abs(z[0, 0] - 1) < 1e-5
""",
    "03_topk_and_scales": """
k_slider.value = 3
assert grid.k == 3 and len(grid.panel["kept"]) == 3
assert score.value.startswith(f"score {float(in_order[:3, winner].mean()):.4f} from 3 of")
grid.k = R
assert k_slider.value == R and len(grid.panel["kept"]) == R
""",
    "04_prompts": """
assert nearest.value.endswith("a photo of a")
before = chart.data[0].y[worst]
assert abs(before - float(own[worst])) < 1e-4
step_slider.value = 0.1
assert chart.data[0].y[worst] > before and abs(sum(chart.data[0].y) - 1) < 1e-4
""",
    "05_dropout_and_diversity": """
for p, kept in ((0.75, 1), (0.5, 2), (0.0, 4)):
    p_slider.value = p
    assert all(row.count("■") == kept for row in drawn.value.split("\\n"))
members.value = (0, 1, 2, 3)
assert verdict.value == f"accuracy {results[0.75][0, 1]:.1%}"
members.value = ()
assert "at least one" in verdict.value
""",
    "06_training": """
runs = []
epochs_slider.value = 3
for rate in (0.001, 0.1):
    lr_slider.value = rate
    train_button.click()
    runs.append([list(trace.y) for trace in live.data])
    steps = 3 * -(-B // 32)
    assert all(list(trace.x) == list(range(1, steps + 1)) for trace in live.data)
    for total, of_global, of_local in zip(*runs[-1][:3]):
        assert abs(total - of_global - of_local) < 1e-4
assert abs(runs[0][0][0] - runs[1][0][0]) < 1e-4, "the first step starts from the same prompts"
assert abs(runs[0][0][-1] - runs[1][0][-1]) > 1e-3, "and another learning rate leads elsewhere"
""",
    "07_none_of_these": """
for chosen, kept in (("MCM", 100), ("L-MCM", 50), ("GL-MCM", 0)):
    score_choice.value, place_slider.value = chosen, kept
    a, b = scores[chosen][is_known], scores[chosen][~is_known]
    at = bars.layout.shapes[0].x0
    assert (a <= at).mean() >= kept / 100
    assert list(bars.data[0].x) == list(a) and list(bars.data[1].x) == list(b)
    assert f"{(a > at).mean():.0%} of the known" in verdict.value
    assert f"{(b <= at).mean():.0%} of the unknown" in verdict.value
class_choice.value, prompt_choice.value = names[-1], 3
assert (grid.class_name, grid.prompt) == (names[-1], 2)
assert len(grid.panel["kept"]) == suspect.topk[2] and names[-1] in grid.panel["name"]
""",
    "08_another_domain": """
strength.value = 0.0
clear, shown = list(chances.data[0].y), picture.value
assert np.allclose(clear, list(gallop.explain(test_photos[photo_choice.value]).probabilities.values()), atol=1e-4)
pictures = {shown}
strength.value = 1.0
for kind in photos.DOMAINS:
    kind_choice.value = kind
    pictures.add(picture.value)
    changed = gallop.explain(photos.domain(test_photos[photo_choice.value], kind))
    assert np.allclose(chances.data[0].y, list(changed.probabilities.values()), atol=1e-4)
assert len(pictures) == 4
first, second = pair.children
look_prompt.value = 2
assert [(grid.prompt, len(grid.panel["kept"])) for grid in pair.children] == [(1, topk[1])] * 2
look_kind.value = "blur"
assert pair.children[0] is first and pair.children[1] is not second and pair.children[1].prompt == 1
""",
    "09_debugging_alignment": """
k_choice.value = rows * columns
everywhere = classifier.explain(scenes[case_choice.value]).with_topk([rows * columns] * N).label
assert answer.value.startswith(f"With k = {rows * columns} everywhere: {everywhere}.")
assert len(box.children[0].panel["kept"]) == rows * columns
prompt_choice.value, k_choice.value = 2, 7
assert (box.children[0].prompt, len(box.children[0].panel["kept"])) == (1, 7)
for i in cases[:2]:
    case_choice.value = i
    assert box.children[0].against == truth[i] and answer.value.endswith(f"The label is {truth[i]}.")
    assert box.children[0].class_name != truth[i]
""",
    "10_your_own_data": """
import datetime, io
for i in order[:3]:
    test_choice.value = i
    assert reply.value.startswith(f"{names[said[i]]} ") and box.children[0].class_name == names[said[i]]

def put(content):
    upload.value = [dict(name="x", type="", size=len(content), content=content, last_modified=datetime.datetime.now())]

put(b"Taken on a sunny day.")
assert "not a picture" in reply.value and not box.children
png = io.BytesIO()
photos.sample("cat").image.save(png, "PNG")
put(png.getvalue())
best = classifier.explain(photos.sample("cat")).label
assert reply.value.startswith(f"{best} ") and box.children[0].class_name == best
""",
}
