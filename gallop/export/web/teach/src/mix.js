/* What is fitted on held-out shots, as gallop/model/calibration.py and gallop/model/branches/mix.py fit it: temperatures,
   the head's weight in the answer, and the threshold for "none of these".
   Sizes: m held-out shots, K classes. Logits come as rows (m, K). */

const LOG_RANGE = [Math.log(0.05), Math.log(20)];

/* Sums over the rows of logits a + weight b, under their probabilities / T: how far the logits' mean is from that of the
   true class, their variance, and minus the log-probability of the true class; of b the first two, and the covariance of
   both. */
function moments(prompts, apart, weight, labels, sharpness) {
  const total = { away: 0, spread: 0, loss: 0, otherAway: 0, otherSpread: 0, both: 0 };
  for (let i = 0; i < prompts.length; i++) {
    const [row, other] = [prompts[i], apart[i]];
    let [most, sum, z, zz, a, aa, za] = [-Infinity, 0, 0, 0, 0, 0, 0];
    for (let k = 0; k < row.length; k++) most = Math.max(most, row[k] + weight * other[k]);
    for (let k = 0; k < row.length; k++) {
      const [logit, beside] = [row[k] + weight * other[k], other[k]];
      const power = Math.exp((logit - most) * sharpness);
      const part = power * beside;
      sum += power;
      z += power * logit;
      zz += power * logit * logit;
      a += part;
      aa += part * beside;
      za += part * logit;
    }
    const [mean, middle] = [z / sum, a / sum];
    const truth = row[labels[i]] + weight * other[labels[i]];
    total.away += mean - truth;
    total.spread += zz / sum - mean * mean;
    total.loss += (most - truth) * sharpness + Math.log(sum);
    total.otherAway += middle - other[labels[i]];
    total.otherSpread += aa / sum - middle * middle;
    total.both += za / sum - mean * middle;
  }
  return total;
}

/* The temperature under which the labels are most probable, with a prior log T ~ N(0, 1): where its derivative is zero. */
export function fitTemperature(logits, labels) {
  let [low, high] = LOG_RANGE;
  let log = 0;
  for (let step = 0; step < 60 && high - low > 1e-9; step++) {
    const sharpness = Math.exp(-log);
    const { away, spread } = moments(logits, logits, 0, labels, sharpness);
    const slope = log - sharpness * away;
    if (slope > 0) high = log;
    else low = log;
    const bend = 1 + sharpness * away + sharpness * sharpness * spread;
    const next = log - slope / bend;
    const better = bend > 0 && next > low && next < high ? next : (low + high) / 2;
    const moved = Math.abs(better - log);
    log = better;
    if (moved < 1e-6) break; // the next step would be its square
  }
  return Math.exp(log);
}

/* Of the prompts' logits and the head's scores its mix {weight, temperature}, and the temperature of both together.
   Args: facts, {weight, temperature, spread}, the usual mix and how far from it the weight may be. */
export function chooseMix(prompts, head, labels, facts) {
  const sharpness = fitTemperature(prompts, labels);
  const usual = each(head, (score) => score / facts.temperature);
  const temperature = (fitTemperature(usual, labels) * facts.temperature) / sharpness;
  const apart = each(head, (score, i, k) => score / temperature - prompts[i][k]);
  const { weight, together } = weighed(prompts, apart, labels, facts);
  return { mix: { weight, temperature }, temperature: together };
}

/* Newton's steps, halved until the labels become more probable, inside 0 <= weight <= 1 and the range of T. */
function weighed(prompts, apart, labels, { weight: usual, spread }) {
  const at = (weight, log) => {
    const sharpness = Math.exp(-log);
    const all = moments(prompts, apart, weight, labels, sharpness);
    const off = (weight - usual) / spread ** 2;
    return {
      ...{ weight, log, loss: all.loss + log ** 2 / 2 + ((weight - usual) * off) / 2 },
      slopes: [sharpness * all.otherAway + off, log - sharpness * all.away],
      bends: [
        sharpness ** 2 * all.otherSpread + 1 / spread ** 2,
        -sharpness * all.otherAway - sharpness ** 2 * all.both,
        1 + sharpness * all.away + sharpness ** 2 * all.spread,
      ],
    };
  };
  const inside = (value, low, high) => Math.min(Math.max(value, low), high);
  let now = at(usual, 0);
  for (let step = 0; step < 50; step++) {
    const [right, down] = newton(now);
    let next = now;
    for (let part = 1; part > 1e-6; part /= 2) {
      next = at(inside(now.weight - part * right, 0, 1), inside(now.log - part * down, ...LOG_RANGE));
      if (next.loss <= now.loss) break;
    }
    const moved = Math.abs(next.weight - now.weight) + Math.abs(next.log - now.log);
    if (next.loss <= now.loss) now = next;
    if (moved < 1e-6 || next !== now) break;
  }
  return { weight: now.weight, together: Math.exp(now.log) };
}

function newton({ weight, slopes: [right, down], bends: [wide, across, long] }) {
  const stuck = (weight <= 0 && right > 0) || (weight >= 1 && right < 0);
  const safe = Math.max(long, 1e-3);
  if (stuck) return [0, down / safe];
  const area = wide * long - across * across;
  if (long <= 0 || area <= 1e-9 * wide * safe) return [right / wide, down / safe];
  return [(right * long - down * across) / area, (down * wide - right * across) / area];
}

/* The logits of both (m, K). */
export function mixed(prompts, head, { weight, temperature }) {
  const share = weight / temperature;
  return each(prompts, (logit, i, k) => (1 - weight) * logit + share * head[i][k]);
}

function each(rows, change) {
  return rows.map((row, i) => {
    const made = new Float64Array(row.length);
    for (let k = 0; k < made.length; k++) made[k] = change(row[k], i, k);
    return made;
  });
}

/* The smallest limit at which at least the fraction tpr of the scores are not above it. */
export function limitAt(scores, tpr) {
  const sorted = Float64Array.from(scores).sort();
  return sorted[Math.max(Math.ceil(Number((tpr * sorted.length).toFixed(9))), 1) - 1];
}
