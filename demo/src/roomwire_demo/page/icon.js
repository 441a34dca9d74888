// Icons from the page's sprite.

const SVG = "http://www.w3.org/2000/svg";

/** With `label` it is an image with that name, without one it is decoration. */
export function icon(name, label = null) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#${name}`);
  svg.append(use);
  if (label === null) {
    svg.setAttribute("aria-hidden", "true");
  } else {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
    const title = document.createElementNS(SVG, "title");
    title.textContent = label;
    svg.prepend(title);
  }
  return svg;
}
