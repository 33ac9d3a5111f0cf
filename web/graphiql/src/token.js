// The user's token.
//
// It is kept in localStorage, so that the user stays signed in after a reload. A link may carry a token as `#token=…`.
// The page adopts it and removes it from the address bar, so that it is not bookmarked or shared by accident. It asks before
// it replaces another token: anybody can write such a link, and would see what is done with their token.

const KEY = 'coscribe.token';
const listeners = new Set();

export function readToken() {
  return localStorage.getItem(KEY) ?? '';
}

/// Returns the token in what users paste: maybe a whole header, or a string with its quotes.
function parseToken(text) {
  return text.trim().replace(/^Bearer\s+/i, '').replace(/^"(.*)"$/, '$1');
}

export function writeToken(text) {
  const token = parseToken(text);
  if (token === readToken()) return;
  if (token) localStorage.setItem(KEY, token);
  else localStorage.removeItem(KEY);
  notifyListeners();
}

/// Calls `listener` whenever the token changes, in this tab or another. Returns a function that unsubscribes it.
export function onTokenChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/// Adopts the token in `#token=…`, if the address has one and the user does not want to keep another one, and removes it
/// from the address.
export function adoptTokenFromAddress() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get('token');
  if (token === null) return;
  if (mayReplace(readToken(), parseToken(token))) writeToken(token);
  fragment.delete('token');
  const rest = fragment.toString();
  history.replaceState(null, '', location.pathname + location.search + (rest && `#${rest}`));
}

function mayReplace(current, next) {
  if (!current || current === next) return true;
  return window.confirm(
    `This link signs you in as someone else.\n\nNow: ${describeToken(current)}\nThen: ${describeToken(next)}\n\n` +
      'Continue only if you trust the sender of the link.',
  );
}

/// Describes the token by its claims. They are not verified, because only the holder of the token sees them.
export function describeToken(token) {
  if (!token) return 'Not signed in. Run `register` or `login` below, or paste a token.';
  try {
    const payload = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    const { name, sub, exp } = JSON.parse(new TextDecoder().decode(bytes));
    const expiry = new Date(exp * 1000);
    const who = name ?? sub;
    return expiry > new Date()
      ? `${who}, until ${expiry.toLocaleString()}`
      : `${who}. The token expired at ${expiry.toLocaleString()}: sign in again.`;
  } catch {
    return 'This is not a token. A token has three parts with dots between them.';
  }
}

function notifyListeners() {
  for (const listener of listeners) listener();
}

window.addEventListener('storage', (event) => {
  if (event.key === KEY || event.key === null) notifyListeners();
});
