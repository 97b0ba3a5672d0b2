// Helpers for the page's elements.

/** Makes an element. `text` is never parsed as HTML, because it may come from a peer. */
export function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

/** Returns a function that finds elements inside `root` by their id, and throws when one is missing. */
export function finderIn(root) {
  return (id) => {
    const found = root.querySelector(`#${id}`);
    if (!found) throw new Error(`#${root.id} does not contain #${id}`);
    return found;
  };
}

/** Makes a list of names and values, such as the steps of a computation. */
export function definitionList(rows) {
  const list = element("dl", "steps");
  for (const [name, value] of rows) list.append(element("dt", "", name), element("dd", "", value));
  return list;
}

/** Makes a line that begins with a heading, such as the rule that a peer broke. */
export function remark(heading, text) {
  const line = element("p", "remark");
  line.append(element("b", "", `${heading} `), text);
  return line;
}

/** Whether `box` is scrolled to its end. A few pixels of tolerance allow for rounding. */
export function isScrolledToEnd(box) {
  return box.scrollTop + box.clientHeight >= box.scrollHeight - 8;
}
