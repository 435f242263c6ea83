/* What stands: what is shown of the data, checked; and who has the last word, the hand here or the host.

   A host is told what stands when a hand lets go, with a turn. Its data come back with the turn that it knew: what it
   says counts unless a hand has moved since. */

const EMPTY = {
  class_name: null, // follows the answer
  against: null, // another class whose scores are subtracted
  before: false, // or the same class as the second take saw it
  prompt: 0,
  topk: [],
  region: null, // the one that is asked
  look: null, // whose regions are shown, the finest by default; no host is told
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

  /* New data, and what their host says. */
  follow(data, takes) {
    const same = data.photo === this.data?.photo;
    const looked = takes[0].looks.length === this.takes?.[0].looks.length; // a finer map that follows is shown
    this.data = data;
    this.takes = takes;
    const theirs = data.stands ?? {};
    if (!same) this.now = { ...this.now, region: theirs.region }; // of another photo nobody has asked one yet
    const turn = theirs.turn ?? 0;
    if (turn >= this.turn) {
      this.turn = turn;
      this.now = { ...EMPTY, ...theirs, look: this.now.look };
    }
    if (!looked) this.now = { ...this.now, look: null };
    this.now = this.checked(this.now);
  }

  /* A hand moves. */
  move(change) {
    if (!this.moving) this.turn += 1;
    this.moving = true;
    this.now = this.checked({ ...this.now, ...change });
  }

  /* It let go: what the host is told. */
  settled() {
    this.moving = false;
    return { ...this.now, turn: this.turn };
  }

  /* How many there are: of each local prompt one, and behind them those of the branches beside the prompts. */
  get maps() {
    return this.takes[0].local.usual.length + this.takes[0].besides.length;
  }

  checked(said) {
    const { names, colours, drawn } = this.data;
    const looks = this.takes[0].looks.length;
    const local = this.takes[0].local;
    const count = this.maps;
    const known = (name) => (names.includes(name) ? name : null);
    const within = (value, low, high, other) =>
      Number.isFinite(value) ? Math.min(Math.max(value, low), high) : other;
    const whole = (value, low, high, other) => Math.round(within(value, low, high, other));
    const usual = local.usual.map((k) => Math.min(k, local.regions));
    const class_name = known(said.class_name);
    return {
      class_name,
      against: known(said.against),
      before: Boolean(said.before) && this.takes.length > 1,
      prompt: whole(said.prompt, 0, Math.max(count - 1, 0), 0),
      topk: usual.map((k, n) => whole(said.topk?.[n], 1, local.regions, k)),
      region: Number.isInteger(said.region) && said.region >= 0 && said.region < local.regions ? said.region : null,
      look: Number.isInteger(said.look) && said.look >= 0 && said.look < looks ? said.look : looks - 1,
      all: Boolean(said.all) && count > 1,
      opacity: within(said.opacity, 0, 1, EMPTY.opacity),
      threshold: within(said.threshold, 0, 1, 0),
      drawn: drawn.includes(said.drawn) ? said.drawn : drawn[0],
      colours: Object.hasOwn(colours, said.colours) ? said.colours : Object.keys(colours)[0],
    };
  }
}
