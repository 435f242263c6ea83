/* The worker, asked as a function that answers later. */

export class Encoders {
  constructor() {
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.waiting = new Map();
    this.worker.onmessage = ({ data: { id, problem, ...answer } }) => {
      const { resolve, reject } = this.waiting.get(id);
      this.waiting.delete(id);
      if (problem === undefined) resolve(answer);
      else reject(new Error(problem));
    };
    this.worker.onerror = (event) => {
      event.preventDefault();
      const error = new Error("The part of the page that computes could not start; reload the page.");
      for (const { reject } of this.waiting.values()) reject(error);
      this.waiting.clear();
    };
    this.asked = 0;
  }

  ask(kind, question, transferred = []) {
    const id = ++this.asked;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, kind, ...question }, transferred);
    });
  }

  start(facts, files) {
    return this.ask("start", { facts, files }, Object.values(files));
  }

  look({ rgba, width, height }) {
    return this.ask("look", { rgba, width, height }, [rgba.buffer]);
  }

  texts(texts) {
    return this.ask("texts", { texts });
  }
}
