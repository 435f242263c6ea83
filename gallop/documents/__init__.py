"""Facts and a template in, a page in HTML or Markdown out, in which text of strangers is text and no command."""
