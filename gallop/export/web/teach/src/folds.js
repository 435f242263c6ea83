/* Which shots are held out together, as gallop/data/folders.stratified_folds deals them and
   gallop/features/near_duplicates.py groups them. */

const [WORD, HALF] = [(1n << 128n) - 1n, (1n << 64n) - 1n];
const STEP = 47026247687942121848144207491837523525n; // of PCG64, which numpy draws from

/* Numpy's default generator. Args: state and increment, as texts, where a seed has put them. */
class Draws {
  constructor([state, increment]) {
    [this.state, this.increment] = [BigInt(state), BigInt(increment)];
    this.later = null;
  }

  /* A number of 32 bits. */
  next() {
    if (this.later !== null) {
      const value = this.later;
      this.later = null;
      return value;
    }
    this.state = (this.state * STEP + this.increment) & WORD;
    const mixed = (this.state >> 64n) ^ (this.state & HALF);
    const turned = this.state >> 122n;
    const value = ((mixed >> turned) | (mixed << ((64n - turned) & 63n))) & HALF;
    this.later = Number(value >> 32n);
    return Number(value & 0xffffffffn);
  }

  below(bound) {
    const mask = 2 ** (32 - Math.clz32(bound)) - 1;
    for (;;) {
      const value = (this.next() & mask) >>> 0;
      if (value <= bound) return value;
    }
  }

  shuffled(values) {
    const order = values.slice();
    for (let i = order.length - 1; i > 0; i--) {
      const j = this.below(i);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}

/* Disjoint lists of shots, each class spread as evenly as possible; a class with a single shot is in none.
   Args: classes, of each the indices of its shots, in order; groups, a number for each shot: those of a class that share one
   are held out together, unless all of them do. */
export function stratifiedFolds(classes, groups, folds, random) {
  const draws = new Draws(random);
  const parts = Array.from({ length: folds }, () => []);
  for (const members of classes) {
    if (members.length < 2) continue;
    const alone = new Set(members.map((i) => groups[i])).size < 2;
    const together = new Map();
    for (const i of draws.shuffled(members)) {
      const key = alone ? i : groups[i];
      if (!together.has(key)) together.set(key, []);
      together.get(key).push(i);
    }
    const here = new Array(folds).fill(0);
    for (const some of together.values()) {
      let least = 0;
      for (let fold = 1; fold < folds; fold++) {
        const fewer = here[fold] - here[least] || parts[fold].length - parts[least].length;
        if (fewer < 0) least = fold;
      }
      parts[least].push(...some);
      here[least] += some.length;
    }
  }
  return parts.filter((part) => part.length).map((part) => part.sort((a, b) => a - b));
}

/* A group number for each shot: those of one class that are nearly the same picture, or linked by such, share one.
   Args: shots, {near}, near the set of those of its class that are nearly the same picture. */
export function alikeGroups(shots) {
  const number = new Map();
  let count = 0;
  for (const shot of shots) {
    if (number.has(shot)) continue;
    const waiting = [shot];
    number.set(shot, count);
    while (waiting.length) {
      for (const other of waiting.pop().near) {
        if (number.has(other)) continue;
        number.set(other, count);
        waiting.push(other);
      }
    }
    count += 1;
  }
  return shots.map((shot) => number.get(shot));
}
