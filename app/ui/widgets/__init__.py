"""Widgets that any page may use: values that outlive a page, uploads, pictures with words, explainer."""
