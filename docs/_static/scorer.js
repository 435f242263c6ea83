// Pages come before notebooks, and notebooks before the changelog, which has every word; the rest is Sphinx's own.
const LATER = { notebooks: 40, CHANGELOG: 60, CONTRIBUTING: 50, benchmarks: 30, THIRD_PARTY_NOTICES: 60 };
var Scorer = {
  score: ([page, , , , score]) => score - (LATER[page.split("/")[0]] ?? 0),
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};
