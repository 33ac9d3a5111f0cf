// The caller's token: where it comes from, where it is kept, and who hears of a new one.
//
// It is kept in localStorage, so that a reload stays signed in. A link may carry one as `#token=…`; it is
// taken once and then removed from the address bar, so that it is not bookmarked or shared by accident.

const KEY = 'coscribe.token';
const listeners = new Set();

export function readToken() {
  return localStorage.getItem(KEY) ?? '';
}

export function writeToken(text) {
  // People paste what they see: a whole header, or a string with its quotes.
  const token = text.trim().replace(/^Bearer\s+/i, '').replace(/^"(.*)"$/, '$1');
  if (token === readToken()) return;
  if (token) localStorage.setItem(KEY, token);
  else localStorage.removeItem(KEY);
  announce();
}

/// Calls `listener` whenever the token changes, in this tab or in another; returns how to stop that.
export function onTokenChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/// Takes the token out of `#token=…`, if the address has one.
export function adoptTokenFromAddress() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get('token');
  if (token === null) return;
  writeToken(token);
  fragment.delete('token');
  const rest = fragment.toString();
  history.replaceState(null, '', location.pathname + location.search + (rest && `#${rest}`));
}

/// What the token says about itself, unchecked: it is only shown to the person who holds it.
export function describeToken(token) {
  if (!token) return 'Not signed in: register or log in below, or paste a token.';
  try {
    const payload = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    const { name, sub, exp } = JSON.parse(new TextDecoder().decode(bytes));
    const until = new Date(exp * 1000);
    const who = name ?? sub;
    return until > new Date()
      ? `${who}, until ${until.toLocaleString()}`
      : `${who}; this token ran out at ${until.toLocaleString()}`;
  } catch {
    return 'This does not look like a token (three parts with dots between).';
  }
}

function announce() {
  for (const listener of listeners) listener();
}

window.addEventListener('storage', (event) => {
  if (event.key === KEY || event.key === null) announce();
});
