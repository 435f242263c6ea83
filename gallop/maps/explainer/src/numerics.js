/* What follows from a photo's cosines, equal to gallop/core/cosines.py and scores.py: top-k means, probabilities,
   outlier scores. Nothing here knows a page. Sizes as there: K classes, R regions, M global and N local prompts. */

/* Base64 of little-endian float32. */
export function floats(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new Float32Array(bytes.buffer);
}

export function softmax(logits) {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = Float64Array.from(logits, (logit) => Math.exp(logit - most));
  const total = sum(powers);
  return powers.map((power) => power / total);
}

export function sum(values) {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

export const mean = (values) => sum(values) / values.length;

/* The indices of the largest values, largest first, the earlier one of two that are equal. */
export function largest(values, count = values.length) {
  const order = Array.from(values.keys()).sort((a, b) => values[b] - values[a] || a - b);
  return order.slice(0, count);
}

/* Of one look, at temperature 1 and without the scale, larger = more outlier. Args: photo, the global cosines (K)
   averaged over prompts; regions, those of each region. */
export function outlierScores(photo, regions) {
  const most = (cosines) => softmax(cosines).reduce((a, b) => Math.max(a, b));
  const mcm = -most(photo);
  const surestRegion = regions.reduce((best, cosines) => Math.max(best, most(cosines)), 0);
  return { MCM: mcm, "L-MCM": -surestRegion, "GL-MCM": mcm - surestRegion };
}

/* Global prompts, which are matched with the photo as one: cosines (K, M). */
export class GlobalPrompts {
  constructor(data, classes) {
    this.prompts = data.prompts;
    const cosines = floats(data.cosines);
    this.rows = Array.from({ length: classes }, (_, c) => cosines.subarray(c * data.prompts, (c + 1) * data.prompts));
    this.means = Float64Array.from(this.rows, mean);
  }

  scores() {
    return this.means;
  }
}

/* Prompts that are matched with regions: cosines (R, K, N), stored by prompt and class, so that a map is contiguous.
   Of many classes only some are here; of the others their scores at the last k that Python was asked for. */
export class Regions {
  constructor(data, classes, regions) {
    this.prompts = data.prompts;
    this.usual = data.usual; // k of the model; none where these prompts have no maps
    this.regions = regions;
    const sent = data.classes ?? Array.from({ length: classes }, (_, c) => c);
    this.rank = new Map(sent.map((c, i) => [c, i]));
    this.classes = sent.length;
    this.last = data.last; // {topk, means (K, N)} where not all are here
    this.best = data.best; // and of each region the most probable classes
    this.lastMeans = data.last && floats(data.last.means);
    const cosines = floats(data.cosines);
    this.planes = new Float32Array(cosines.length);
    const [K, N, R] = [this.classes, this.prompts, regions];
    for (let r = 0, i = 0; r < R; r++)
      for (let c = 0; c < K; c++) for (let n = 0; n < N; n++, i++) this.planes[(n * K + c) * R + r] = cosines[i];
    this.sums = new Map(); // prompt -> (K, R + 1): sums of the best 0, 1, ... R cosines of each class
    this.orders = new Map();
  }

  has(c) {
    return this.rank.has(c);
  }

  /* The cosines (R) of a class and prompt. */
  map(c, n) {
    const start = (n * this.classes + this.rank.get(c)) * this.regions;
    return this.planes.subarray(start, start + this.regions);
  }

  /* Regions, the best first, as a stable sort has them. */
  order(c, n) {
    const key = c * this.prompts + n;
    if (!this.orders.has(key)) this.orders.set(key, largest(this.map(c, n)));
    return this.orders.get(key);
  }

  topRegions(c, n, k) {
    return this.order(c, n).slice(0, k);
  }

  /* Sorted once for every k: a class's top-k mean is then one division. */
  sumsOf(n) {
    if (this.sums.has(n)) return this.sums.get(n);
    const [K, R] = [this.classes, this.regions];
    const sums = new Float64Array(K * (R + 1));
    for (let c = 0; c < K; c++) {
      const sorted = this.planes.slice((n * K + c) * R, (n * K + c + 1) * R).sort();
      for (let r = 0, at = c * (R + 1); r < R; r++, at++) sums[at + 1] = sums[at] + sorted[R - 1 - r];
    }
    this.sums.set(n, sums);
    return sums;
  }

  topkMean(c, n, k) {
    const count = Math.min(k, this.regions);
    return this.sumsOf(n)[this.rank.get(c) * (this.regions + 1) + count] / count;
  }

  /* The score of every class (K); where some classes are not here, at the last k. */
  scores(topk, classes) {
    const scores = new Float64Array(classes);
    const [K, N, R] = [this.classes, this.prompts, this.regions];
    if (this.last) return scores.map((_, c) => mean(this.lastMeans.subarray(c * N, (c + 1) * N)));
    for (let n = 0; n < N; n++) {
      const [sums, k] = [this.sumsOf(n), Math.min(topk[n], R)];
      for (let c = 0; c < K; c++) scores[c] += sums[c * (R + 1) + k] / k / N;
    }
    return scores;
  }

  /* Cosines of one region averaged over prompts, (K) of those that are here. */
  at(region) {
    const [K, N, R] = [this.classes, this.prompts, this.regions];
    const means = new Float64Array(K);
    for (let n = 0; n < N; n++)
      for (let c = 0; c < K; c++) means[c] += this.planes[(n * K + c) * R + region] / N;
    return means;
  }
}

/* What shots taught: a score that is linear in the regions, (R, K), so the mean of a map and the same at any k. Of many
   classes only some have their map here. */
export class Linear {
  constructor(data, classes, regions) {
    this.regions = regions;
    const sent = data.classes ?? Array.from({ length: classes }, (_, c) => c);
    this.rank = new Map(sent.map((c, i) => [c, i]));
    this.means = floats(data.means);
    this.reach = data.reach; // how far from zero the maps of all classes go
    const cosines = floats(data.cosines);
    const each = sent.length;
    this.planes = sent.map((_, i) => Float32Array.from({ length: regions }, (_, r) => cosines[r * each + i]));
  }

  has(c) {
    return this.rank.has(c);
  }

  map(c) {
    return this.planes[this.rank.get(c)];
  }

  scores() {
    return this.means;
  }
}

/* What answers beside the prompts: {name, weight, looks}, of regions of each size, the finest last. */
function beside(branches) {
  const merged = [];
  for (const { name, weight, of } of branches) {
    if (!(of instanceof Linear)) continue;
    if (merged.at(-1)?.name !== name) merged.push({ name, weight: 0, looks: [] });
    merged.at(-1).weight += weight;
    merged.at(-1).looks.push(of);
  }
  return merged;
}

/* One photo as one model saw it: branches whose scores, each with its weight, add up to a class's. */
export class Take {
  constructor(data, take) {
    this.classes = data.names.length;
    this.scale = data.scale / (take.temperature ?? data.temperature);
    this.when = take.when;
    this.outlier = take.outlier; // where only Python can compute it
    this.branches = take.branches.map((branch) => {
      const grid = data.grids[branch.grid];
      const Kind = branch.linear ? Linear : grid ? Regions : GlobalPrompts;
      const made = new Kind(branch, this.classes, grid ? grid.rows * grid.columns : 0);
      return { name: branch.name, weight: branch.weight, lookWeight: branch.share, of: made };
    });
    const locals = this.branches.filter((branch) => branch.of instanceof Regions);
    this.looks = locals.map((branch) => branch.of); // regions of each size, the finest last
    this.lookWeights = locals.map((branch) => branch.lookWeight); // of each size in a score; 0 for maps alone
    this.local = this.looks.at(-1);
    this.global = this.branches.find((branch) => branch.of instanceof GlobalPrompts).of;
    this.besides = beside(this.branches);
  }

  /* Scores and probabilities (K), together and of each branch that has a weight; regions of all sizes are one. */
  answer(topk) {
    const together = new Float64Array(this.classes);
    const branches = [];
    for (const { name, weight, of } of this.branches) {
      if (!weight) continue;
      const scores = of.scores(topk, this.classes);
      scores.forEach((score, c) => (together[c] += weight * score));
      const same = branches.find((branch) => branch.name === name);
      if (!same) branches.push({ name, weight, scores, linear: of instanceof Linear });
      else {
        const sum = same.weight + weight;
        same.scores = same.scores.map((score, c) => (same.weight * score + weight * scores[c]) / sum);
        same.weight = sum;
      }
    }
    for (const branch of branches) branch.probabilities = this.probabilities(branch.scores);
    return { scores: together, probabilities: this.probabilities(together), branches };
  }

  /* The score of a class and local prompt, of the regions of all sizes. */
  topkMean(c, n, k) {
    return this.looks.reduce((sum, look, i) => sum + this.lookWeights[i] * look.topkMean(c, n, k), 0);
  }

  /* The score of a class by a branch beside the prompts, of the regions of all sizes. */
  linearMean({ looks }, c) {
    return looks.reduce((sum, look, i) => sum + this.lookWeights[i] * look.means[c], 0);
  }

  /* Whether the answer is that of these k, or that of the last ones. */
  isCurrent(topk) {
    const last = this.local?.last?.topk;
    return !last || last.every((k, n) => k === topk[n]);
  }

  probabilities(scores) {
    return softmax(Array.from(scores, (score) => score * this.scale));
  }

  /* The model's answer if the photo were one region alone: [class, probability], the most probable first. */
  alone(region, count, look = this.local) {
    if (look.best) return look.best[region].slice(0, count);
    const probabilities = this.probabilities(look.at(region));
    return largest(probabilities, count).map((c) => [c, probabilities[c]]);
  }

  /* The class that a region is most like, and its probability: computed once for all regions. */
  mostLike(region, look = this.local) {
    look.likes ??= Array.from({ length: look.regions }, (_, at) => {
      if (look.best) return look.best[at][0];
      const probabilities = this.probabilities(look.at(at));
      const c = probabilities.reduce((best, one, other) => (one > probabilities[best] ? other : best), 0);
      return [c, probabilities[c]];
    });
    return look.likes[region];
  }

  outlierScores() {
    const each = () => Array.from({ length: this.local.regions }, (_, region) => this.local.at(region));
    return this.outlier ?? outlierScores(this.global.means, each());
  }
}
