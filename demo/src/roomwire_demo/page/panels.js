// Chat and people beside the stage: at most one is open.

export class Panels {
  /** `panels` are pairs of a panel and the button that opens it. `onOpened(panel)` is called after. */
  constructor(panels, onOpened) {
    this.panels = panels;
    this.onOpened = onOpened;
    for (const [panel, button] of panels) {
      button.addEventListener("click", () => this.toggle(panel));
      panel.querySelector("[data-close]").addEventListener("click", () => this.close());
      panel.addEventListener("keydown", (event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        this.close();
      });
    }
  }

  /** Show one panel, or with null none. */
  open(opened) {
    for (const [panel, button] of this.panels) {
      panel.hidden = panel !== opened;
      button.setAttribute("aria-expanded", String(panel === opened));
    }
    if (opened) this.onOpened(opened);
  }

  toggle(panel) {
    if (panel.hidden) this.open(panel);
    else this.close();
  }

  /** Close the panel that is open; the button that opens it has the focus then. */
  close() {
    const [, button] = this.panels.find(([panel]) => !panel.hidden) ?? [];
    this.open(null);
    button?.focus();
  }
}
