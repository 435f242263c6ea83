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
  for (const row of [...rows, ...right]) {
    const m = rows.indexOf(row);
    for (let j = 0; j < (m < 0 ? rows.length : m); j++) row[j] = (row[j] - dot(row, rows[j], j)) / rows[j][j];
    if (m >= 0) row[m] = Math.sqrt(row[m] - dot(row, row, m));
  }
  for (const x of right) {
    for (let i = rows.length - 1; i >= 0; i--) {
      const [row, value] = [rows[i], (x[i] /= rows[i][i])];
      for (let j = 0; j < i; j++) x[j] -= row[j] * value;
    }
  }
}
