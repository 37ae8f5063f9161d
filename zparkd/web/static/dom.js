// Elements, made without HTML text: what comes from a camera, a peer or a person stays text.

const SVG = "http://www.w3.org/2000/svg";

/** An element. An `on…` attribute is a function; true has no value; null is no attribute. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for a part of a drawing. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

/** Put these in place of all that an element holds. */
export function put(node, ...children) {
  node.replaceChildren(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined),
  );
}

/** Whether something in it is being pressed: it must still be there when it is let go. */
export const pressed = (node) => node.querySelector(":active") !== null;

/** An id that no other element of this page has, for labels and descriptions. */
export function freshId(prefix) {
  freshId.count = (freshId.count ?? 0) + 1;
  return `${prefix}-${freshId.count}`;
}

/** A labelled field of a form; `input` is its element, `hint` a line that explains it. */
export function field(label, input, hint = null) {
  const id = input.id || freshId("field");
  input.id = id;
  const parts = [el("label", { for: id }, label), input];
  if (hint) {
    const hintId = `${id}-hint`;
    input.setAttribute("aria-describedby", hintId);
    parts.push(el("small", { id: hintId, class: "quiet" }, hint));
  }
  return el("div", { class: "field" }, ...parts);
}

/** A choice; `options` are pairs of value and words. */
export function choice(attributes, options, chosen) {
  const select = el(
    "select",
    attributes,
    options.map(([value, words]) => el("option", { value }, words)),
  );
  select.value = chosen ?? options[0][0];
  return select;
}

/** Draw into `box` now and whenever its width changes; ends with the signal. */
export function drawnToWidth(box, draw, signal) {
  let width = 0;
  const observer = new ResizeObserver(() => {
    if (Math.abs(box.clientWidth - width) < 2) return;
    width = box.clientWidth;
    if (width > 0) put(box, draw(width));
  });
  observer.observe(box);
  signal.addEventListener("abort", () => observer.disconnect());
  return () => {
    width = box.clientWidth;
    if (width > 0) put(box, draw(width));
  };
}
