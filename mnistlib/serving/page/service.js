// Requests to the page's server, and their errors.

const PATIENCE = 10; // timeout of a request in seconds
const LONGEST_WAIT = 4; // seconds between two retries
const KEPT_TOKEN = "mnistlib-token";

class Trouble extends Error {
  // `again`: retry later, after `seconds` if the server gives them. `lost`: the server may return with another model.
  constructor(message, { again = false, seconds = null, lost = false, token = false } = {}) {
    super(message);
    Object.assign(this, { again, seconds, lost, token });
  }
}

// Return the text of a response, or throw an error with a message for the user.
async function ask(path, { patience = PATIENCE, ...options } = {}) {
  const token = sessionStorage.getItem(KEPT_TOKEN);
  const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
  let answer, text;
  try {
    answer = await fetch(path, { ...options, headers, cache: "no-store", signal: AbortSignal.timeout(1000 * patience) });
    text = await answer.text();
  } catch {
    const message = "The server can’t be reached. The page keeps trying, and your drawing is kept.";
    throw new Trouble(message, { again: true, lost: true });
  }
  if (answer.ok) return text;
  if (answer.status === 401) throw new Trouble("The server rejects this token.", { token: true });
  if (answer.status === 503) {
    const seconds = Number(answer.headers.get("Retry-After")) || 1;
    throw new Trouble(`The server is busy. The page retries in ${seconds} s.`, { again: true, seconds });
  }
  throw new Trouble(`Error ${answer.status}: ${messageOf(text)}`, { again: answer.status > 500 });
}

function messageOf(text) {
  try {
    return JSON.parse(text).error.message;
  } catch {
    return text.slice(0, 200) || "no message";
  }
}

// Retry an action until it succeeds or fails for good; meanwhile show the error.
async function persist(action, { say, signIn }) {
  for (let tries = 0; ; tries++) {
    try {
      const result = await action();
      say("");
      return result;
    } catch (trouble) {
      if (trouble.token) {
        await signIn();
      } else if (trouble.again) {
        say(trouble.message);
        const seconds = trouble.seconds ?? Math.min(2 ** tries / 2, LONGEST_WAIT);
        await new Promise((wake) => setTimeout(wake, 1000 * seconds));
      } else {
        throw trouble;
      }
    }
  }
}
