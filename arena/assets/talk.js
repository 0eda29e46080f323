// Talking to the server: what was said once is said again until it is answered.
// Every act may be repeated (one battle is one vote), so a lost answer costs nothing but time.
const PATIENCE = 10000; // ms for one try
const PAUSES = [500, 1000, 2000, 4000, 8000];
const KEPT = "unanswered"; // survives a reload in this tab

export class Refused extends Error {}

async function once(path, options) {
  const response = await fetch(path, { ...options, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  if (response.ok) return response.text();
  if (response.status >= 500 || response.status === 429 || response.status === 408) throw new Error(response.status);
  throw new Refused(response.status);
}

function pause(milliseconds) {
  return new Promise((resume) => {
    const timer = setTimeout(done, milliseconds);
    function done() { clearTimeout(timer); window.removeEventListener("online", done); resume(); }
    window.addEventListener("online", done);
  });
}

// Resolves with the server's words; calls `trouble(true)` while it cannot be reached.
async function insist(path, options, trouble) {
  for (let tries = 0; ; tries += 1) {
    try {
      const said = await once(path, options);
      if (tries) trouble(false);
      return said;
    } catch (error) {
      if (error instanceof Refused) { if (tries) trouble(false); throw error; }
      trouble(true);
      await pause(PAUSES[Math.min(tries, PAUSES.length - 1)]);
    }
  }
}

export const stage = (query, trouble) => insist(`stage${query}`, {}, trouble);

export async function act(said, trouble) {
  const body = JSON.stringify(said);
  sessionStorage.setItem(KEPT, body);
  try {
    return await insist("answer", { method: "POST", body, headers: { "Content-Type": "application/json" } }, trouble);
  } finally {
    sessionStorage.removeItem(KEPT);
  }
}

// What a reload interrupted: said again first, so that no answer is lost with the page.
export const unanswered = () => JSON.parse(sessionStorage.getItem(KEPT) || "null");
