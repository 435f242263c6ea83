/* A file, or a moment of the webcam, to pixels and to the small picture that is shown. */

import { photoPlace, shownPart } from "./shown.js";

const MOST = 16e6; // pixels: phones have no larger canvas
const SIDE = 600; // of the picture that is shown, the short one

export async function opened(file) {
  try {
    return await createImageBitmap(file, { colorSpaceConversion: "none" }); // as the library, which reads no profile
  } catch {
    throw new Error(`${file.name || "This"} is no photo that the browser can read; use a JPEG, PNG or WebP file.`);
  }
}

/* What a source shows now, on white where it is transparent: {canvas, rgba, width, height}. */
export function pixelsOf(source, wide = source.width, high = source.height) {
  const shrunk = Math.min(1, Math.sqrt(MOST / (wide * high)));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(Math.floor(wide * shrunk), 1);
  canvas.height = Math.max(Math.floor(high * shrunk), 1);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  return { canvas, rgba: data, width: canvas.width, height: canvas.height };
}

/* What the explainer receives of a photo: its picture, and the part of it that the model saw. */
export function pictured(canvas, box) {
  const part = shownPart(canvas.width, canvas.height, box);
  const [left, top, wide, high] = part;
  const scale = SIDE / Math.min(wide, high);
  const small = document.createElement("canvas");
  small.width = Math.round(wide * scale);
  small.height = Math.round(high * scale);
  const context = small.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(canvas, left, top, wide, high, 0, 0, small.width, small.height);
  return { photo: small.toDataURL("image/jpeg", 0.85), ...photoPlace(part, box) };
}

/* The webcam, frame by frame, as fast as they are answered. */
export class Webcam {
  constructor(answer) {
    this.answer = answer;
    this.video = document.createElement("video");
    this.video.playsInline = this.video.muted = true;
  }

  static get there() {
    return Boolean(navigator.mediaDevices?.getUserMedia);
  }

  get on() {
    return Boolean(this.stream);
  }

  async start() {
    const wanted = { video: { facingMode: "environment", width: { ideal: 640 } } };
    try {
      this.stream = await navigator.mediaDevices.getUserMedia(wanted);
    } catch {
      throw new Error("There is no webcam, or the browser does not let the page use it.");
    }
    this.video.srcObject = this.stream;
    await this.video.play();
    this.run();
  }

  async run() {
    while (this.stream) {
      await this.answer(pixelsOf(this.video, this.video.videoWidth, this.video.videoHeight));
      await new Promise((next) => requestAnimationFrame(next));
    }
  }

  stop() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = this.video.srcObject = null;
  }
}
