// The drawing, and the sheet for drawing with a pointer or with keys.

// Points lie between 0 and 1, so that the picture for the model does not depend on the size or density of the screen.
const PEN = 0.08; // stroke width as in MNIST, for a digit that fills most of the sheet
const SENT = 280; // pixels on each side of the picture for the model
const STEP = 1 / 28; // of the pen, for each key press
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

class Drawing {
  #strokes = [];
  #open = false;
  #changed;
  sheets = 0; // number of cleared sheets

  constructor(changed) {
    this.#changed = changed;
  }

  get empty() {
    return this.#strokes.length === 0;
  }

  // Whether a stroke is in progress; undo ends it although the pen is still down.
  get open() {
    return this.#open;
  }

  begin(point) {
    this.#strokes.push([point]);
    this.#open = true;
    this.#changed();
  }

  extend(points) {
    if (!this.#open) return;
    this.#strokes.at(-1).push(...points);
    this.#changed();
  }

  end() {
    this.#open = false;
  }

  undo() {
    this.#open = false;
    if (this.empty) return;
    this.#strokes.pop();
    if (this.empty) this.sheets += 1;
    this.#changed();
  }

  clear() {
    this.#open = false;
    this.#strokes = [];
    this.sheets += 1;
    this.#changed();
  }

  paint(context, size) {
    context.lineWidth = PEN * size;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of this.#strokes) {
      context.beginPath();
      trace(context, stroke.map(([x, y]) => [x * size, y * size]));
      context.stroke();
    }
  }

  // Black ink on white, independent of the colours of the page.
  png() {
    const picture = document.createElement("canvas");
    picture.width = picture.height = SENT;
    const context = picture.getContext("2d");
    context.fillStyle = "white";
    context.fillRect(0, 0, SENT, SENT);
    this.paint(context, SENT);
    return new Promise((done) => picture.toBlob(done, "image/png"));
  }
}

// Curves from one midpoint between two points to the next, without corners.
function trace(context, points) {
  const [x, y] = points[0];
  const [lastX, lastY] = points.at(-1);
  context.moveTo(x, y);
  for (let i = 1; i < points.length - 1; i++) {
    const [[ax, ay], [bx, by]] = [points[i], points[i + 1]];
    context.quadraticCurveTo(ax, ay, (ax + bx) / 2, (ay + by) / 2);
  }
  context.lineTo(points.length > 1 ? lastX : x + 0.01, lastY); // a line without length would leave no dot
}

function drawWithPointer(sheet, drawing) {
  let drawer = null; // id of the pointer that draws; a second pointer is ignored
  const place = (event) => {
    const box = sheet.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  const lift = (event) => {
    if (event.pointerId !== drawer) return;
    drawer = null;
    drawing.end();
  };
  sheet.addEventListener("pointerdown", (event) => {
    if (drawer !== null || event.button !== 0) return;
    drawer = event.pointerId;
    sheet.setPointerCapture(drawer);
    drawing.begin(place(event));
  });
  sheet.addEventListener("pointermove", (event) => {
    if (event.pointerId !== drawer) return;
    const between = event.getCoalescedEvents?.() ?? [];
    drawing.extend((between.length ? between : [event]).map(place));
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) sheet.addEventListener(name, lift);
}

function drawWithKeys(sheet, pen, drawing, speak) {
  let [x, y, down] = [0.5, 0.5, false];
  const held = new Set();
  const show = () => {
    pen.style.left = `${100 * x}%`;
    pen.style.top = `${100 * y}%`;
    pen.classList.toggle("down", down);
  };
  const put = (lowered) => {
    down = lowered;
    if (down) drawing.begin([x, y]);
    else drawing.end();
    show();
    speak(down ? "Pen down" : "Pen up");
  };
  const move = () => {
    // Two arrow keys held together draw a slanted line.
    for (const key of held) {
      x = Math.min(1, Math.max(0, x + ARROWS[key][0] * STEP));
      y = Math.min(1, Math.max(0, y + ARROWS[key][1] * STEP));
    }
    if (down && drawing.open) drawing.extend([[x, y]]);
    else if (down) drawing.begin([x, y]);
    show();
  };
  sheet.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in ARROWS) {
      held.add(event.key);
      move();
    } else if (event.key === " " || event.key === "Enter") {
      if (!event.repeat) put(!down);
    } else if (event.key === "Escape" && down) {
      put(false);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      down = false;
      drawing.clear();
      show();
    } else {
      return;
    }
    pen.hidden = false;
    event.preventDefault();
  });
  sheet.addEventListener("keyup", (event) => held.delete(event.key));
  sheet.addEventListener("focus", () => {
    pen.hidden = !sheet.matches(":focus-visible");
    show();
  });
  sheet.addEventListener("blur", () => {
    held.clear();
    if (down) put(false);
    pen.hidden = true;
  });
  sheet.addEventListener("pointerdown", () => {
    if (down) put(false);
    pen.hidden = true;
  }, { capture: true }); // before the pointer begins a stroke
}
