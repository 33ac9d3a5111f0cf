// A signed-in user: their token, and the GraphQL operations that they run.

const FIELDS = 'token expiresAt account { id name email }';

/** What `login`, `register` and `refreshToken` return. */
export interface SignIn {
  token: string;
  /** The time at which the token expires, as in RFC 3339. */
  expiresAt: string;
  account: { id: string; name: string; email: string };
}

/** An operation that the server has refused. Programs decide by the code; the message is for people. */
export class OperationError extends Error {
  constructor(
    message: string,
    readonly code: string,
  ) {
    super(message);
  }
}

/** Returns what the page shows when an operation has failed. */
export function messageOf(cause: unknown): string {
  return cause instanceof OperationError ? cause.message : 'The server does not respond. Try again in a moment.';
}

export class Session {
  #signIn: SignIn;
  #renewal: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #listeners = new Set<() => void>();

  constructor(signIn: SignIn) {
    this.#signIn = signIn;
    this.#renewLater();
  }

  static async signIn(email: string, password: string): Promise<Session> {
    const mutation = `mutation ($email: String!, $password: String!) { login(email: $email, password: $password) { ${FIELDS} } }`;
    return new Session((await post<{ login: SignIn }>(mutation, { email, password })).login);
  }

  static async register(email: string, name: string, password: string): Promise<Session> {
    const mutation = `mutation ($email: String!, $name: String!, $password: String!) {
      register(email: $email, name: $name, password: $password) { ${FIELDS} }
    }`;
    return new Session((await post<{ register: SignIn }>(mutation, { email, name, password })).register);
  }

  get account(): SignIn['account'] {
    return this.#signIn.account;
  }

  /** What a page keeps to stay signed in after a reload. */
  get stored(): SignIn {
    return this.#signIn;
  }

  /** Calls `listener` after each renewal of the token. */
  onRenewed(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Returns a token that is valid for a while. */
  async token(): Promise<string> {
    const left = Date.parse(this.#signIn.expiresAt) - Date.now();
    // The computer may have slept when it was time to renew the token.
    if (left < 60_000) await this.#renew();
    return this.#signIn.token;
  }

  /** Runs an operation and returns its data. */
  async run<Data>(query: string, variables: Record<string, unknown> = {}): Promise<Data> {
    return post<Data>(query, variables, await this.token());
  }

  async signOut(): Promise<void> {
    clearTimeout(this.#timer);
    await this.run('mutation { signOut }');
  }

  /** Renews the token at half of its remaining life, at least every hour. */
  #renewLater(): void {
    clearTimeout(this.#timer);
    const left = Date.parse(this.#signIn.expiresAt) - Date.now();
    // A token that cannot be renewed now, for example without a network, is renewed later, or when it is next used.
    const renew = () => this.#renew().catch(() => this.#renewLater());
    if (left > 0) this.#timer = setTimeout(renew, Math.min(Math.max(left / 2, 1000), 3_600_000));
  }

  /** Renews the token once, also for those who ask meanwhile. */
  #renew(): Promise<void> {
    const renew = async () => {
      const mutation = `mutation { refreshToken { ${FIELDS} } }`;
      this.#signIn = (await post<{ refreshToken: SignIn }>(mutation, {}, this.#signIn.token)).refreshToken;
      this.#renewLater();
      for (const listener of this.#listeners) listener();
    };
    this.#renewal ??= renew().finally(() => (this.#renewal = undefined));
    return this.#renewal;
  }
}

async function post<Data>(query: string, variables: Record<string, unknown>, token?: string): Promise<Data> {
  const response = await fetch('graphql', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json',
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors?.length) throw new OperationError(errors[0].message, errors[0].extensions?.code);
  return data;
}
