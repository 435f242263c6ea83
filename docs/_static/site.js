// What is wider than its place can be moved by keyboard too, and captions of the navigation are headings of a level.
function settle() {
  for (const wide of document.querySelectorAll("pre, .table-wrapper, .formula, .drawn")) {
    if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
    else wide.removeAttribute("tabindex");
  }
}

for (const caption of document.querySelectorAll('p.caption[role="heading"]')) caption.setAttribute("aria-level", "2");
window.addEventListener("resize", settle);
settle();
