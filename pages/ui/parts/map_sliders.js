// The map's sliders and what a hand does with them: drag a handle or a stage's drawing, press keys, click a block.

const STEP = 5, FINE = 1, LEAP = 20, MOST = 98;
const GRAB = 4; // px a pointer moves on the drawing before it drags

export class MapSliders extends MapDrawing {
  slider(stage) {
    const all = stage === "all", word = this.data.labels.word;
    const name = all ? "Cut all together" : `${word[0].toUpperCase()}${word.slice(1)} ${stage + 1}`;
    const box = html("div", "slider");
    const above = html("div", "above");
    const cut = html("b", "cut");
    if (this.rows) above.append(html("b", "", name));
    above.append(cut);
    const track = html("div", "track");
    const rest = html("div", "rest");
    const knob = html("div", "knob");
    knob.tabIndex = 0;
    knob.dataset.key = `knob-${stage}`;
    knob.setAttribute("role", "slider");
    knob.setAttribute("aria-label", said(all ? `All ${word}s` : name));
    knob.setAttribute("aria-valuemin", 0);
    if (this.data.off) knob.setAttribute("aria-disabled", "true");
    track.append(rest, knob);
    const below = html("div", "below"), left = html("span");
    below.append(left);
    box.append(above, track, below);
    const slider = { stage, box, track, rest, knob, cut, below, left };
    if (!this.data.off) {
      this.slide(slider);
      knob.addEventListener("keydown", (event) => this.key(event, slider));
    }
    return slider;
  }

  placeSliders() {
    if (!this.data.sliders) return;
    const { geometry } = this, { width } = geometry, row = html("div", "row");
    const high = geometry.height - this.scaleTop;
    this.sliders.forEach((slider, place) => {
      const stage = geometry.stages[place];
      if (this.rows) {
        slider.box.style.top = `${(100 * (stage.y - this.scaleTop)) / high}%`;
        slider.box.style.left = `${(100 * stage.x) / width}%`;
        slider.box.append(html("div", "below", stage.words.slice(2).join(", ")));
        this.stageArea.append(slider.box);
      } else {
        slider.box.style.left = `${(100 * stage.x) / width}%`;
        slider.box.style.width = `${(100 * (Math.max(stage.right - stage.x, Math.min(112, stage.room - 20)))) / width}%`;
        row.append(slider.box);
      }
    });
    if (!this.rows) {
      const first = geometry.stages[0], last = geometry.stages[geometry.stages.length - 1];
      const label = html("div", "rowname");
      label.append(html("b", "", "Cut"), html("span", "", `each ${this.data.labels.word}`));
      row.prepend(label);
      this.root.append(row);
      this.everything = this.slider("all");
      this.everything.box.style.left = `${(100 * first.x) / width}%`;
      this.everything.box.style.width = `${(100 * (Math.max(last.right, last.x + 112) - first.x)) / width}%`;
      const below = html("div", "row all");
      const name = html("div", "rowname");
      name.append(html("b", "", "Cut all"), html("span", "", "together"));
      below.append(name, this.everything.box);
      this.root.append(below);
    } else {
      this.everything = this.slider("all");
      const below = html("div", "row all");
      below.append(this.everything.box);
      this.root.append(below);
    }
    this.sliders.push(this.everything);
  }

  slide(slider) {
    const { track } = slider;
    let drag = "";
    const to = (event, final) => {
      const box = track.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      this.move(slider.stage, Math.round(100 * share) / 100, drag, final);
    };
    track.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      drag = `${Date.now()}`;
      track.setPointerCapture(event.pointerId);
      slider.knob.focus({ preventScroll: true });
      to(event, false);
      event.preventDefault();
    });
    track.addEventListener("pointermove", (event) => {
      if (track.hasPointerCapture(event.pointerId) && drag) to(event, false);
    });
    const end = (event) => {
      if (!drag) return;
      to(event, true);
      drag = "";
    };
    track.addEventListener("pointerup", end);
    track.addEventListener("pointercancel", () => {
      if (drag && this.state) this.move(slider.stage, this.value(slider.stage), drag, true);
      drag = "";
    });
  }

  grab(hit, stage, first) {
    let from = null, drag = "";
    hit.addEventListener("pointerdown", (event) => {
      if (event.button || !this.state) return;
      from = { x: event.clientX, share: this.value(stage) };
      hit.setPointerCapture(event.pointerId);
    });
    const share = (event) => {
      const picture = hit.ownerSVGElement.getBoundingClientRect();
      const across = (hit.getBBox().width * picture.width) / this.geometry.width;
      return Math.round(100 * (from.share + (event.clientX - from.x) / Math.max(across, 60))) / 100;
    };
    hit.addEventListener("pointermove", (event) => {
      if (!from || !this.data.sliders || this.data.off) return;
      if (!drag && Math.abs(event.clientX - from.x) > GRAB) drag = `${Date.now()}`;
      if (drag) this.move(stage, share(event), drag, false);
    });
    hit.addEventListener("pointerup", (event) => {
      if (!from) return;
      if (drag) this.move(stage, share(event), drag, true);
      else this.press(stage, first);
      from = null;
      drag = "";
    });
  }

  key(event, slider) {
    const step = event.shiftKey ? FINE : STEP, now = Math.round(100 * this.value(slider.stage));
    const to = {
      ArrowRight: now + step, ArrowUp: now + step, ArrowLeft: now - step, ArrowDown: now - step,
      PageUp: now + LEAP, PageDown: now - LEAP, Home: 0, End: MOST,
    }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (!this.keys || this.keys.slider !== slider.stage) this.keys = { slider: slider.stage, drag: `${Date.now()}` };
    this.move(slider.stage, to / 100, this.keys.drag, false);
    clearTimeout(this.keys.timer);
    const { drag } = this.keys;
    this.keys.timer = setTimeout(() => {
      this.keys = null;
      this.move(slider.stage, this.value(slider.stage), drag, true);
    }, 300);
  }

  // A click or Enter: a stage whose blocks are drawn as one opens, and closes by another on what is selected already.
  press(stage, block) {
    const again = this.selected?.stage === stage && this.selected.block === block;
    if (this.groups[stage] && (again || this.open !== stage)) this.unfold(this.open === stage ? null : stage, block);
    if (!again) this.select(stage, block);
  }

  unfold(stage, block = 0) {
    const shown = this.geometry.blocks[this.active ?? 0];
    this.open = stage;
    this.build();
    const [at, number] = stage === null ? shown : [stage, block];
    const place = this.geometry.blocks.findIndex(([one, first, count]) => one === at && number < first + count);
    this.active = Math.max(0, place);
    if (this.root.getRootNode().activeElement?.dataset.key === "blocks") this.go(this.active);
  }

  select(stage, block) {
    this.component.setTriggerValue("selected", { stage, block });
    this.selected = { stage, block };
    this.mark();
  }

  // Blocks for the keyboard: one stop, arrows go through them, Enter selects; the drawing itself is hidden from readers.
  list() {
    const list = html("div", "unseen");
    list.tabIndex = 0;
    list.dataset.key = "blocks";
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "Blocks; Enter selects one for all pages");
    this.options = this.geometry.blocks.map(([stage, first], place) => {
      const option = html("div");
      option.id = `block-${place}`;
      option.setAttribute("role", "option");
      list.append(option);
      return { option, stage, first };
    });
    this.go = (place) => {
      this.active = place;
      list.setAttribute("aria-activedescendant", `block-${place}`);
      this.frames.forEach((frame, at) => frame.classList.toggle("focus", at === place));
    };
    const { go } = this;
    list.addEventListener("focus", () => go(Math.min(this.active ?? 0, this.options.length - 1)));
    list.addEventListener("blur", () => this.frames.forEach((frame) => frame.classList.remove("focus")));
    list.addEventListener("keydown", (event) => {
      const last = this.options.length - 1, now = this.active ?? 0;
      const to = { ArrowRight: now + 1, ArrowDown: now + 1, ArrowLeft: now - 1, ArrowUp: now - 1, Home: 0, End: last };
      if (event.key in to) go(Math.max(0, Math.min(last, to[event.key])));
      else if (event.key === "Enter" || event.key === " ") this.press(this.options[now].stage, this.options[now].first);
      else if (event.key === "Escape" && this.groups[this.open]) this.unfold(null);
      else return;
      event.preventDefault();
    });
    return list;
  }
}
