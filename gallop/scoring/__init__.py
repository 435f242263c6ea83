"""Photos by the million come in, from disk, bucket or archive; tables of answers or features go out."""

from gallop.scoring.scorer import Extras, PhotoEmbedder, PhotoScorer

__all__ = ["Extras", "PhotoEmbedder", "PhotoScorer"]
