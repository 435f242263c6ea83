"""The sample project: nothing in; out come photos of four kinds of things, where the things are, and a model.

The photos are rendered by ``benchmarks/sample``; ``README.md`` here says how, and what they may be used for.
"""

from gallop.sample.files import SAMPLE_SHOTS, SamplePhoto, sample_folder, sample_mask, sample_photos, write_sample

__all__ = ["SAMPLE_SHOTS", "SamplePhoto", "sample_folder", "sample_mask", "sample_photos", "write_sample"]
