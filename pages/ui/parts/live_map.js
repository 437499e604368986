// The model's map with its sliders: what is drawn follows the hand from tables that came with the page; the server
// hears the newest move and answers by the feed, which alone brings exact counts.

const PACE = 100; // ms between two moves sent during a drag
const REST = 450; // ms after the last move until the page around is drawn anew
const PATIENCE = 1500; // ms to wait for an answer before the next move is sent all the same

const mounted = new WeakMap();

export default function (component) {
  const { parentElement, data } = component;
  let map = mounted.get(parentElement);
  if (!map) {
    map = new LiveMap(parentElement);
    mounted.set(parentElement, map);
  }
  map.set(component, data);
  return () => map.leave();
}

class LiveMap extends MapSliders {
  constructor(parent) {
    super();
    this.root = parent.querySelector(".map");
    this.seq = 0;
    this.heardTo = 0;
    this.width = 0;
    this.open = null; // the stage of which each block is drawn, where several are drawn as one
    this.listen = () => this.hear(heard()?.data);
    window.addEventListener("dimap-feed", this.listen);
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(this.root);
  }

  leave() {
    window.removeEventListener("dimap-feed", this.listen);
    this.observer.disconnect();
    clearTimeout(this.resting);
    clearTimeout(this.waiting);
  }

  set(component, data) {
    const fresh = !this.data || this.data.key !== data.key;
    this.component = component;
    this.data = data;
    speak(data.words);
    if (fresh) this.state = null;
    if (fresh) this.open = null;
    this.build();
    if (data.cut) {
      this.state = data.cut;
      this.follow(data.cut.selected);
      this.build();
    } else this.listen();
  }

  fit() {
    const size = this.size();
    if (this.data && size !== this.width) this.build();
  }

  size() {
    const room = this.root.clientWidth;
    const found = this.data ? Object.keys(this.data.sizes).map(Number).sort((a, b) => b - a) : [];
    return found.find((width) => width <= room * 1.06) || found[found.length - 1];
  }

  value(stage) {
    return stage === "all" ? this.state.all : this.state.ratios[stage];
  }

  move(stage, share, drag, final) {
    const { state, data } = this;
    if (!state || data.off) return;
    this.used();
    const most = stage === "all" ? Math.min(...(state.own ? data.each.most : data.all.most)) : data.each.most[stage];
    const to = Math.max(0, Math.min(share, most / 100));
    if (stage !== "all") {
      state.own = true;
      state.ratios = state.ratios.map((ratio, place) => (place === stage ? to : ratio));
    } else if (state.own) {
      if (this.base?.drag !== drag) this.base = { drag, ratios: [...state.ratios] };
      state.ratios = this.scaled(this.base.ratios, to);
    } else {
      state.all = to;
    }
    this.count();
    this.draw();
    this.announce();
    this.pending = { drag, final, stage };
    this.send();
    clearTimeout(this.resting);
    if (final) this.resting = setTimeout(() => this.rest(), REST);
  }

  // The page around is drawn anew; nobody else may ask for anything meanwhile (see answer.js).
  rest() {
    window.dispatchEvent(new CustomEvent("dimap-rest"));
    this.component.setTriggerValue("rest", this.seq);
  }

  // All stages at once: what is kept (going down) or gone (going up) is scaled alike, so that their total is `to`.
  scaled(ratios, to) {
    const { size, each } = this.data;
    const whole = size.reduce((a, b) => a + b, 0);
    const now = ratios.reduce((sum, ratio, place) => sum + ratio * size[place], 0) / whole;
    return ratios.map((ratio, place) => {
      const next = to >= now ? 1 - ((1 - ratio) * (1 - to)) / (1 - now) : (ratio * to) / now;
      return Math.max(0, Math.min(Math.round(1000 * next) / 1000, each.most[place] / 100));
    });
  }

  // Counts of what the sliders say, from the tables; between two steps by a straight line.
  count() {
    const { state, data } = this;
    const { stage: bands } = data.bands;
    if (state.own) {
      const at = state.ratios.map((ratio) => 100 * ratio);
      state.kept = bands.map((stage, band) => read(data.each.kept, at[stage], band) / 1000);
      for (const what of ["left", "params", "macs"]) {
        state[what] = at.map((step, stage) => Math.round(read(data.each[what], step, stage)));
      }
      const [left, size] = [state.left, data.size].map((counts) => counts.reduce((a, b) => a + b, 0));
      state.all = 1 - left / size;
    } else {
      const step = 100 * state.all;
      state.kept = bands.map((_, band) => read(data.all.kept, step, band) / 1000);
      state.ratios = data.labels.stages.map((_, stage) => read(data.all.share, step, stage) / 1000);
      for (const what of ["left", "params", "macs"]) {
        state[what] = data.labels.stages.map((_, stage) => Math.round(read(data.all[what], step, stage)));
      }
    }
  }

  announce() {
    const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
    const { rest } = this.data;
    const counts = { params: rest.params + sum(this.state.params), macs: rest.macs + sum(this.state.macs) };
    window.dispatchEvent(new CustomEvent("dimap-counts", { detail: counts }));
    this.tell(counts);
  }

  send() {
    if (!this.pending) return;
    const now = Date.now(), open = this.seq !== this.heardTo && now - this.sent < PATIENCE;
    const wait = open ? PATIENCE - (now - this.sent) : this.pending.final ? 0 : PACE - (now - (this.sent || 0));
    clearTimeout(this.waiting);
    if (wait > 0) {
      this.waiting = setTimeout(() => this.send(), wait);
      return;
    }
    const { drag, final } = this.pending, { state } = this;
    this.pending = null;
    this.sent = now;
    this.seq = now;
    const what = state.own ? { stages: state.ratios } : { all: state.all };
    const feed = heard();
    feed.tell("move", { seq: this.seq, held: feed.data.beat, drag, final, ...what });
  }

  hear(answer) {
    if (!answer?.cut || !this.data || answer.key !== this.data.key) {
      this.tell();
      return;
    }
    const foreign = !this.state || answer.epoch !== this.epoch;
    if (!foreign && answer.seq < this.seq) return; // of an earlier move
    if (answer.image !== this.shown) {
      this.shown = answer.image;
      this.picture();
    }
    this.heardTo = Math.max(this.heardTo, answer.seq);
    this.tell();
    if (foreign || !this.pending) {
      this.epoch = answer.epoch;
      const { own, ratios, all, kept, left, params, macs, finding, heads } = answer.cut;
      this.state = { own, ratios, all, kept, left, params, macs, finding, heads };
      if (foreign) this.pending = null;
      this.follow(answer.cut.selected);
      this.finding.textContent = said(finding);
      this.draw();
    }
    this.send();
  }

  // What was selected elsewhere is seen here: its stage opens.
  follow(selected) {
    const known = this.selected?.stage === selected.stage && this.selected.block === selected.block;
    this.selected = selected;
    if (known || selected.block === null || !this.groups[selected.stage] || this.open === selected.stage) return;
    this.unfold(selected.stage, selected.block);
  }

  draw() {
    const { state, data } = this;
    const whole_blocks = this.was.map(() => true);
    for (const band of this.bands) {
      const size = band.weights.reduce((a, b) => a + b, 0);
      const kept = size ? band.of.reduce((sum, place, n) => sum + state.kept[place] * band.weights[n], 0) / size : 1;
      const gone = band.wide * (1 - kept);
      band.gone.setAttribute("width", gone.toFixed(2));
      band.gone.style.display = gone > 0.01 && !data.smaller ? "" : "none";
      whole_blocks[band.block] &&= kept > 0.9999;
      band.kept.setAttribute("x", (band.x + gone).toFixed(2));
      band.kept.setAttribute("width", Math.max(0, band.wide - gone).toFixed(2));
      band.kept.style.display = kept > 0 ? "" : "none";
      this.heads(band, gone);
    }
    this.was.forEach((rect, place) => { rect.style.display = data.smaller && !whole_blocks[place] ? "" : "none"; });
    const whole = data.size.reduce((a, b) => a + b, 0), left = state.left.reduce((a, b) => a + b, 0);
    for (const slider of this.sliders) {
      const all = slider.stage === "all", share = this.value(slider.stage);
      slider.track.style.setProperty("--share", share);
      slider.cut.textContent = said(`${exact(share)} %${this.rows ? " cut" : ""}`); // beside the rows stands "Cut"
      const kept = all ? [left, whole] : [state.left[slider.stage], data.size[slider.stage]];
      slider.left.textContent = said(`${ofWhole(...kept)} left`);
      const most = data.off ? MOST : all ? Math.min(...data.all.most) : data.each.most[slider.stage];
      slider.knob.setAttribute("aria-valuemax", most || MOST);
      slider.knob.setAttribute("aria-valuenow", Math.round(100 * share));
      slider.knob.setAttribute("aria-valuetext",
        `${exact(share)} percent cut, ${short(kept[0])} of ${short(kept[1])} weights left`);
    }
    this.mark();
  }

  mark() {
    const chosen = this.selected;
    this.geometry.blocks.forEach(([stage, first, count], place) => {
      const hit = chosen && chosen.stage === stage
        && (chosen.block === null || (chosen.block >= first && chosen.block < first + count));
      this.frames[place].classList.toggle("on", Boolean(hit));
      this.number(place, hit);
      const { option } = this.options[place];
      option.textContent = said(count > 1 ? this.words_of_group(stage, first, count) : this.words_of({ stage, block: first }));
      option.setAttribute("aria-selected", Boolean(hit));
    });
    this.detail.textContent = this.data.low ? "" : said(this.words_of(chosen));
  }

  // The selected block has its number; where there are many, those beside it make room.
  number(place, chosen) {
    const { number, label, count, first } = this.blocks[place], on = this.geometry.blocks.map(([stage, from, so_many]) =>
      stage === this.selected?.stage && this.selected.block === from && so_many === 1);
    const beside = !chosen && this.blocks.filter(({ stage }) => stage === this.blocks[place].stage).length > 9;
    number.textContent = on[place] ? `${first + 1}` : beside && (on[place - 1] || on[place + 1]) ? "" : label;
    number.classList.toggle("chosen", on[place] && count === 1);
  }

  words_of_group(stage, first, count) {
    const { word } = this.data.labels;
    return `${word[0].toUpperCase()}${word.slice(1)} ${stage + 1}, blocks ${first + 1} to ${first + count}, drawn as one; Enter opens the ${word}.`;
  }

  words_of(chosen) {
    if (!chosen || chosen.stage === null || chosen.block === null || !this.state) return "";
    const { stage, block } = chosen, { bands, labels } = this.data;
    const word = labels.word[0].toUpperCase() + labels.word.slice(1), heads = labels.heads[stage]?.[block];
    const kept = bands.name
      .map((name, place) => [name, place])
      .filter(([, place]) => bands.stage[place] === stage && bands.block[place] === block)
      .map(([name, place]) => `${labels.modules[name]} ${percent(this.state.kept[place])} %`);
    return `${word} ${stage + 1}, block ${block + 1}: ${kept.join(", ")} kept${heads ? `; ${heads} heads` : ""}.`;
  }
}

function read(table, step, column) {
  const low = Math.floor(step + 1e-9), high = Math.min(low + 1, table.length - 1);
  const part = Math.min(1, Math.max(0, step - low));
  return part < 1e-6 ? table[low][column] : table[low][column] * (1 - part) + table[high][column] * part;
}
