"""The examples and forms of JSON below each command's help."""

from __future__ import annotations

from gallop.model.scores import SCORES, VERDICT

GALLOP = """\
examples:
  gallop train photos --out model
  gallop evaluate model photos
  gallop predict holiday/ --model model --csv answers.csv
  gallop predict cat.jpg --classes "cat, dog, horse"
  gallop explain cat.jpg --model model --out why.png
  gallop export model --onnx model.onnx
  gallop convert official.ckpt --classes "cat, dog" --out model
  gallop data check oxford_pets data
  gallop bench photos-mini sets --out results --time 2h
  gallop app

Results go to standard output (--json: JSON and nothing else), progress and warnings to standard error.
Exit status: 0 all went well, 2 bad input, 130 stopped by Ctrl-C. `gallop COMMAND --help` shows more examples."""

TRAIN = """\
examples:
  gallop train photos --out model                        # 16 images a class, the default settings
  gallop train photos.csv --out model                    # a table with the columns path and label
  gallop train photos --out model --shots 4 --seed 1     # another draw of fewer
  gallop train photos --out model --allow-fewer          # where some classes have fewer images
  gallop train photos --out model --resume               # go on with a training that was cut off
  gallop train photos --out model --processes 4          # four GPUs, the same model (extra distributed)
  gallop train photos --out coop --global-prompts 1 --local-prompts 0 --dropout 0       # CoOp
  gallop train photos --out paper --preset paper --backbone ViT-B-16/openai             # the paper's settings

JSON: {out, steps, seconds, loss, accuracy_train, threshold, threshold_note, temperature, skipped}"""

_EVALUATE = """\
examples:
  gallop evaluate model photos
  gallop evaluate model photos --ood scenes=other/scenes --ood sketches=other/sketches --json
  gallop evaluate zero-shot photos                       # nothing learned: "A photo of a {class}"

MODEL is a folder that `train` wrote (./zero-shot for a folder of that name). All figures of the JSON are fractions:
{accuracy, accuracy_global, accuracy_local, n, per_class {name: accuracy}, tpr,
 ood {NAME: {SCORE: {fpr95, fpr95_authors, auroc}}}, n_ood {NAME: photos}, skipped [{image, error}, ...]}
FPR95 is the share of unknown photos that pass at the tightest threshold that keeps at least 95% of the known ones.
fpr95_authors is that of the paper's own code: at the loosest threshold that keeps the share nearest to 95%.
SCORE, larger = more outlier, is one of:"""


def evaluate() -> str:
    """Return those of ``gallop evaluate``, with the scores that it measures."""
    lines = [f"  {score.caption} ({score.paper})" for score in SCORES.values() if score.of_cosines]
    return "\n".join([_EVALUATE, *lines])


PREDICT = f"""\
examples:
  gallop predict cat.jpg dog.jpg --model model
  gallop predict holiday/ --model model --csv answers.csv          # a folder and all that is below it
  gallop predict holiday/ --classes "beach, mountain, city" --json # no training: zero-shot

JSON: [{{image, label, probability, probabilities {{name: p}}, ood_score, is_ood}} or {{image, error}}, ...]
ood_score is {VERDICT} (larger = more outlier); is_ood is null without a threshold. Images that cannot be read
are named, the others are answered, and the exit status is 2."""

EXPLAIN = """\
examples:
  gallop explain cat.jpg --model model --out why.png
  gallop explain cat.jpg --classes "cat, dog" --class dog --out why-dog.png --json
  gallop explain cat.jpg --model model --out why.png --npy maps.npy

JSON: {image, label, class, global_scores (M), local_scores (N), topk (N), regions [{prompt, k, boxes}, ...]}
Scores are those of the shown class; a box is [left, top, right, bottom] in the photo's pixels, best first; prompts are
counted from 1. The maps of --npy are the cosines of the regions: an array (N, rows, columns)."""

EXPORT = """\
examples:
  gallop export model --onnx model.onnx
  gallop export model --onnx model.onnx --photos photos/test --json   # also check with these photos

In: pixels (images, 3, size, size); the file's metadata says how a photo becomes them, and holds the class names, the
logit scale, the temperature and the threshold. Out: probabilities (images, K), ood_score (images; larger = more
outlier), global_cosines (images, K, M) and local_cosines, the maps (images, R, K, N).
The file is checked with onnxruntime, and not written if a label or a number by more than 0.0001 is another one.

JSON: {out, bytes, input, outputs, class_names, checked_on, largest_difference, labels_differ}
Needs the extra onnx: pip install 'gallop-explorer[onnx]'"""

CONVERT = """\
examples:
  gallop convert gallop_caltech101_vit_b16_seed1.ckpt --classes-file names.txt --out model
  gallop convert official.pt --classes "cat, dog" --out model --backbone ViT-B-16/openai --topk 5,10,15,20

The class names are not in the file: give those it was trained with, in any order. They may be others, as for CLIP.
The authors' code leaves the underscores in the names of OxfordPets and UCF101 (american_bulldog), which are other words
to the text tower. So a file trained on these sets gets names with underscores for spaces; other classes than the set's
want --names-as-they-are. `gallop evaluate` takes a folder's "american bulldog" for american_bulldog.
The file is read as data: objects other than tensors, numbers, texts and the authors' options are refused, never run.

JSON: {out, backbone, class_names, global_prompts, topk, dropout}"""

DOCTOR = """\
examples:
  gallop doctor
  gallop doctor --json
  gallop doctor --towers ViT-B-16=weights.safetensors    # a file, among the towers that are here
  gallop doctor --backbone mini                          # also load it: do its weights fit, and what does a pass cost?

JSON: {versions, device, devices, towers: [{name, source, bytes, memory, licence, input, grid, tokens}], models, cache,
       matplotlib, app, backbone: {name, fingerprint, input, grid,
       seconds: {load, first_photo, next_photo, text_of_ten}}}"""

BENCH = """\
examples:
  gallop bench --list                                    # the benchmarks that come with gallop
  gallop bench photos-mini sets --dry-run                # check everything, count the runs, train nothing
  gallop bench photos-mini sets --out results --time 2h  # the same command again goes on where this one stops
  gallop bench photos-mini sets --out results --part 1/2 # one of two processes (or machines) that share results
  gallop bench paper-fewshot data --rehearse             # one step of everything: does it work, how long would it take
  gallop bench mine.yaml sets --out results --only GalLoP CoOp --sets pacs/photo --shots 16 --seeds 0

DATA holds data sets, SET/{train,test}/CLASS/*.jpg or those of `gallop data list`, and groups of unknown photos, as the
benchmark names them.
DIR gets a record a run (runs/KEY.json) and, written anew from all of them each time: tables.md (mean and spread over
seeds, ablations, claims), results.csv (a row a figure), costs.md (time and memory) and pictures (*.svg).
Delete a record to have its run made again. Features are cached: $GALLOP_CACHE says where.

JSON: {out, runs, done, left, failed, files, claims [{claim, verdict, mean, spread, interval, over, sets, right, pairs,
planned}, ...]}; with --dry-run {runs, done, left, sets, unknown, methods, seconds, runs_without_estimate}; with
--rehearse {device, runs, hours, encoding_test_photos, lines [{label, set, backbone, regions, runs, steps, views,
answers, step, view, answer, rest, hours, failed}, ...]}: how many of each in all runs, then seconds of one, and of the
rest of a run"""
