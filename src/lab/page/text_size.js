// The buttons that make all text larger or smaller, for a projector.

import { finderIn } from "./dom.js";

const NORMAL = 16;
const NORMAL_PIXELS = 18;
const SMALLEST = 12;
const LARGEST = 32;
const STEP = 2;

/** Sets up the two buttons in `root`, and restores the size that the reader chose last time. */
export function setUpTextSize(root) {
  const find = finderIn(root);
  find("smaller").addEventListener("click", () => resize(-STEP));
  find("larger").addEventListener("click", () => resize(STEP));
  if (localStorage.getItem("size")) resize(0);
}

function resize(step) {
  const wanted = Number(localStorage.getItem("size") ?? NORMAL) + step;
  const size = Math.min(LARGEST, Math.max(SMALLEST, wanted));
  localStorage.setItem("size", size);
  document.documentElement.style.fontSize = `${(size / NORMAL) * NORMAL_PIXELS}px`;
}
