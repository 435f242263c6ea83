/* The state: what is shown of the data, checked; and which counts, the interaction here or the host.

   A host receives the state with a turn when a control is released. Its data come back with the turn that it knew: its
   state counts unless a control has moved since. */

const EMPTY = {
  class_name: null, // follows the answer
  against: null, // another class whose scores are subtracted
  before: false, // or the same class as the second take saw it
  prompt: 0,
  topk: [],
  region: null, // the one that is asked
  look: null, // whose regions are shown, the finest by default; hosts ignore it
  all: false, // every scale, or one
  opacity: 0.85,
  threshold: 0,
  drawn: "Smooth",
  colours: "viridis",
};

export class State {
  constructor() {
    this.turn = -1;
    this.moving = false;
    this.now = EMPTY;
  }

  /* New data, with the state that their host gives. */
  follow(data, takes) {
    const same = data.photo === this.data?.photo;
    const looked = takes[0].looks.length === this.takes?.[0].looks.length; // a second look that follows is shown
    this.data = data;
    this.takes = takes;
    const theirs = data.state ?? {};
    if (!same) this.now = { ...this.now, region: theirs.region }; // no region of another photo was asked yet
    const turn = theirs.turn ?? 0;
    if (turn >= this.turn) {
      this.turn = turn;
      this.now = { ...EMPTY, ...theirs, look: this.now.look };
    }
    if (!looked) this.now = { ...this.now, look: null };
    this.now = this.checked(this.now);
  }

  /* A control moves. */
  move(change) {
    if (!this.moving) this.turn += 1;
    this.moving = true;
    this.now = this.checked({ ...this.now, ...change });
  }

  /* It was released: returns what the host receives. */
  settled() {
    this.moving = false;
    return { ...this.now, turn: this.turn };
  }

  /* The number of maps: one for each local prompt, then one for each branch beside the prompts. */
  get maps() {
    return this.takes[0].local.usual.length + this.takes[0].besides.length;
  }

  checked(given) {
    const { names, colours, drawn } = this.data;
    const looks = this.takes[0].looks.length;
    const local = this.takes[0].local;
    const count = this.maps;
    const known = (name) => (names.includes(name) ? name : null);
    const within = (value, low, high, other) =>
      Number.isFinite(value) ? Math.min(Math.max(value, low), high) : other;
    const integer = (value, low, high, other) => Math.round(within(value, low, high, other));
    const usual = local.usual.map((k) => Math.min(k, local.regions));
    const class_name = known(given.class_name);
    return {
      class_name,
      against: known(given.against),
      before: Boolean(given.before) && this.takes.length > 1,
      prompt: integer(given.prompt, 0, Math.max(count - 1, 0), 0),
      topk: usual.map((k, n) => integer(given.topk?.[n], 1, local.regions, k)),
      region: Number.isInteger(given.region) && given.region >= 0 && given.region < local.regions ? given.region : null,
      look: Number.isInteger(given.look) && given.look >= 0 && given.look < looks ? given.look : looks - 1,
      all: Boolean(given.all) && count > 1,
      opacity: within(given.opacity, 0, 1, EMPTY.opacity),
      threshold: within(given.threshold, 0, 1, 0),
      drawn: drawn.includes(given.drawn) ? given.drawn : drawn[0],
      colours: Object.hasOwn(colours, given.colours) ? given.colours : Object.keys(colours)[0],
    };
  }
}
