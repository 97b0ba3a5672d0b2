// The tabs, which show either the list of events or the wire view.

import { finderIn } from "./dom.js";

const NAMES = ["events", "wire"];

export class Tabs {
  #find;
  #onShow;

  /** `onShow` is called with the name of each view that is shown. */
  constructor(root, onShow) {
    this.#find = finderIn(root);
    this.#onShow = onShow;
    for (const [n, name] of NAMES.entries()) {
      const other = NAMES[1 - n];
      const tab = this.#find(`tab-${name}`);
      tab.addEventListener("click", () => this.show(name));
      tab.addEventListener("keydown", ({ key }) => {
        if (key !== "ArrowLeft" && key !== "ArrowRight") return;
        this.show(other);
        this.#find(`tab-${other}`).focus();
      });
    }
    this.show(sessionStorage.getItem("view") === "wire" ? "wire" : "events");
  }

  show(view) {
    for (const name of NAMES) {
      const tab = this.#find(`tab-${name}`);
      this.#find(name).hidden = name !== view;
      tab.setAttribute("aria-selected", name === view);
      tab.tabIndex = name === view ? 0 : -1;
    }
    sessionStorage.setItem("view", view);
    this.#onShow(view);
  }
}
