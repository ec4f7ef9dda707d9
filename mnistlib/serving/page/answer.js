// View of the model's answer: probabilities, the model's input, and the evidence for and against each class.

const FOR = [47, 115, 242], AGAINST = [240, 100, 16]; // as in the report; distinct for most colour-blind readers too
const CLIPPED = 0.97; // share of the weights below full colour: weights of rarely inked pixels are far larger
const SHADOW = 40; // opacity, of 255, of ink without evidence

const find = (id) => document.getElementById(id);
const percent = (share, digits) => `${(100 * share).toFixed(digits)}%`;
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)}`;

function element(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

function paintPixels(canvas, [rows, columns], colourOf) {
  canvas.width = columns;
  canvas.height = rows;
  const pixels = new ImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) pixels.data.set(colourOf(i), 4 * i);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

class AnswerView {
  #model;
  #bars;
  #maps;
  #strongest;

  constructor(model) {
    this.#model = model;
    this.#bars = model.classes.map((name) => ({
      row: element("li", {}, element("span", {}, name), element("i"), element("span", {}, "")),
    }));
    find("bars").replaceChildren(...this.#bars.map(({ row }) => row));
    const worded = model.classes.some((name) => name.length > 3);
    for (const id of ["bars", "label", "maps"]) find(id).classList.toggle("worded", worded);
    find("bars").classList.toggle("few", !worded && model.classes.length <= 12);
    this.#maps = (model.weights ?? []).map((_, index) => {
      const canvas = element("canvas", { role: "img" });
      const balance = element("i");
      const sum = element("span");
      const title = element("p", {}, element("b", {}, model.classes[index]), sum);
      return { row: element("li", {}, canvas, title, balance), canvas, balance, sum };
    });
    find("maps").replaceChildren(...this.#maps.map(({ row }) => row));
    find("evidence").hidden = !model.weights;
    const sizes = (model.weights ?? []).flat().map(Math.abs).sort((a, b) => a - b);
    this.#strongest = sizes[Math.floor(CLIPPED * (sizes.length - 1))] || 1;
    this.showNothing();
  }

  showNothing() {
    find("label").textContent = "";
    find("certainty").textContent = "nothing drawn yet";
    find("no-probabilities").hidden = true;
    find("bars").hidden = false;
    this.#showSeen(null);
    this.#showBars(null, null);
    this.#showEvidence(null, null);
  }

  expect() {
    if (find("label").textContent === "") find("certainty").textContent = "waiting for an answer";
  }

  // Show an answer, and return it as text.
  show({ label, probabilities, pixels }) {
    const index = this.#indexOf(label, probabilities);
    const name = this.#model.classes[index] ?? String(label);
    find("label").textContent = name;
    find("certainty").textContent = probabilities ? `${percent(probabilities[index], 1)} sure` : "";
    find("no-probabilities").hidden = Boolean(probabilities);
    find("bars").hidden = !probabilities;
    this.#showSeen(pixels);
    this.#showBars(probabilities, index);
    this.#showEvidence(pixels, index);
    return probabilities ? `${name}, ${percent(probabilities[index], 0)} sure` : name;
  }

  // Labels may differ from the names that are shown; probabilities and names have the same order.
  #indexOf(label, probabilities) {
    return probabilities ? probabilities.indexOf(Math.max(...probabilities)) : this.#model.classes.indexOf(String(label));
  }

  #showSeen(pixels) {
    const [rows, columns] = this.#model.shape;
    paintPixels(find("seen"), this.#model.shape, (i) => [0, 0, 0, pixels ? 255 * pixels[i] : 0]);
    const input = pixels ? `the drawing, scaled and centred, as ${rows} by ${columns} pixels` : "nothing yet";
    find("seen").setAttribute("aria-label", `Input of the model: ${input}`);
  }

  #showBars(probabilities, chosen) {
    this.#bars.forEach(({ row }, index) => {
      const [, bar, value] = row.children;
      bar.style.setProperty("--share", probabilities?.[index] ?? 0);
      value.textContent = probabilities ? percent(probabilities[index], 0) : "";
      row.classList.toggle("chosen", index === chosen);
    });
  }

  // Before anything is drawn, show the weights themselves.
  #showEvidence(pixels, chosen) {
    if (!this.#model.weights) return;
    const parts = this.#model.weights.map((row) => row.map((weight, i) => weight * (pixels?.[i] ?? 1)));
    const sums = parts.map((row, index) => row.reduce((a, b) => a + b, this.#model.intercepts[index]));
    const largest = Math.max(...sums.map(Math.abs)) || 1;
    this.#maps.forEach(({ row, canvas, balance, sum }, index) => {
      paintPixels(canvas, this.#model.shape, (i) => this.#colour(parts[index][i], pixels?.[i]));
      canvas.setAttribute("aria-label", `Weights of ${this.#model.classes[index]}${pixels ? " on the drawing" : ""}`);
      sum.textContent = pixels ? signed(sums[index]) : "";
      balance.style.setProperty("--share", pixels ? sums[index] / largest : 0);
      balance.classList.toggle("against", sums[index] < 0);
      row.classList.toggle("chosen", index === chosen);
    });
    find("reading").textContent = pixels
      ? "The drawing’s ink, coloured by its evidence for or against each class. The number is the sum of the evidence and of the class’s intercept, which is the same for every drawing."
      : "Nothing is drawn yet, so these are the weights themselves: ink in blue areas is evidence for the class, ink in orange areas against it.";
  }

  #colour(value, ink) {
    const strength = Math.min(1, Math.abs(value) / this.#strongest);
    if (ink === undefined) return [...(value > 0 ? FOR : AGAINST), 255 * strength];
    // The square root, since the many pixels with little evidence decide too.
    const opacity = 255 * Math.sqrt(strength);
    return opacity > SHADOW * ink ? [...(value > 0 ? FOR : AGAINST), opacity] : [128, 128, 128, SHADOW * ink];
  }
}
