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
}
