/* The camera: what it shows now as a square, which is the part that the model sees. */

import { words } from "./strings.js";

const SIDE = 320; // pixels of a square: more than the model reads

export class Camera {
  constructor(video) {
    this.video = video;
    this.facing = "environment";
    this.canvases = [square(), square()]; // the frame that is answered, and the next one
  }

  static get there() {
    return Boolean(navigator.mediaDevices?.getUserMedia);
  }

  get on() {
    return Boolean(this.stream);
  }

  /* Raises an error whose message says what to do. */
  async start() {
    if (this.on) return;
    if (!Camera.there) throw new Error(globalThis.isSecureContext ? words.noCamera : words.needsHttps);
    this.starting ??= this.opened();
    try {
      await this.starting;
    } finally {
      this.starting = undefined;
    }
  }

  async opened() {
    const wanted = { facingMode: this.facing, width: { ideal: 640 }, height: { ideal: 480 } };
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: wanted });
    } catch ({ name }) {
      const told = { NotAllowedError: words.denied, NotFoundError: words.noCamera };
      throw new Error(told[name] ?? words.busy);
    }
    stream.getTracks().forEach((track) => track.addEventListener("ended", () => stream === this.stream && this.lost?.()));
    const { facingMode } = stream.getVideoTracks()[0].getSettings();
    this.mirrored = facingMode ? facingMode === "user" : !matchMedia("(pointer: coarse)").matches; // as in a mirror
    this.video.classList.toggle("mirrored", this.mirrored);
    this.video.srcObject = stream;
    await this.video.play();
    this.stream = stream;
    const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
    this.several = cameras.length > 1;
  }

  async flip() {
    this.stop();
    this.facing = this.facing === "user" ? "environment" : "user";
    await this.start();
  }

  stop() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = this.video.srcObject = null;
  }

  /* What it shows now, mirrored as it is shown: {canvas, rgba, width, height}. Args: own, whether the canvas is not used
     again, as it is after the next frame. */
  frame(own) {
    const { video } = this;
    const canvas = own ? square() : this.canvases.reverse()[0];
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    const side = Math.min(video.videoWidth, video.videoHeight);
    const [left, top] = [(video.videoWidth - side) / 2, (video.videoHeight - side) / 2];
    pen.setTransform(this.mirrored ? -1 : 1, 0, 0, 1, this.mirrored ? SIDE : 0, 0);
    pen.drawImage(video, left, top, side, side, 0, 0, SIDE, SIDE);
    return { canvas, rgba: pen.getImageData(0, 0, SIDE, SIDE).data, width: SIDE, height: SIDE };
  }
}

function square() {
  return Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
}
