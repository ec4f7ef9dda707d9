// The page as a whole: reactions to strokes, clicks and a lost server.

const SETTLED = 700; // milliseconds without a new stroke or answer until an answer is read aloud
const REPORT_PATIENCE = 120; // seconds: the server scores the whole test set for it

let modelText = null; // the server's description of its model, as JSON text
let lost = true; // whether the server was lost; it may return with another model
let [model, view] = [null, null];
let spoken = 0;
let [asking, behind] = [false, false];

const drawing = new Drawing(changed);

function say(message) {
  if (find("trouble").textContent === message) return; // a screen reader would read it again
  find("trouble").textContent = message;
  find("trouble").hidden = !message;
}

function speakOnceSettled(words) {
  clearTimeout(spoken);
  spoken = setTimeout(() => (find("spoken").textContent = words), SETTLED);
}

function changed() {
  requestAnimationFrame(repaint);
  find("undo").disabled = find("clear").disabled = drawing.empty;
  find("invitation").hidden = !drawing.empty;
  if (drawing.empty) {
    view.showNothing();
    speakOnceSettled("The sheet is empty");
  } else {
    view.expect();
  }
  follow();
}

function repaint() {
  const sheet = find("sheet");
  const size = Math.round(sheet.clientWidth * devicePixelRatio);
  sheet.width = sheet.height = size; // also clears the canvas
  drawing.paint(sheet.getContext("2d"), size);
}

// Request answers for the newest drawing, one request at a time: answers can't overtake each other, and the last one
// belongs to the current drawing.
async function follow() {
  behind = true;
  if (asking) return;
  asking = true;
  find("answer").setAttribute("aria-busy", "true");
  while (behind) {
    behind = false;
    const sheet = drawing.sheets;
    try {
      const answer = await persist(requestAnswer, { say, signIn });
      if (answer && sheet === drawing.sheets) speakOnceSettled(view.show(answer));
    } catch (trouble) {
      say(trouble.message);
    }
  }
  asking = false;
  find("answer").setAttribute("aria-busy", "false");
}

async function requestAnswer() {
  if (lost) await loadModel();
  if (drawing.empty || !model.shape) return null;
  try {
    behind = false;
    const body = await drawing.png();
    return JSON.parse(await ask("look", { method: "POST", body, headers: { "Content-Type": "image/png" } }));
  } catch (trouble) {
    lost ||= trouble.lost;
    throw trouble;
  }
}

async function loadModel() {
  const text = await ask("model");
  lost = false;
  if (text === modelText) return;
  model = JSON.parse(text);
  modelText = text;
  const digits = model.classes.every((name) => /^[0-9]$/.test(name));
  find("title").textContent = document.title = digits ? "Draw a digit" : "Draw, and see the model’s answer";
  find("facts").replaceChildren(...factsOf(model).map((fact) => element("span", {}, fact)));
  find("with-images").hidden = !model.shape;
  find("no-images").hidden = Boolean(model.shape);
  if (model.shape) view = new AnswerView(model);
  find("report").querySelector("iframe")?.remove();
  show("draw");
}

function factsOf({ model: name, metrics, trained_on: data, run_id: run }) {
  const facts = [name];
  if (metrics.accuracy !== undefined) facts.push(`${percent(metrics.accuracy, 2)} of test images correct`);
  if (data) facts.push(`trained on ${data}`);
  if (run && !name.includes(run)) facts.push(`run ${run}`);
  return facts;
}

let signingIn = null;
function signIn() {
  return (signingIn ??= askForToken().finally(() => (signingIn = null)));
}

function askForToken() {
  const form = find("sign-in");
  find("token-refused").textContent = sessionStorage.getItem(KEPT_TOKEN) ? "The server rejects this token." : "";
  say("");
  form.hidden = false;
  find("tabs").hidden = find("draw").hidden = find("report").hidden = true;
  find("token").value = "";
  find("token").focus();
  return new Promise((done) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEPT_TOKEN, find("token").value.trim());
      form.hidden = true;
      if (model) show("draw");
      done();
    };
  });
}

function show(name) {
  find("tabs").hidden = !model.report;
  for (const each of ["draw", "report"]) {
    const chosen = each === name;
    find(each).hidden = !chosen;
    find(`${each}-tab`).setAttribute("aria-selected", chosen);
    find(`${each}-tab`).tabIndex = chosen ? 0 : -1;
  }
  if (name === "report") showReport();
}

// In a frame without scripts. It has this page's origin only so that its height can follow its content.
let fetching = false;
async function showReport() {
  const panel = find("report");
  if (fetching || panel.querySelector("iframe")) return;
  fetching = true;
  const note = find("report-note");
  note.hidden = false;
  note.textContent = "Loading the report …";
  try {
    const srcdoc = await persist(() => ask("report", { patience: REPORT_PATIENCE }), { say, signIn });
    const frame = element("iframe", { sandbox: "allow-same-origin", title: "Report of the run", srcdoc });
    frame.onload = () => {
      const content = frame.contentDocument.documentElement;
      content.style.overflow = "hidden";
      new ResizeObserver(() => (frame.style.height = `${content.offsetHeight + 1}px`)).observe(content);
    };
    panel.append(frame);
    note.hidden = true;
  } catch (trouble) {
    note.textContent = trouble.message;
  }
  fetching = false;
}

function listen() {
  const sheet = find("sheet");
  drawWithPointer(sheet, drawing);
  drawWithKeys(sheet, find("pen"), drawing, (words) => (find("pen-spoken").textContent = words));
  new ResizeObserver(repaint).observe(sheet);
  for (const name of ["undo", "clear"]) {
    find(name).onclick = () => {
      drawing[name]();
      if (drawing.empty) sheet.focus({ preventScroll: true }); // both buttons are disabled now, and lose the focus
    };
  }
  document.addEventListener("keydown", (event) => {
    const undone = (event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z";
    if (!undone || find("draw").hidden) return;
    event.preventDefault();
    drawing.undo();
  });
  const names = ["draw", "report"];
  for (const [place, name] of names.entries()) {
    find(`${name}-tab`).onclick = () => show(name);
    find(`${name}-tab`).onkeydown = (event) => {
      const last = names.length - 1;
      const next = { ArrowRight: (place + 1) % names.length, ArrowLeft: (place + last) % names.length, Home: 0, End: last };
      if (!(event.key in next)) return;
      event.preventDefault();
      show(names[next[event.key]]);
      find(`${names[next[event.key]]}-tab`).focus();
    };
  }
}

listen();
persist(loadModel, { say, signIn }).catch((trouble) => say(trouble.message));
