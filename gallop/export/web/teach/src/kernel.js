/* Ridge regression by its dual: C, the inverse of K + p I, K the products of every two shots. A shot comes or goes in n^2
   steps, and what a head without some of the shots says of these follows from a block of C: see held out in ridge.js.
   Sizes: n shots, D numbers a shot, K classes. */

export class Kernel {
  constructor(penalty) {
    this.penalty = penalty;
    this.room = 0;
    this.shots = []; // features (D) of each
    this.rows = []; // C, as rows with room for more
    this.texts = []; // of each class the products (n) of its text with the shots, and
    this.inverse = []; // C times these
  }

  get count() {
    return this.shots.length;
  }

  add(features, texts) {
    const n = this.count;
    if (n === this.room) this.grow(Math.max(2 * n, 16));
    const products = Float64Array.from(this.shots, (shot) => dot(shot, features, features.length));
    const through = Float64Array.from(this.rows, (row) => dot(row, products, n));
    const left = dot(features, features, features.length) + this.penalty - dot(products, through, n);
    this.rows.push(new Float64Array(this.room));
    for (let i = 0; i < n; i++) {
      const [row, share] = [this.rows[i], through[i] / left];
      for (let j = 0; j < n; j++) row[j] += share * through[j];
      row[n] = this.rows[n][i] = -share;
    }
    this.rows[n][n] = 1 / left;
    texts.forEach((text, k) => {
      const product = dot(text, features, features.length);
      const change = (product - dot(through, this.texts[k], n)) / left;
      for (let i = 0; i < n; i++) this.inverse[k][i] -= through[i] * change;
      this.texts[k][n] = product;
      this.inverse[k][n] = change;
    });
    this.shots.push(features);
  }

  grow(room) {
    const longer = (row) => {
      const made = new Float64Array(room);
      made.set(row);
      return made;
    };
    this.room = room;
    for (const each of ["rows", "texts", "inverse"]) this[each] = this[each].map(longer);
  }

  /* Shot i goes, and the last one takes its place. */
  remove(i) {
    const last = this.count - 1;
    const column = this.rows[i].slice(0, last + 1);
    for (let at = 0; at <= last; at++) {
      const [row, share] = [this.rows[at], column[at] / column[i]];
      for (let j = 0; j <= last; j++) row[j] -= share * column[j];
      row[i] = row[last];
    }
    this.inverse.forEach((through, k) => {
      const share = through[i] / column[i];
      for (let at = 0; at <= last; at++) through[at] -= share * column[at];
      through[i] = through[last];
      this.texts[k][i] = this.texts[k][last];
    });
    this.rows[i] = this.rows[last];
    this.shots[i] = this.shots[last];
    this.rows.pop();
    this.shots.pop();
  }

  /* Of a class, put in place k or in place of the one there. */
  setText(k, text, kept = 1) {
    const products = new Float64Array(this.room);
    this.shots.forEach((shot, i) => (products[i] = dot(shot, text, text.length)));
    const through = new Float64Array(this.room);
    this.rows.forEach((row, i) => (through[i] = dot(row, products, this.count)));
    this.texts.splice(k, kept, products);
    this.inverse.splice(k, kept, through);
  }

  removeText(k) {
    this.texts.splice(k, 1);
    this.inverse.splice(k, 1);
  }
}

export function dot(a, b, n) {
  let [s0, s1, s2, s3, i] = [0, 0, 0, 0, 0];
  for (; i + 3 < n; i += 4) {
    s0 += a[i] * b[i];
    s1 += a[i + 1] * b[i + 1];
    s2 += a[i + 2] * b[i + 2];
    s3 += a[i + 3] * b[i + 3];
  }
  for (; i < n; i++) s0 += a[i] * b[i];
  return s0 + s1 + s2 + s3;
}

/* Solves A x = b for several b. Args: rows, the lower half of A (m, m), which becomes its Cholesky factor; right, each b
   (m), which becomes its x. */
export function solve(rows, right) {
  factor([...rows, ...right], rows.length); // rows below those of A become L^-1 b
  for (const x of right) {
    for (let i = rows.length - 1; i >= 0; i--) {
      const [row, value] = [rows[i], (x[i] /= rows[i][i])];
      for (let j = 0; j < i; j++) x[j] -= row[j] * value;
    }
  }
}

/* Two rows and four columns at a time, which takes a quarter of the time of one after the other. */
function factor(rows, m) {
  for (let i = 0; i < rows.length; i += 2) {
    const x = rows[i];
    const y = rows[i + 1] ?? x;
    let j = 0;
    for (; j + 4 <= Math.min(i, m); j += 4) {
      const [a, b, c, d] = [rows[j], rows[j + 1], rows[j + 2], rows[j + 3]];
      let [s, t, u, v] = [x[j], x[j + 1], x[j + 2], x[j + 3]];
      let [o, p, q, r] = [y[j], y[j + 1], y[j + 2], y[j + 3]];
      for (let k = 0; k < j; k++) {
        const f = x[k];
        const g = y[k];
        s -= f * a[k];
        t -= f * b[k];
        u -= f * c[k];
        v -= f * d[k];
        o -= g * a[k];
        p -= g * b[k];
        q -= g * c[k];
        r -= g * d[k];
      }
      below(x, j, s, t, u, v, a, b, c, d);
      if (y !== x) below(y, j, o, p, q, r, a, b, c, d);
    }
    for (const [row, at] of y === x ? [[x, i]] : [[x, i], [y, i + 1]]) {
      for (let k = j; k < Math.min(at, m); k++) row[k] = (row[k] - dot(row, rows[k], k)) / rows[k][k];
      if (at < m) row[at] = Math.sqrt(row[at] - dot(row, row, at));
    }
  }
}

function below(row, j, s, t, u, v, a, b, c, d) {
  row[j] = s /= a[j];
  row[j + 1] = t = (t - s * b[j]) / b[j + 1];
  row[j + 2] = u = (u - s * c[j] - t * c[j + 1]) / c[j + 2];
  row[j + 3] = (v - s * d[j] - t * d[j + 1] - u * d[j + 2]) / d[j + 3];
}
